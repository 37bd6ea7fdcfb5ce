import { DerivedStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import type { DerivativeKind, Made } from "./DerivativeKind.ts"
import * as RenditionKind from "./RenditionKind.ts"
import { ofStore, StepFailed } from "./StepErrors.ts"
import * as StoryboardKind from "./StoryboardKind.ts"
import * as SubtitlesKind from "./SubtitlesKind.ts"
import * as ThumbnailKind from "./ThumbnailKind.ts"

/** What is made from objects, kind by kind. */
export class Derivatives extends Context.Service<
  Derivatives,
  {
    readonly kinds: ReadonlyArray<DerivativeKind>
    /** Fails unless all that was made is there: a step may have ended before a restart, and the folder been emptied since. */
    readonly believe: (step: string, made: Made) => Effect.Effect<void, StepFailed>
  }
>()("@joy/ingest/Derivatives") {
  static readonly layer = Layer.effect(
    Derivatives,
    Effect.gen(function* () {
      const derived = yield* DerivedStore
      const kinds = [
        yield* ThumbnailKind.make,
        yield* StoryboardKind.make,
        yield* SubtitlesKind.make,
        yield* RenditionKind.make
      ]

      const believe = Effect.fn("Derivatives.believe")((step: string, made: Made) =>
        Effect.forEach(made.keys, derived.head, { concurrency: 4, discard: true }).pipe(
          Effect.catchTags({
            StoreUnavailable: (error) => Effect.fail(ofStore(step)(error)),
            ObjectNotFound: ({ key }) =>
              Effect.fail(new StepFailed({ step, message: `What was made is gone: ${key}`, failure: "unforeseen" }))
          })
        )
      )

      return Derivatives.of({ kinds, believe })
    })
  )
}
