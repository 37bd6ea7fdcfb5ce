import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import type { MediaItemId, UserId } from "@joy/domain/Ids"
import type { MediaListQuery } from "@joy/domain/MediaApi"
import type { TrashedItem } from "@joy/domain/MediaChange"
import { type MediaItem, type MediaItemDetail, MediaItemNotFound, type Visibility } from "@joy/domain/MediaItem"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import { type Forbidden, type InvalidRequest, Unauthenticated } from "@joy/domain/Problem"
import { Signer } from "@joy/domain/Signer"
import type { ETag } from "@joy/domain/StoredObject"
import type { ThumbnailViewer } from "@joy/domain/ThumbnailAuthorization"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import * as ItemPages from "./ItemPages.ts"
import * as KnownItems from "./KnownItems.ts"
import { columns, type MediaDetailRow, toMediaItemDetail } from "./MediaRow.ts"
import { viewer } from "./MediaView.ts"
import { mimeTypeOf } from "./MimeType.ts"
import * as ThumbnailUrls from "./ThumbnailUrls.ts"
import { visibleTo } from "./VisibleItems.ts"

/** The thumbnails of an item, for those who deliver bytes. */
export interface MediaThumbnails {
  readonly id: MediaItemId
  readonly etag: ETag
  readonly sizes: ReadonlyArray<{ readonly width: number; readonly height: number }>
}

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
      const hot = yield* HotReads
      const signer = yield* Signer
      const viewFor = yield* viewer
      const pages = yield* ItemPages.make
      const detail = hot`${columns(hot)}, streams, chapters, subtitles, storyboard_sheets AS "storyboardSheets"`

      /** The row of an item that the principal may see. */
      const visible = Effect.fnUntraced(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const [row] = yield* hot<MediaDetailRow>`
          SELECT ${detail} FROM media_items
          WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(hot, principal)}`.pipe(Effect.orDie)
        return row === undefined ? yield* new MediaItemNotFound({}) : { principal, row }
      })

      const known = KnownItems.make<MediaDetailRow, MediaItemDetail>()
      const stamp = KnownItems.stampOf(hot)

      const byId = Effect.fn("MediaItems.byId")(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const before = known.find(id)
        // The row comes along only where it is not the one that is known.
        const [found] = yield* hot<Omit<MediaDetailRow, "id"> & { id: MediaItemId | null; stamp: string }>`
          SELECT seen.stamp, ${detail} FROM (
            SELECT id AS seen_id, ${stamp} AS stamp FROM media_items
            WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(hot, principal)}
          ) AS seen
          LEFT JOIN media_items ON id = seen_id AND seen.stamp IS DISTINCT FROM ${before?.stamp ?? null}::text`.pipe(
          Effect.orDie
        )
        if (found === undefined) return yield* new MediaItemNotFound({})
        const item = found.id === null ? before : known.keep(found.stamp, { ...found, id: found.id })
        if (item === undefined) return yield* Effect.die(new Error("The row of an item did not come"))
        const { nameFor, present } = yield* viewFor(principal)
        return KnownItems.viewOf(item, nameFor(item.row), (row) =>
          toMediaItemDetail(row, present(row), mimeTypeOf(row.s3Key, row.type))
        )
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

      return MediaItems.of({ ...pages, byId, thumbnails })
    })
  )
}
