import { PlayableItems } from "@joy/catalog/PlayableItems"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { ContentUnavailable, type MediaItemNotFound } from "@joy/domain/MediaItem"
import { type Forbidden, ServiceUnavailable } from "@joy/domain/Problem"
import { SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import { deliver, type Delivery, unavailable, type Wanted } from "./Delivery.ts"

export class Originals extends Context.Service<
  Originals,
  {
    /**
     * Opens the original of an item as the request asks for it. Preconditions and range are decided against the version
     * that is then sent, so that one answer never mixes two. What is open closes with the scope.
     */
    readonly open: (
      id: MediaItemId,
      wanted: Wanted
    ) => Effect.Effect<
      Delivery,
      MediaItemNotFound | ContentUnavailable | Forbidden | ServiceUnavailable,
      CurrentPrincipal | Scope.Scope
    >
  }
>()("@joy/playback/Originals") {
  static readonly layer: Layer.Layer<Originals, never, PlayableItems | SourceStore> = Layer.effect(
    Originals,
    Effect.gen(function* () {
      const items = yield* PlayableItems
      const store = yield* SourceStore

      const open = Effect.fn("Originals.open")(
        function* (id: MediaItemId, wanted: Wanted) {
          const { key, mimeType } = yield* items.content(id)
          // Replaced between asking and reading: ask once more, of the new version.
          return yield* deliver(store, { key, mimeType }, wanted).pipe(
            Effect.retry({ times: 2, while: (error) => error._tag === "ObjectChanged" })
          )
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new ContentUnavailable({})),
          ObjectChanged: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          RangeNotSatisfiable: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          StoreUnavailable: unavailable
        })
      )

      return Originals.of({ open })
    })
  )
}
