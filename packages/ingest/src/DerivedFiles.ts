import type { ObjectKey } from "@joy/domain/StoredObject"
import { DerivedStore } from "@joy/storage/ObjectStore"
import type { StoreReadOnly, StoreUnavailable } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"

import { ofStore, StepFailed } from "./StepErrors.ts"

/** A file that was made from an object. */
export interface DerivedFile {
  readonly key: ObjectKey
  readonly bytes: Uint8Array
  readonly contentType: string
}

/** What it means for a step that the derived store failed. */
export const refused =
  (step: string) =>
  <A>(written: Effect.Effect<A, StoreUnavailable | StoreReadOnly>): Effect.Effect<A, StepFailed> =>
    Effect.catchTags(written, {
      StoreUnavailable: (error) => Effect.fail(ofStore(step)(error)),
      StoreReadOnly: () =>
        Effect.fail(
          new StepFailed({
            step,
            message: "The folder or bucket for what is made from the originals can't be written to",
            failure: "refused"
          })
        )
    })

/** Writes what a step made into the derived store, and gives the keys. */
export const writer = Effect.map(
  DerivedStore,
  (derived) => (step: string, files: ReadonlyArray<DerivedFile>) =>
    Effect.forEach(files, ({ bytes, contentType, key }) => Effect.as(derived.write(key, bytes, { contentType }), key), {
      concurrency: 4
    }).pipe(refused(step))
)
