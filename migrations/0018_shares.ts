import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Links don't follow an item that becomes private, or somebody else's: who saw it when they were made is kept with them. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE shares
      ADD COLUMN visibility text NOT NULL DEFAULT 'shared' CHECK (visibility IN ('private', 'shared')),
      ADD COLUMN owner_id uuid REFERENCES users ON DELETE SET NULL`
  yield* sql`ALTER TABLE shares ALTER COLUMN visibility DROP DEFAULT`
  // Users that are deleted ask here.
  yield* sql`CREATE INDEX shares_maker ON shares (created_by)`
  yield* sql`CREATE INDEX shares_owner ON shares (owner_id) WHERE owner_id IS NOT NULL`
})
