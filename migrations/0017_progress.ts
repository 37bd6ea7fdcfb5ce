import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * A player tells every few seconds where it is, which must not write indexes: of what it changes nothing is indexed any
 * more, and pages keep room for new versions of their rows. What one user has not finished is few enough to be sorted.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP INDEX media_progress_recent`
  yield* sql`ALTER TABLE media_progress SET (fillfactor = 80)`
  yield* sql`CREATE INDEX media_progress_unfinished ON media_progress (user_id) WHERE NOT finished`
  // For items that are deleted.
  yield* sql`CREATE INDEX media_progress_item ON media_progress (item_id)`
})
