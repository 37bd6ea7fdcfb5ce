import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import type { MediaItemId } from "@joy/domain/Ids"
import { MediaItemNotFound, type MediaStatus, type MediaType } from "@joy/domain/MediaItem"
import type { MediaStream, SubtitleTrack } from "@joy/domain/MediaStream"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden } from "@joy/domain/Problem"
import { ETag, type ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

import { type MediaDetailRow, streamsOf } from "./MediaRow.ts"
import { mimeTypeOf } from "./MimeType.ts"
import { visibleTo } from "./VisibleItems.ts"
import * as WatchPosition from "./WatchPosition.ts"

/** A file in the derived store that browsers play, made of an object that they don't. */
export const RenditionFile = Schema.Struct({ etag: ETag, sizeBytes: Schema.Finite })
export type RenditionFile = typeof RenditionFile.Type

/** Where the original of an item is, and what was made from it, for those who deliver bytes. */
export interface MediaContent {
  readonly id: MediaItemId
  readonly key: ObjectKey
  readonly etag: ETag
  readonly sizeBytes: number
  readonly type: MediaType
  readonly mimeType: string
  readonly status: MediaStatus
  /** `null`: there is no storyboard. */
  readonly storyboardSheets: number | null
  /** The text tracks, in the order of their files. */
  readonly subtitles: ReadonlyArray<SubtitleTrack>
  /** `null`: none was made. */
  readonly rendition: RenditionFile | null
}

/** What decides how an item is played. */
export interface PlayableItem extends MediaContent {
  readonly container: string | null
  readonly streams: ReadonlyArray<MediaStream>
  /** Where the user stopped; `null` at the beginning and the end. */
  readonly resumeAtSeconds: number | null
}

/** A row as the driver gives it: a hot read is not decoded. */
type ContentRow = Omit<MediaContent, "mimeType">

interface PlayableRow extends ContentRow, Pick<MediaDetailRow, "container" | "durationSeconds" | "streams"> {
  readonly positionSeconds: number | null
  readonly finished: boolean | null
}

const contentOf = (row: ContentRow): MediaContent => ({ ...row, mimeType: mimeTypeOf(row.key, row.type) })

/** The items that the principal may see, as playing them needs them. Somebody else's private item is not there. */
export class PlayableItems extends Context.Service<
  PlayableItems,
  {
    /** Where the original is. Asked for every range and segment: one read by key. */
    readonly content: (id: MediaItemId) => Effect.Effect<MediaContent, MediaItemNotFound | Forbidden, CurrentPrincipal>
    readonly byId: (id: MediaItemId) => Effect.Effect<PlayableItem, MediaItemNotFound | Forbidden, CurrentPrincipal>
  }
>()("@joy/catalog/PlayableItems") {
  static readonly layer: Layer.Layer<PlayableItems, never, HotReads> = Layer.effect(
    PlayableItems,
    Effect.gen(function* () {
      const sql = yield* HotReads
      const located = sql`
        media_items.id, s3_key AS key, etag, size_bytes::float8 AS "sizeBytes", type, status,
        storyboard_sheets AS "storyboardSheets", subtitles, rendition`

      const content = Effect.fn("PlayableItems.content")(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const [row] = yield* sql<ContentRow>`
          SELECT ${located} FROM media_items
          WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(sql, principal)}`.pipe(Effect.orDie)
        return row === undefined ? yield* new MediaItemNotFound({}) : contentOf(row)
      })

      const byId = Effect.fn("PlayableItems.byId")(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const [row] = yield* sql<PlayableRow>`
          SELECT ${located}, container, duration_seconds AS "durationSeconds", streams,
            progress.position_seconds AS "positionSeconds", progress.finished
          FROM media_items
          LEFT JOIN media_progress progress ON progress.item_id = media_items.id AND progress.user_id = ${principal.userId}
          WHERE media_items.id = ${id} AND deleted_at IS NULL AND ${visibleTo(sql, principal)}`.pipe(Effect.orDie)
        if (row === undefined) return yield* new MediaItemNotFound({})
        const { durationSeconds, finished, positionSeconds, ...item } = row
        return {
          ...contentOf(item),
          container: item.container,
          streams: streamsOf(row),
          resumeAtSeconds:
            positionSeconds === null || finished === true
              ? null
              : WatchPosition.resumeAt(positionSeconds, durationSeconds)
        }
      })

      return PlayableItems.of({ content, byId })
    })
  )
}
