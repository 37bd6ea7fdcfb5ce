import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Work goes on with the trace that it was found in, in whichever process. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE ingest_outbox ADD COLUMN trace text`
})
