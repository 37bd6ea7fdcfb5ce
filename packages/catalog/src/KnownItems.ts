import type { MediaItemId } from "@joy/domain/Ids"
import type * as SqlClient from "effect/sql/SqlClient"

import type { MediaRow } from "./MediaRow.ts"

/** Enough for what is being looked at; some kilobytes each. */
const most = 4096
/** With the key and without it, in this hour and the one before. */
const mostViews = 4

/**
 * Tells versions of a row apart, whoever wrote them and whatever for: the transaction, and the time. (After a crash that
 * took an asynchronous commit back, another transaction may get its number.)
 */
export const stampOf = (sql: SqlClient.SqlClient) => sql`xmin::text || ' ' || updated_at::text`

export interface KnownItem<Row, Item> {
  readonly stamp: string
  readonly row: Row
  /** What was made of the row, by who looks and when. */
  readonly views: Map<string, Item>
}

/** What was made of a row for the same view, or is made now. */
export const viewOf = <Row, Item>(
  { row, views }: KnownItem<Row, Item>,
  view: string,
  make: (row: Row) => Item
): Item => {
  const known = views.get(view)
  if (known !== undefined) return known
  // Views of an hour ago are nobody's any more.
  if (views.size >= mostViews) views.clear()
  const item = make(row)
  views.set(view, item)
  return item
}

/**
 * Rows that were read a moment ago, with what was made of them: whether they are still the same the database says each
 * time, in a few bytes instead of all of the row.
 */
export const make = <Row extends Pick<MediaRow, "id">, Item>() => {
  const known = new Map<MediaItemId, KnownItem<Row, Item>>()
  return {
    find: (id: MediaItemId): KnownItem<Row, Item> | undefined => known.get(id),
    keep: (stamp: string, row: Row): KnownItem<Row, Item> => {
      const item = { stamp, row, views: new Map<string, Item>() }
      // The oldest stands first.
      known.delete(row.id)
      known.set(row.id, item)
      for (const id of known.keys()) {
        if (known.size <= most) break
        known.delete(id)
      }
      return item
    }
  }
}
