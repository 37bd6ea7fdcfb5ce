import { PlayableItems } from "@joy/catalog/PlayableItems"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { ContentUnavailable, type MediaItemNotFound, type MediaStatus } from "@joy/domain/MediaItem"
import type { Playback, PlaybackStatus } from "@joy/domain/Playback"
import type { Forbidden } from "@joy/domain/Problem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Grants } from "./Grants.ts"
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
    ) => Effect.Effect<Playback, MediaItemNotFound | ContentUnavailable | Forbidden, CurrentPrincipal>
  }
>()("@joy/playback/Playbacks") {
  static readonly layer: Layer.Layer<Playbacks, never, Grants | PlayableItems> = Layer.effect(
    Playbacks,
    Effect.gen(function* () {
      const grants = yield* Grants
      const items = yield* PlayableItems

      const prepare = Effect.fn("Playbacks.prepare")(function* (id: MediaItemId) {
        const item = yield* items.byId(id)
        if (item.status === "missing") return yield* new ContentUnavailable({})
        const { expiresAt, grant } = yield* grants.issue(item)
        const direct = Playability.isDirect(item)
        const status = statusOf(item.status, direct)
        const url = (rest: string) => `/play/${grant}/${rest}`
        return {
          status,
          preparedPercent: status === "ready" ? 100 : 0,
          grantExpiresAt: expiresAt,
          progressive: { url: url("content"), mimeType: item.mimeType, direct },
          hls: null,
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
