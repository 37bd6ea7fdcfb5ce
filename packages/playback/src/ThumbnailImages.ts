import { MediaItems } from "@joy/catalog/MediaItems"
import type { MediaItemId } from "@joy/domain/Ids"
import { type MediaItemNotFound, ThumbnailNotFound } from "@joy/domain/MediaItem"
import { type Forbidden, ServiceUnavailable, type Unauthenticated } from "@joy/domain/Problem"
import type { ThumbnailViewer } from "@joy/domain/ThumbnailAuthorization"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, type ObjectBody } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

export interface ThumbnailImage {
  readonly mimeType: "image/webp" | "image/jpeg"
  readonly body: ObjectBody
}

export class ThumbnailImages extends Context.Service<
  ThumbnailImages,
  {
    /** Opens the thumbnail whose width is nearest to `width` (pixels, the wider one of two equally near). */
    readonly open: (
      id: MediaItemId,
      viewer: ThumbnailViewer["Service"],
      options: { readonly width: number; readonly format: DerivedKeys.ThumbnailFormat }
    ) => Effect.Effect<
      ThumbnailImage,
      MediaItemNotFound | ThumbnailNotFound | Forbidden | Unauthenticated | ServiceUnavailable,
      Scope.Scope
    >
  }
>()("@joy/playback/ThumbnailImages") {
  static readonly layer = Layer.effect(
    ThumbnailImages,
    Effect.gen(function* () {
      const items = yield* MediaItems
      const store = yield* DerivedStore

      const open = Effect.fn("ThumbnailImages.open")(
        function* (
          id: MediaItemId,
          viewer: ThumbnailViewer["Service"],
          options: { readonly width: number; readonly format: DerivedKeys.ThumbnailFormat }
        ) {
          const { etag, sizes } = yield* items.thumbnails(id, viewer)
          const [nearest] = sizes
            .map((size) => size.width)
            .toSorted((a, b) => Math.abs(a - options.width) - Math.abs(b - options.width) || b - a)
          if (nearest === undefined) return yield* new ThumbnailNotFound({})
          const body = yield* store.read(DerivedKeys.thumbnail(id, etag, nearest, options.format))
          return { mimeType: `image/${options.format}` as const, body }
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new ThumbnailNotFound({})),
          ObjectChanged: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          RangeNotSatisfiable: () => Effect.fail(new ThumbnailNotFound({})),
          StoreUnavailable: (error) =>
            Effect.andThen(
              Effect.logWarning("The derived store could not be read", error),
              Effect.fail(new ServiceUnavailable({ detail: "The store does not answer", retryAfterSeconds: 5 }))
            )
        })
      )

      return ThumbnailImages.of({ open })
    })
  )
}
