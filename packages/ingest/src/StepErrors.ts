import type { MediaError } from "@joy/media/MediaError"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Schema from "effect/Schema"

import { FailureClass } from "./Retries.ts"

/** The object or its item is another one by now, or gone. Not a failure: somebody else's turn. */
export class Superseded extends Schema.TaggedError<Superseded>()("Superseded", {}) {}

/** A step failed. Its class says whether it may go better later. */
export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", {
  step: Schema.String,
  message: Schema.String,
  failure: FailureClass
}) {}

export const StepError = Schema.Union([Superseded, StepFailed])
export type StepError = typeof StepError.Type

/** Everybody who sees an item sees why it failed; what a defect says is for the log. */
export const unforeseen = (step: string) =>
  new StepFailed({
    step,
    message: "Something unforeseen went wrong: the log of the ingest says what",
    failure: "unforeseen"
  })

/** What it means for a step that a store failed. */
export const ofStore = (step: string) => (error: StoreUnavailable) =>
  new StepFailed({
    step,
    message: error.message,
    failure: error.isFull ? "space" : error.retryable ? "network" : "refused"
  })

/** What it means for a step that an object could not be read. */
export const ofMedia =
  (step: string) =>
  (error: MediaError): StepError => {
    switch (error._tag) {
      case "ObjectChanged":
      case "ObjectNotFound":
        return new Superseded()
      case "StoreUnavailable":
        return ofStore(step)(error)
      case "FfmpegMissing":
        return new StepFailed({ step, message: error.message, failure: "refused" })
      default:
        return new StepFailed({ step, message: error.message, failure: "media" })
    }
  }
