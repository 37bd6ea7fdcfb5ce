import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What object stores say has changed, and looks at some keys beside the scans of all. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // One row per key that was spoken of. `sequence` tells a later event from an earlier one, where the store numbers them
  // so that it can be told; `revision` an event that came while the key was being looked at.
  yield* sql`
    CREATE TABLE object_events (
      s3_key text COLLATE "C" PRIMARY KEY,
      sequence text COLLATE "C",
      revision integer NOT NULL DEFAULT 1,
      pending boolean NOT NULL DEFAULT true,
      seen_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX object_events_pending ON object_events (seen_at) WHERE pending`

  // A look is a scan of some keys. Its row holds together what it finds, and goes with it.
  yield* sql`ALTER TABLE scans ADD COLUMN partial boolean NOT NULL DEFAULT false`
  yield* sql`DROP INDEX scans_running`
  yield* sql`CREATE UNIQUE INDEX scans_running ON scans ((true)) WHERE status = 'running' AND NOT partial`
})
