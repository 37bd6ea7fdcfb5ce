import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * Refresh tokens from number `recent_counter` on were exchanged at `recent_since` or later: so one that is shown a moment
 * after it was spent is known for that, also when its successor was exchanged too by then.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE sessions
      ADD COLUMN recent_counter integer NOT NULL DEFAULT 0,
      ADD COLUMN recent_since timestamptz NOT NULL DEFAULT '-infinity'`
})
