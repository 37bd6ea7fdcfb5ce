import type { Principal } from "@joy/domain/CurrentPrincipal"
import type { UserId } from "@joy/domain/Ids"
import type { Visibility } from "@joy/domain/MediaItem"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import * as ShareRule from "./ShareRule.ts"

/**
 * The one rule of who sees which rows of `media_items`: what is shared for all, what is private for its owner, and
 * everything for who may change everything; by a link, what it leads to. What the rule hides is not there, on every route.
 */
export const visibleTo = (
  sql: SqlClient.SqlClient,
  { credential, permissions, userId }: Principal
): Statement.Fragment => {
  if (credential.kind === "share") {
    return sql`EXISTS (SELECT FROM shares, users WHERE shares.id = ${credential.shareId} AND ${ShareRule.holds(sql)})`
  }
  return permissions.has("media:write")
    ? sql`TRUE`
    : sql`(media_items.visibility = 'shared' OR media_items.user_id = ${userId})`
}

/** What is in the trash is there for its owner and for who may change everything. */
export const trashOf = (sql: SqlClient.SqlClient, principal: Principal): Statement.Fragment =>
  principal.permissions.has("media:write")
    ? sql`media_items.deleted_at IS NOT NULL`
    : sql`(media_items.deleted_at IS NOT NULL AND media_items.user_id = ${principal.userId})`

/** What the rule goes by. */
export interface Audience {
  readonly visibility: Visibility
  readonly ownerId: UserId | null
}

/** The same rule for an item at hand (`undefined`: it is gone for good), but for links. */
export const isVisibleTo = (item: Audience | undefined, principal: Principal): boolean =>
  principal.permissions.has("media:write") ||
  (item !== undefined && (item.visibility === "shared" || item.ownerId === principal.userId))
