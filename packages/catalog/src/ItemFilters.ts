import type { Principal } from "@joy/domain/CurrentPrincipal"
import type { MediaFilters } from "@joy/domain/MediaApi"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import { visibleTo } from "./VisibleItems.ts"

/** What was typed to look for; `null` for nothing. */
export const wordsOf = ({ q }: MediaFilters): string | null => {
  const words = q?.trim()
  return words === undefined || words === "" ? null : words
}

/** What an item has to be for a list, but for its words. */
export const conditionsOf = (
  sql: SqlClient.SqlClient,
  query: MediaFilters,
  principal: Principal
): Array<Statement.Fragment> => {
  const conditions: Array<Statement.Fragment> = [sql`deleted_at IS NULL`, visibleTo(sql, principal)]
  if (query.type !== undefined) conditions.push(sql`type = ${query.type}`)
  if (query.status !== undefined) conditions.push(sql`status = ${query.status}`)
  if (query.tag !== undefined) conditions.push(sql`tags @> ARRAY[${query.tag.normalize("NFC")}]::text[]`)
  if (query.owner === "me") conditions.push(sql`user_id = ${principal.userId}`)
  if (query.favourite === "1") {
    conditions.push(
      sql`EXISTS (SELECT 1 FROM favourites f WHERE f.item_id = media_items.id AND f.user_id = ${principal.userId})`
    )
  }
  return conditions
}
