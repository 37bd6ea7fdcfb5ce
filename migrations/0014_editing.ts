import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What people change of items, and what is left of those that they threw away. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // `title_edited`: the title is somebody's own, and no name of a file or tag in it changes it any more.
  yield* sql`
    ALTER TABLE media_items
      ADD COLUMN title_edited boolean NOT NULL DEFAULT false,
      ADD COLUMN delete_source boolean NOT NULL DEFAULT false,
      ADD CHECK (NOT delete_source OR deleted_at IS NOT NULL)`
  yield* sql`DROP INDEX media_items_trash`
  yield* sql`CREATE INDEX media_items_trash ON media_items (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL`

  // Objects whose items left the trash for good, and which are still in the store: not to be found as new.
  yield* sql`
    CREATE TABLE purged_objects (
      s3_key text COLLATE "C" PRIMARY KEY,
      etag text NOT NULL,
      size_bytes bigint NOT NULL,
      purged_at timestamptz NOT NULL DEFAULT now()
    )`
})
