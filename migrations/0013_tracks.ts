import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What an item gets after it is ready: its storyboard, and the text tracks that players can show. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // How many sheets there are; null for none. Each element of `subtitles` is the file of its place.
  yield* sql`
    ALTER TABLE media_items
      ADD COLUMN storyboard_sheets integer CHECK (storyboard_sheets > 0),
      ADD COLUMN subtitles jsonb NOT NULL DEFAULT '[]'`
})
