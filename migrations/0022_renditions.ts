import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What is made of objects that browsers don't play, when somebody wants to play them. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // `etag` and `sizeBytes` of the file in the derived store; null for none.
  yield* sql`ALTER TABLE media_items ADD COLUMN rendition jsonb`

  // How far the making is, or why it ended without one, apart from the item: it changes every few seconds.
  yield* sql`
    CREATE TABLE media_renditions (
      item_id uuid PRIMARY KEY REFERENCES media_items ON DELETE CASCADE,
      etag text NOT NULL,
      percent smallint NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
      failure text
    )`
})
