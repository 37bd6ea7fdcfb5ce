import { type PlayableItem, PlayableItems } from "@joy/catalog/PlayableItems"
import { RenditionRequests } from "@joy/catalog/RenditionRequests"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { ContentUnavailable, type MediaItemNotFound } from "@joy/domain/MediaItem"
import * as Playability from "@joy/domain/Playability"
import type { Playback } from "@joy/domain/Playback"
import type { Forbidden, ServiceUnavailable } from "@joy/domain/Problem"
import type { StoreFailure } from "@joy/media/MediaError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { unavailable } from "./Delivery.ts"
import { Grants } from "./Grants.ts"
import { Hls } from "./Hls.ts"
import { renditionType } from "./Plays.ts"
import { playedOf } from "./SourceVersion.ts"

/** Where players find an item, and how far it is from being there. */
type Found = Pick<Playback, "status" | "preparedPercent"> & {
  readonly direct: boolean
  readonly hls: boolean
}

const ready = { status: "ready", preparedPercent: 100 } as const
const preparing = (percent: number): Found => ({
  status: "preparing",
  preparedPercent: percent,
  direct: false,
  hls: false
})
const unplayable: Found = { status: "unplayable", preparedPercent: 0, direct: false, hls: false }

export class Playbacks extends Context.Service<
  Playbacks,
  {
    /** How the principal plays an item. Each answer comes with a grant of its own. */
    readonly prepare: (
      id: MediaItemId
    ) => Effect.Effect<
      Playback,
      MediaItemNotFound | ContentUnavailable | Forbidden | ServiceUnavailable,
      CurrentPrincipal
    >
  }
>()("@joy/playback/Playbacks") {
  static readonly layer: Layer.Layer<Playbacks, never, Grants | Hls | PlayableItems | RenditionRequests> = Layer.effect(
    Playbacks,
    Effect.gen(function* () {
      const grants = yield* Grants
      const hls = yield* Hls
      const items = yield* PlayableItems
      const requests = yield* RenditionRequests

      /** Whether there are segments. What was replaced a moment ago will be looked at soon. */
      const segmented = Effect.fnUntraced(
        function* (item: PlayableItem): Effect.fn.Return<boolean | "changed", StoreFailure> {
          if (item.rendition === null && !Playability.isSegmented(item)) return false
          return yield* hls.isPackageable(playedOf(item))
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new ContentUnavailable({})),
          ObjectChanged: () => Effect.succeed("changed" as const),
          StoreUnavailable: unavailable
        })
      )

      /** What browsers don't play as it is, they play as soon as somebody has wanted it. */
      const find = Effect.fnUntraced(function* (item: PlayableItem) {
        const { status } = item
        if (status === "pending" || status === "processing") return preparing(0)
        if (status !== "ready") return unplayable
        const hls = yield* segmented(item)
        if (hls === "changed") return preparing(0)
        const direct = item.rendition !== null || Playability.isDirect(item)
        if (direct || hls) return { ...ready, direct, hls }
        if (!Playability.canBeMadePlayable(item)) return unplayable
        const { etag, id: itemId, key, sizeBytes } = item
        const percent = yield* requests.want({ itemId, key, etag, sizeBytes })
        return percent === null ? unplayable : preparing(percent)
      })

      const prepare = Effect.fn("Playbacks.prepare")(function* (id: MediaItemId) {
        const item = yield* items.byId(id)
        if (item.status === "missing") return yield* new ContentUnavailable({})
        const { expiresAt, grant } = yield* grants.issue(item)
        const { direct, hls, preparedPercent, status } = yield* find(item)
        const url = (rest: string) => `/play/${grant}/${rest}`
        return {
          status,
          preparedPercent,
          grantExpiresAt: expiresAt,
          progressive:
            item.rendition === null
              ? { url: url("content"), mimeType: item.mimeType, direct }
              : { url: url("rendition.mp4"), mimeType: renditionType(item), direct },
          hls: hls ? { url: url("hls/main.m3u8") } : null,
          storyboard: item.storyboardSheets === null ? null : { url: url("storyboard.vtt") },
          subtitles: item.subtitles.map(({ label, language }, track) => ({
            language,
            label,
            url: url(`subtitles/${track}.vtt`)
          })),
          resumeAtSeconds: item.resumeAtSeconds
        }
      })

      return Playbacks.of({ prepare })
    })
  )
}
