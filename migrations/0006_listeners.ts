import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** The processes that may answer from copies of sessions, each for as long as it knows that it hears of their ends. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE session_listeners (
      id uuid PRIMARY KEY,
      trusts_until timestamptz NOT NULL
    )`
})
