import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Sessions that were ended are found by when, to be deleted some time later. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL`
})
