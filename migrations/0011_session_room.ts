import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * A refresh changes no column that is indexed, so its new version of the row needs no entry in any index if it fits into
 * the page of the old one. Pages that new sessions fill to the brim have no room for it.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE sessions SET (fillfactor = 80)`
})
