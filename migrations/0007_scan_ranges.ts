import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Scans in several ranges of keys at once, and what they find to be sorted out when all of them are done. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // A scan without ranges has not begun: one that ran while this was migrated begins again.
  yield* sql`ALTER TABLE scans DROP COLUMN checkpoint`

  // Keys after the checkpoint and up to `up_to`, inclusive; to the end without one. The counters are the scan's while it
  // runs: each range has its own, so that ranges do not wait for each other.
  yield* sql`
    CREATE TABLE scan_ranges (
      scan_id uuid NOT NULL REFERENCES scans ON DELETE CASCADE,
      position integer NOT NULL,
      checkpoint text COLLATE "C" NOT NULL,
      up_to text COLLATE "C",
      done boolean NOT NULL DEFAULT false,
      pages integer NOT NULL DEFAULT 0,
      listed integer NOT NULL DEFAULT 0,
      new integer NOT NULL DEFAULT 0,
      changed integer NOT NULL DEFAULT 0,
      failed integer NOT NULL DEFAULT 0,
      PRIMARY KEY (scan_id, position)
    )`

  // Objects of the running scan whose version is known under another key: copied or moved, which shows at its end.
  // `displaced_id`: what their key held before. `object_id`: which known object they turned out to be.
  yield* sql`
    CREATE TABLE scan_arrivals (
      scan_id uuid NOT NULL REFERENCES scans ON DELETE CASCADE,
      s3_key text COLLATE "C" NOT NULL,
      etag text NOT NULL,
      size_bytes bigint NOT NULL,
      displaced_id uuid REFERENCES processed_s3_objects ON DELETE CASCADE,
      object_id uuid REFERENCES processed_s3_objects ON DELETE CASCADE,
      PRIMARY KEY (scan_id, s3_key)
    )`
  yield* sql`CREATE INDEX scan_arrivals_displaced ON scan_arrivals (displaced_id) WHERE displaced_id IS NOT NULL`
  yield* sql`CREATE INDEX scan_arrivals_object ON scan_arrivals (object_id) WHERE object_id IS NOT NULL`
})
