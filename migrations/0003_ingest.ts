import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What was seen in the store, what is to be done about it, and what happened. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // One row per key ever seen. `run` counts the workflows started for the key: it is part of their idempotency key.
  // An unusable entry of a listing (a name that is no UTF-8, a dangling link) stands here by what can be written of its
  // name, which does not sort where the entry does: its absence is told by `seen_in_scan`, not by ranges of keys.
  yield* sql`
    CREATE TABLE processed_s3_objects (
      id uuid PRIMARY KEY,
      s3_key text COLLATE "C" NOT NULL CONSTRAINT processed_s3_objects_key_unique UNIQUE,
      etag text NOT NULL,
      size_bytes bigint NOT NULL,
      item_id uuid NOT NULL REFERENCES media_items ON DELETE CASCADE,
      run integer NOT NULL DEFAULT 1,
      thumbnail_version integer NOT NULL DEFAULT 0,
      unusable boolean NOT NULL DEFAULT false,
      seen_in_scan uuid,
      missing_at timestamptz,
      processed_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX processed_s3_objects_item ON processed_s3_objects (item_id)`
  yield* sql`CREATE INDEX processed_s3_objects_version ON processed_s3_objects (etag, size_bytes)`

  // `requested`: somebody asked for it. `rescan`: somebody asked while it ran, for what it may have passed already.
  yield* sql`
    CREATE TABLE scans (
      id uuid PRIMARY KEY,
      status text NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'waiting')),
      accept_missing boolean NOT NULL DEFAULT false,
      requested boolean NOT NULL DEFAULT false,
      rescan boolean NOT NULL DEFAULT false,
      checkpoint text COLLATE "C" NOT NULL DEFAULT '',
      listed integer NOT NULL DEFAULT 0,
      new integer NOT NULL DEFAULT 0,
      changed integer NOT NULL DEFAULT 0,
      moved integer NOT NULL DEFAULT 0,
      missing integer NOT NULL DEFAULT 0,
      failed integer NOT NULL DEFAULT 0,
      known_at_start integer NOT NULL DEFAULT 0,
      unreadable text[] NOT NULL DEFAULT '{}',
      message text,
      started_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz
    )`
  // One scan at a time, whoever starts it.
  yield* sql`CREATE UNIQUE INDEX scans_running ON scans ((true)) WHERE status = 'running'`
  yield* sql`CREATE INDEX scans_started ON scans (started_at DESC)`

  // Keys of ours that a page of the running scan lacked; made final only when the scan has seen the whole.
  yield* sql`
    CREATE TABLE scan_absences (
      scan_id uuid NOT NULL REFERENCES scans ON DELETE CASCADE,
      object_id uuid NOT NULL REFERENCES processed_s3_objects ON DELETE CASCADE,
      PRIMARY KEY (scan_id, object_id)
    )`
  yield* sql`CREATE INDEX scan_absences_object ON scan_absences (object_id)`

  // Work to do, written in the transaction that found it. Deleted when the workflow ends. `attempts` counts the runs
  // that failed, `starts` how often one was begun: an object that takes the process down with it is found by that.
  yield* sql`
    CREATE TABLE ingest_outbox (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      item_id uuid NOT NULL REFERENCES media_items ON DELETE CASCADE,
      s3_key text COLLATE "C" NOT NULL,
      etag text NOT NULL,
      size_bytes bigint NOT NULL,
      run integer NOT NULL,
      attempts integer NOT NULL DEFAULT 0,
      starts integer NOT NULL DEFAULT 0,
      available_at timestamptz NOT NULL DEFAULT now(),
      submitted_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT ingest_outbox_run_unique UNIQUE (s3_key, run)
    )`
  yield* sql`CREATE INDEX ingest_outbox_waiting ON ingest_outbox (available_at, id) WHERE submitted_at IS NULL`
  yield* sql`CREATE INDEX ingest_outbox_item ON ingest_outbox (item_id)`

  // Ids become visible out of commit order: readers order by (transaction_id, id) below the oldest running transaction.
  yield* sql`
    CREATE TABLE events (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
      name text NOT NULL,
      data jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX events_order ON events (transaction_id, id)`
  yield* sql`CREATE INDEX events_created ON events (created_at)`
})
