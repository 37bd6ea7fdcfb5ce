import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** Ingest on many machines: who is there, and what the cluster keeps. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // What runners say of themselves. A runner that lives holds an advisory lock of its number.
  yield* sql`CREATE SEQUENCE ingest_runner_ids AS integer CYCLE`
  yield* sql`
    CREATE TABLE ingest_runners (
      id integer PRIMARY KEY,
      address text NOT NULL,
      state text NOT NULL CHECK (state IN ('working', 'resting', 'stalled', 'draining')),
      concurrency integer NOT NULL CHECK (concurrency > 0),
      in_hand integer NOT NULL,
      shards integer NOT NULL,
      started_at timestamptz NOT NULL DEFAULT now(),
      seen_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX ingest_outbox_handed_out ON ingest_outbox (submitted_at, id) WHERE submitted_at IS NOT NULL`

  // The cluster makes its tables itself when a runner starts, and brings them up to date when it is a newer one. They
  // are made here too, because others look into them.
  const tables = Layer.mergeAll(SqlMessageStorage.layerMigrations({}), SqlRunnerStorage.layerMigrations({}))
  yield* Effect.scoped(Layer.build(tables))
})
