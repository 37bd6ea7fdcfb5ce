import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

/**
 * When a link opens its item, for statements that join `shares`, `media_items` and `users` (who made the link). It ends by
 * its time and by being revoked, and with the account of who made it. It opens nothing while the item is in the trash, and
 * does not follow an item that became private, or somebody else's, since.
 */
export const holds = (sql: SqlClient.SqlClient): Statement.Fragment => sql`
  shares.item_id = media_items.id AND users.id = shares.created_by AND users.disabled_at IS NULL
  AND shares.revoked_at IS NULL AND coalesce(shares.expires_at > now(), true) AND media_items.deleted_at IS NULL
  AND (media_items.visibility = 'shared'
    OR (shares.visibility = 'private' AND shares.owner_id IS NOT DISTINCT FROM media_items.user_id))`
