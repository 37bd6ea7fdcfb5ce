import { CurrentPrincipal, type Principal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import type { MediaItemId, UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import type { MediaListQuery } from "@joy/domain/MediaApi"
import type { TrashedItem } from "@joy/domain/MediaChange"
import { type MediaItem, type MediaItemDetail, MediaItemNotFound, type Visibility } from "@joy/domain/MediaItem"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import { type Forbidden, type InvalidRequest, Unauthenticated } from "@joy/domain/Problem"
import { Signer } from "@joy/domain/Signer"
import type { ETag } from "@joy/domain/StoredObject"
import type { ThumbnailViewer } from "@joy/domain/ThumbnailAuthorization"
import type { Timestamp } from "@joy/domain/Timestamp"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import { type Order, orders } from "./MediaOrder.ts"
import { columns, type MediaDetailRow, type MediaRow, toMediaItemDetail } from "./MediaRow.ts"
import { presenter } from "./MediaView.ts"
import { mimeTypeOf } from "./MimeType.ts"
import * as ThumbnailUrls from "./ThumbnailUrls.ts"
import { trashOf, visibleTo } from "./VisibleItems.ts"

/** The thumbnails of an item, for those who deliver bytes. */
export interface MediaThumbnails {
  readonly id: MediaItemId
  readonly etag: ETag
  readonly sizes: ReadonlyArray<{ readonly width: number; readonly height: number }>
}

/** When the last item of a page was thrown away, and its id. */
const TrashPosition = Schema.Tuple([Schema.String, Schema.String])

export class MediaItems extends Context.Service<
  MediaItems,
  {
    /** A page of the items that the principal may see. */
    readonly list: (
      query: MediaListQuery
    ) => Effect.Effect<Page<MediaItem>, Forbidden | InvalidRequest, CurrentPrincipal>
    /** One item. Somebody else's private item is not there. */
    readonly byId: (id: MediaItemId) => Effect.Effect<MediaItemDetail, MediaItemNotFound | Forbidden, CurrentPrincipal>
    /** The failed items, the newest first. */
    readonly failures: (
      query: PageQuery
    ) => Effect.Effect<Page<MediaItem>, Forbidden | InvalidRequest, CurrentPrincipal>
    /** What was thrown away and the principal may restore, the latest first. */
    readonly trash: (query: PageQuery) => Effect.Effect<Page<TrashedItem>, Forbidden | InvalidRequest, CurrentPrincipal>
    /** Which thumbnails there are; for a principal who may see the item, or whoever holds a URL signed for it. */
    readonly thumbnails: (
      id: MediaItemId,
      viewer: ThumbnailViewer["Service"]
    ) => Effect.Effect<MediaThumbnails, MediaItemNotFound | Forbidden | Unauthenticated>
  }
>()("@joy/catalog/MediaItems") {
  static readonly layer = Layer.effect(
    MediaItems,
    Effect.gen(function* () {
      // Pages may be slow, with filters above all: they don't stand in the way of hot reads.
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const hot = yield* HotReads
      const signer = yield* Signer
      const present = yield* presenter
      const item = columns(sql)

      const matches = (query: MediaListQuery, principal: Principal) => {
        const conditions: Array<Statement.Fragment> = [sql`deleted_at IS NULL`, visibleTo(sql, principal)]
        if (query.type !== undefined) conditions.push(sql`type = ${query.type}`)
        if (query.status !== undefined) conditions.push(sql`status = ${query.status}`)
        if (query.tag !== undefined) conditions.push(sql`tags @> ARRAY[${query.tag}]::text[]`)
        if (query.owner === "me") conditions.push(sql`user_id = ${principal.userId}`)
        if (query.favourite === "1") {
          conditions.push(
            sql`EXISTS (SELECT 1 FROM favourites f WHERE f.item_id = media_items.id AND f.user_id = ${principal.userId})`
          )
        }
        const words = query.q?.trim()
        if (words !== undefined && words !== "") {
          const pattern = `%${words.replace(/[\\%_]/g, "\\$&")}%`
          conditions.push(sql`(search @@ websearch_to_tsquery('simple', ${words}) OR title ILIKE ${pattern})`)
        }
        return conditions
      }

      const pageOf = Effect.fnUntraced(function* (
        principal: Principal,
        {
          conditions,
          list,
          order,
          query
        }: {
          readonly list: string
          readonly order: Order
          readonly query: PageQuery
          readonly conditions: Array<Statement.Fragment>
        }
      ) {
        const position = yield* Keyset.position(signer, list, order.position, query.cursor)
        if (position !== null) conditions.push(order.after(sql, position))
        const rows = yield* sql<MediaRow>`
          SELECT ${item} FROM media_items WHERE ${sql.and(conditions)}
          ${order.by(sql)} LIMIT ${Keyset.rowLimit(query)}::int`.pipe(Effect.orDie)
        const page = Keyset.page(signer, list, query, rows, order.of)
        return { ...page, items: page.items.map(yield* present(principal)) }
      })

      const list = Effect.fn("MediaItems.list")(function* (query: MediaListQuery) {
        const principal = yield* Policy.permission("media:read")
        const order = orders[query.sort ?? "-createdAt"]
        return yield* pageOf(principal, { list: order.list, order, query, conditions: matches(query, principal) })
      })

      const failures = Effect.fn("MediaItems.failures")(function* (query: PageQuery) {
        const principal = yield* Policy.permission("media:refresh")
        const conditions = [sql`deleted_at IS NULL AND status = 'failed'`, visibleTo(sql, principal)]
        return yield* pageOf(principal, { list: "media-failures", order: orders["-createdAt"], query, conditions })
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
        const shown = yield* present(principal)
        return {
          ...page,
          items: page.items.map((row) =>
            Object.assign(shown(row), { deletedAt: row.deletedAt, deletesSource: row.deletesSource })
          )
        }
      })

      /** The row of an item that the principal may see. */
      const visible = Effect.fnUntraced(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const [row] = yield* hot<MediaDetailRow>`
          SELECT ${item}, streams, chapters, subtitles, storyboard_sheets AS "storyboardSheets" FROM media_items
          WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(sql, principal)}`.pipe(Effect.orDie)
        return row === undefined ? yield* new MediaItemNotFound({}) : { principal, row }
      })

      const byId = Effect.fn("MediaItems.byId")(function* (id: MediaItemId) {
        const { principal, row } = yield* visible(id)
        return toMediaItemDetail(row, (yield* present(principal))(row), mimeTypeOf(row.s3Key, row.type))
      })

      const signedThumbnails = Effect.fnUntraced(function* (
        id: MediaItemId,
        signature: { readonly exp: number; readonly sig: string }
      ) {
        const [row] = yield* hot<{
          visibility: Visibility
          userId: UserId | null
          etag: ETag
          thumbnails: MediaThumbnails["sizes"]
        }>`
          SELECT visibility, user_id AS "userId", etag, thumbnails FROM media_items
          WHERE id = ${id} AND deleted_at IS NULL`.pipe(Effect.orDie)
        // One answer for a wrong signature and for an item that is not there: the signature is all the caller has.
        if (
          row === undefined ||
          !ThumbnailUrls.verify(
            signer,
            { id, visibility: row.visibility, ownerId: row.userId },
            signature,
            (yield* Clock.currentTimeMillis) / 1000
          )
        ) {
          return yield* new Unauthenticated({})
        }
        return { id, etag: row.etag, sizes: row.thumbnails }
      })

      const thumbnails = Effect.fn("MediaItems.thumbnails")(function* (
        id: MediaItemId,
        viewer: ThumbnailViewer["Service"]
      ) {
        if (viewer._tag === "Signature") return yield* signedThumbnails(id, viewer)
        const { row } = yield* visible(id).pipe(Effect.provideService(CurrentPrincipal, viewer.principal))
        return { id: row.id, etag: row.etag, sizes: row.thumbnails }
      })

      return MediaItems.of({ list, byId, failures, trash, thumbnails })
    })
  )
}
