import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Kinds of derivatives, each of which can be made anew alone. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // By kind, which version of its making the object's derivatives have.
  yield* sql`ALTER TABLE processed_s3_objects ADD COLUMN derivative_versions jsonb NOT NULL DEFAULT '{}'`
  yield* sql`
    UPDATE processed_s3_objects SET derivative_versions = jsonb_build_object('thumbnail', thumbnail_version)
    WHERE thumbnail_version > 0`
  yield* sql`ALTER TABLE processed_s3_objects DROP COLUMN thumbnail_version`

  // One kind made anew for all. `checkpoint` is the last object whose work is in the outbox: all before it are.
  yield* sql`
    CREATE TABLE ingest_rebuilds (
      id uuid PRIMARY KEY,
      kind text NOT NULL,
      checkpoint uuid,
      total integer NOT NULL,
      added integer NOT NULL DEFAULT 0,
      failed integer NOT NULL DEFAULT 0,
      started_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz
    )`
  yield* sql`CREATE UNIQUE INDEX ingest_rebuilds_running ON ingest_rebuilds (kind) WHERE finished_at IS NULL`

  // `kind`: one kind of derivative alone; null for the whole object, whose runs `processed_s3_objects` counts. Runs of a
  // kind have numbers that nothing else has. `priority`: 0 new objects, 1 what follows a ready one, 2 what is made anew.
  yield* sql`CREATE SEQUENCE ingest_derivative_runs AS integer CYCLE`
  yield* sql`
    ALTER TABLE ingest_outbox
      ADD COLUMN kind text,
      ADD COLUMN rebuild_id uuid REFERENCES ingest_rebuilds ON DELETE CASCADE,
      ADD COLUMN priority smallint NOT NULL DEFAULT 0,
      DROP CONSTRAINT ingest_outbox_run_unique,
      ADD CONSTRAINT ingest_outbox_run_unique UNIQUE NULLS NOT DISTINCT (s3_key, kind, run)`
  yield* sql`CREATE INDEX ingest_outbox_rebuild ON ingest_outbox (rebuild_id) WHERE rebuild_id IS NOT NULL`
  yield* sql`DROP INDEX ingest_outbox_waiting`
  yield* sql`
    CREATE INDEX ingest_outbox_waiting ON ingest_outbox (priority, available_at, id) WHERE submitted_at IS NULL`
})
