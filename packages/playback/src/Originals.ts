import { MediaItems } from "@joy/catalog/MediaItems"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { ContentUnavailable, type MediaItemNotFound } from "@joy/domain/MediaItem"
import { type Forbidden, ServiceUnavailable } from "@joy/domain/Problem"
import type { StoredObject } from "@joy/domain/StoredObject"
import { type LocalFile, type ObjectBody, SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import * as ByteRanges from "./ByteRanges.ts"

/** What to answer: the decision about one version of the object, and where its bytes come from. */
export interface Original {
  readonly object: StoredObject
  readonly mimeType: string
  readonly decision: ByteRanges.ContentDecision
  /** `null` when the answer has no body. A local file is sent by the edge itself, without a stream between. */
  readonly body:
    | { readonly _tag: "File"; readonly file: LocalFile }
    | { readonly _tag: "Stream"; readonly body: ObjectBody }
    | null
}

const hasBody = (decision: ByteRanges.ContentDecision) => decision._tag === "Whole" || decision._tag === "Partial"

export class Originals extends Context.Service<
  Originals,
  {
    /**
     * Opens the original of an item as the request asks for it. Preconditions and range are decided against the version
     * that is then sent, so that one answer never mixes two. What is open closes with the scope.
     */
    readonly open: (
      id: MediaItemId,
      request: ByteRanges.ContentRequest,
      options: { readonly headOnly: boolean }
    ) => Effect.Effect<
      Original,
      MediaItemNotFound | ContentUnavailable | Forbidden | ServiceUnavailable,
      CurrentPrincipal | Scope.Scope
    >
  }
>()("@joy/playback/Originals") {
  static readonly layer = Layer.effect(
    Originals,
    Effect.gen(function* () {
      const items = yield* MediaItems
      const store = yield* SourceStore

      const attempt = Effect.fnUntraced(function* (
        content: Effect.Success<ReturnType<typeof items.content>>,
        request: ByteRanges.ContentRequest,
        headOnly: boolean
      ) {
        const file = yield* store.openLocal(content.key)
        if (file !== null) {
          const decision = ByteRanges.decide(request, file.object)
          const body = headOnly || !hasBody(decision) ? null : ({ _tag: "File", file } as const)
          return { object: file.object, mimeType: content.mimeType, decision, body }
        }
        const object = yield* store.head(content.key)
        const decision = ByteRanges.decide(request, object)
        if (headOnly || !hasBody(decision)) return { object, mimeType: content.mimeType, decision, body: null }
        const body = yield* store.read(content.key, {
          ifMatch: object.etag,
          range: decision._tag === "Partial" ? { start: decision.start, end: decision.end } : undefined
        })
        return { object, mimeType: content.mimeType, decision, body: { _tag: "Stream", body } as const }
      })

      const open = Effect.fn("Originals.open")(
        function* (id: MediaItemId, request: ByteRanges.ContentRequest, options: { readonly headOnly: boolean }) {
          const content = yield* items.content(id)
          // Replaced between asking and reading: ask once more, of the new version.
          return yield* attempt(content, request, options.headOnly).pipe(
            Effect.retry({ times: 2, while: (error) => error._tag === "ObjectChanged" })
          )
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new ContentUnavailable({})),
          ObjectChanged: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          RangeNotSatisfiable: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          StoreUnavailable: (error) =>
            Effect.andThen(
              Effect.logWarning("The store could not be read", error),
              Effect.fail(new ServiceUnavailable({ detail: "The store does not answer", retryAfterSeconds: 5 }))
            )
        })
      )

      return Originals.of({ open })
    })
  )
}
