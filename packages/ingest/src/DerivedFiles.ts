import type { ObjectKey } from "@joy/domain/StoredObject"
import { DerivedStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"

import { ofStore, StepFailed } from "./StepErrors.ts"

/** A file that was made from an object. */
export interface DerivedFile {
  readonly key: ObjectKey
  readonly bytes: Uint8Array
  readonly contentType: string
}

/** Writes what a step made into the derived store, and gives the keys. */
export const writer = Effect.map(
  DerivedStore,
  (derived) => (step: string, files: ReadonlyArray<DerivedFile>) =>
    Effect.forEach(files, ({ bytes, contentType, key }) => Effect.as(derived.write(key, bytes, { contentType }), key), {
      concurrency: 4
    }).pipe(
      Effect.catchTags({
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
    )
)
