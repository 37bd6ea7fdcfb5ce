import { type PlayableItem, PlayableItems } from "@joy/catalog/PlayableItems"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { ContentUnavailable, type MediaItemNotFound, type MediaStatus } from "@joy/domain/MediaItem"
import type { Playback, PlaybackStatus } from "@joy/domain/Playback"
import type { Forbidden, ServiceUnavailable } from "@joy/domain/Problem"
import type { StoreFailure } from "@joy/media/MediaError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { unavailable } from "./Delivery.ts"
import { Grants } from "./Grants.ts"
import { Hls } from "./Hls.ts"
import * as Playability from "./Playability.ts"

const statusOf = (status: MediaStatus, isPlayable: boolean): PlaybackStatus => {
  if (status === "pending" || status === "processing") return "preparing"
  return status === "ready" && isPlayable ? "ready" : "unplayable"
}

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
  static readonly layer: Layer.Layer<Playbacks, never, Grants | Hls | PlayableItems> = Layer.effect(
    Playbacks,
    Effect.gen(function* () {
      const grants = yield* Grants
      const hls = yield* Hls
      const items = yield* PlayableItems

      /** Whether there are segments. What was replaced a moment ago will be looked at soon. */
      const segmented = Effect.fnUntraced(
        function* (item: PlayableItem): Effect.fn.Return<boolean | "changed", StoreFailure> {
          if (item.status !== "ready" || !Playability.isSegmented(item)) return false
          return yield* hls.isPackageable({ ...item, itemId: item.id })
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new ContentUnavailable({})),
          ObjectChanged: () => Effect.succeed("changed" as const),
          StoreUnavailable: unavailable
        })
      )

      const prepare = Effect.fn("Playbacks.prepare")(function* (id: MediaItemId) {
        const item = yield* items.byId(id)
        if (item.status === "missing") return yield* new ContentUnavailable({})
        const { expiresAt, grant } = yield* grants.issue(item)
        const direct = Playability.isDirect(item)
        const hls = yield* segmented(item)
        const status = hls === "changed" ? "preparing" : statusOf(item.status, direct || hls)
        const url = (rest: string) => `/play/${grant}/${rest}`
        return {
          status,
          preparedPercent: status === "ready" ? 100 : 0,
          grantExpiresAt: expiresAt,
          progressive: { url: url("content"), mimeType: item.mimeType, direct },
          hls: hls === true ? { url: url("hls/main.m3u8") } : null,
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
