import type { CurrentPrincipal, Principal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import type { MediaListQuery } from "@joy/domain/MediaApi"
import type { TrashedItem } from "@joy/domain/MediaChange"
import type { MediaItem } from "@joy/domain/MediaItem"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, InvalidRequest } from "@joy/domain/Problem"
import { Signer } from "@joy/domain/Signer"
import type { Timestamp } from "@joy/domain/Timestamp"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import { conditionsOf, wordsOf } from "./ItemFilters.ts"
import * as KnownItems from "./KnownItems.ts"
import { type Order, orders } from "./MediaOrder.ts"
import { columns, type MediaRow } from "./MediaRow.ts"
import { viewer } from "./MediaView.ts"
import { planned } from "./PlannedReads.ts"
import * as SearchPages from "./SearchPages.ts"
import * as SearchTerms from "./SearchTerms.ts"
import { trashOf, visibleTo } from "./VisibleItems.ts"

type KnownItem = KnownItems.KnownItem<MediaRow, MediaItem>

/** When the last item of a page was thrown away, and its id. */
const TrashPosition = Schema.Tuple([Schema.String, Schema.String])

/** `level`: which reading of the words the first page was answered by. */
const leveled = <S extends Schema.Codec<unknown, unknown>>(at: S) => Schema.Struct({ level: Schema.Int, at })
const RelevancePosition = leveled(SearchPages.SearchPosition)

/** A cursor belongs to one list of one user: with all that narrows and orders it. */
const nameOf = (principal: Principal, { cursor: _cursor, limit: _limit, ...rest }: MediaListQuery) =>
  `media.${principal.userId}.${JSON.stringify(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`

/** The first reading of the words that finds something, or the one that the cursor speaks of. */
const firstFound = <Row, E>(
  levels: ReadonlyArray<string>,
  level: number | undefined,
  rows: (tsquery: string, level: number) => Effect.Effect<ReadonlyArray<Row>, E>
) =>
  Effect.gen(function* () {
    for (const [at, tsquery] of levels.entries()) {
      if (level !== undefined && level !== at) continue
      const some = yield* rows(tsquery, at)
      if (some.length > 0) return { rows: some, level: at }
    }
    return { rows: [], level: 0 }
  })

/** The lists of items, of which `MediaItems` speaks. */
export const make = Effect.gen(function* () {
  // Pages may be slow, with filters above all: they don't stand in the way of hot reads.
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const signer = yield* Signer
  const viewFor = yield* viewer
  const known = KnownItems.make<MediaRow, MediaItem>()
  const stamp = KnownItems.stampOf(sql)
  const search = SearchTerms.make(sql)
  const found = SearchPages.make(sql)
  const item = columns(sql)
  const none: Page<MediaItem> = { items: [], nextCursor: null }

  const rowsBy = (order: Order, query: PageQuery, conditions: ReadonlyArray<Statement.Fragment>) =>
    sql<MediaRow>`
      SELECT ${item} FROM media_items WHERE ${sql.and(conditions)}
      ${order.by(sql)} LIMIT ${Keyset.rowLimit(query)}::int`

  const pageOf = Effect.fnUntraced(function* <Row extends MediaRow>(
    principal: Principal,
    list: string,
    query: PageQuery,
    rows: ReadonlyArray<Row>,
    of: (row: Row) => unknown
  ) {
    const page = Keyset.page(signer, list, query, rows, of)
    return { ...page, items: page.items.map((yield* viewFor(principal)).present) }
  })

  /** A page, of which rows that are known come as their stamps alone. */
  const knownRowsBy = Effect.fnUntraced(function* (
    order: Order,
    query: PageQuery,
    conditions: ReadonlyArray<Statement.Fragment>
  ) {
    const seen = yield* sql<{ readonly id: MediaItemId; readonly stamp: string }>`
      SELECT id, ${stamp} AS stamp FROM media_items WHERE ${sql.and(conditions)}
      ${order.by(sql)} LIMIT ${Keyset.rowLimit(query)}::int`
    const rows = new Map<MediaItemId, KnownItem>()
    for (const { id, stamp } of seen) {
      const item = known.find(id)
      if (item?.stamp === stamp) rows.set(id, item)
    }
    const unknown = seen.filter(({ id }) => !rows.has(id))
    if (unknown.length > 0) {
      const read = yield* sql<MediaRow & { readonly stamp: string }>`
        SELECT ${stamp} AS stamp, ${item} FROM media_items WHERE id = ANY(${unknown.map(({ id }) => id)}::uuid[])`
      for (const row of read) rows.set(row.id, known.keep(row.stamp, row))
    }
    const page = seen.map(({ id, stamp }) => {
      const item = rows.get(id)
      return item?.stamp === stamp ? item : null
    })
    if (!page.includes(null)) return page.filter((item) => item !== null)
    // One was changed between the two statements, and may have another place now.
    return (yield* rowsBy(order, query, conditions)).map((row) => ({ stamp: "", row, views: new Map() }))
  })

  const listed = Effect.fnUntraced(function* (principal: Principal, query: MediaListQuery, order: Order) {
    const list = nameOf(principal, query)
    const position = yield* Keyset.position(signer, list, order.position, query.cursor)
    const conditions = conditionsOf(sql, query, principal)
    if (position !== null) conditions.push(order.after(sql, position))
    const select = Effect.orDie(knownRowsBy(order, query, conditions))
    const rows = yield* query.tag !== undefined || query.favourite !== undefined ? planned(sql, select) : select
    const page = Keyset.page(signer, list, query, rows, ({ row }) => order.of(row))
    const { nameFor, present } = yield* viewFor(principal)
    return { ...page, items: page.items.map((item) => KnownItems.viewOf(item, nameFor(item.row), present)) }
  })

  const searched = Effect.fnUntraced(function* (principal: Principal, query: MediaListQuery, words: string) {
    const list = nameOf(principal, query)
    const sort = query.sort ?? "relevance"
    const conditions = conditionsOf(sql, query, principal)
    if (sort === "relevance") {
      const position = yield* Keyset.position(signer, list, RelevancePosition, query.cursor)
      const plan = yield* search(words)
      if (plan === null) return none
      const { level, rows } = yield* planned(
        sql,
        firstFound(plan.levels, position?.level, (tsquery, at) =>
          found(plan, tsquery, conditions, position?.at ?? SearchPages.startOf(at), Keyset.rowLimit(query))
        )
      )
      return yield* pageOf(principal, list, query, rows, (row) => ({ level, at: row.position }))
    }
    const order = orders[sort]
    const position = yield* Keyset.position(signer, list, leveled(order.position), query.cursor)
    const plan = yield* search(words)
    if (plan === null) return none
    if (position !== null) conditions.push(order.after(sql, position.at))
    const { level, rows } = yield* planned(
      sql,
      firstFound(plan.levels, position?.level, (tsquery) =>
        rowsBy(order, query, [...conditions, sql`search @@ ${tsquery}::tsquery`])
      )
    )
    return yield* pageOf(principal, list, query, rows, (row) => ({ level, at: order.of(row) }))
  })

  const list = Effect.fn("MediaItems.list")(function* (
    query: MediaListQuery
  ): Effect.fn.Return<Page<MediaItem>, Forbidden | InvalidRequest, CurrentPrincipal> {
    const principal = yield* Policy.permission("media:read")
    const words = wordsOf(query)
    if (words !== null) return yield* searched(principal, query, words)
    // Without words nothing is more relevant than what is new.
    const sort = query.sort === undefined || query.sort === "relevance" ? "-createdAt" : query.sort
    return yield* listed(principal, query, orders[sort])
  })

  const failures = Effect.fn("MediaItems.failures")(function* (query: PageQuery) {
    const principal = yield* Policy.permission("media:refresh")
    const order = orders["-createdAt"]
    const position = yield* Keyset.position(signer, "media-failures", order.position, query.cursor)
    const rows = yield* Effect.orDie(
      rowsBy(order, query, [
        sql`deleted_at IS NULL AND status = 'failed'`,
        visibleTo(sql, principal),
        ...(position === null ? [] : [order.after(sql, position)])
      ])
    )
    return yield* pageOf(principal, "media-failures", query, rows, order.of)
  })

  const trash = Effect.fn("MediaItems.trash")(function* (query: PageQuery) {
    const principal = yield* Policy.permission("media:read")
    const position = yield* Keyset.position(signer, "media-trash", TrashPosition, query.cursor)
    const rows = yield* sql<MediaRow & { readonly deletedAt: Timestamp; readonly deletesSource: boolean }>`
      SELECT ${item}, deleted_at AS "deletedAt", delete_source AS "deletesSource" FROM media_items
      WHERE ${trashOf(sql, principal)}
        AND ${position === null ? sql`TRUE` : sql`(deleted_at, id) < (${position[0]}::timestamptz, ${position[1]}::uuid)`}
      ORDER BY deleted_at DESC, id DESC LIMIT ${Keyset.rowLimit(query)}::int`.pipe(Effect.orDie)
    const page = Keyset.page(signer, "media-trash", query, rows, (row) => [row.deletedAt, row.id])
    const { present } = yield* viewFor(principal)
    const items: ReadonlyArray<TrashedItem> = page.items.map((row) =>
      Object.assign(present(row), { deletedAt: row.deletedAt, deletesSource: row.deletesSource })
    )
    return { ...page, items }
  })

  return { list, failures, trash }
})
