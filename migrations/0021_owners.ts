import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What is one's own, by every sort: few have most of it, and sorting it took longer than finding it. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE INDEX media_items_owner_title ON media_items (user_id, left(title, 100) COLLATE "C", id)
    WHERE deleted_at IS NULL AND user_id IS NOT NULL`
  yield* sql`
    CREATE INDEX media_items_owner_duration ON media_items (user_id, coalesce(duration_seconds, -1) DESC, id DESC)
    WHERE deleted_at IS NULL AND user_id IS NOT NULL`
})
