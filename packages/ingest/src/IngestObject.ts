import { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import type * as WorkflowEngine from "effect/workflow/WorkflowEngine"

import { IngestSteps, Pictures, StepError } from "./IngestSteps.ts"

/**
 * How a run ended. `superseded`: the object was replaced or is gone, and another run or the next scan takes over.
 * `again`: what failed may go better later, and there are attempts left.
 */
export const IngestOutcome = Schema.Struct({
  end: Schema.Literals(["ready", "failed", "superseded", "again"]),
  step: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String)
})
export type IngestOutcome = typeof IngestOutcome.Type

/**
 * Makes an item playable out of one version of one object: probe, thumbnails, publish. Each step is an activity: what a
 * process finished before it died is not done again, and what it was doing is. An execution joins the stored result of
 * its key for ever, so whatever is to be done anew takes another run number.
 */
export const IngestObject = Workflow.make("IngestObject", {
  payload: {
    itemId: MediaItemId,
    key: ObjectKey,
    etag: ETag,
    sizeBytes: Schema.Finite,
    run: Schema.Finite,
    /** From 1. */
    attempt: Schema.Finite,
    /** The attempt after which a failure stands. */
    maxAttempts: Schema.Finite
  },
  success: IngestOutcome,
  // The item is part of it: its object may come back after the item was deleted for good.
  idempotencyKey: ({ etag, itemId, key, run }) => JSON.stringify([itemId, key, etag, run])
})
export type IngestPayload = (typeof IngestObject)["payloadSchema"]["Type"]

/** Everybody who sees an item sees why it failed; what a defect says is for the log. */
export const unforeseen = "Something unforeseen went wrong: the log of the ingest says what"

const ended = (end: IngestOutcome["end"]): IngestOutcome => ({ end, step: null, message: null })

const body = Effect.fnUntraced(function* (payload: IngestPayload) {
  const steps = yield* IngestSteps
  let step = "probe"

  const conclude = Effect.fnUntraced(function* (failure: {
    readonly step: string
    readonly message: string
    readonly retryable: boolean
  }) {
    const outcome = { step: failure.step, message: failure.message }
    if (failure.retryable && payload.attempt < payload.maxAttempts) return { end: "again" as const, ...outcome }
    yield* Activity.make({
      name: "fail",
      execute: steps.fail(payload, { ...outcome, attempts: payload.attempt })
    })
    return { end: "failed" as const, ...outcome }
  })

  return yield* Effect.gen(function* () {
    yield* Activity.make({ name: "probe", error: StepError, execute: steps.probe(payload) })
    step = "thumbnails"
    const pictures = yield* Activity.make({
      name: "thumbnails",
      success: Pictures,
      error: StepError,
      execute: steps.thumbnails(payload)
    })
    step = "publish"
    yield* Activity.make({ name: "publish", error: StepError, execute: steps.publish(payload, pictures) })
    return ended("ready")
  }).pipe(
    Effect.catchTags({
      Superseded: () => Effect.succeed(ended("superseded")),
      StepFailed: conclude
    }),
    // A suspended workflow is an interrupted one: only what was not foreseen is caught here. It may pass (a database
    // that restarts), and if it doesn't it must not leave the item as `processing` for ever.
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError(`Ingest of ${JSON.stringify(payload.key)} broke at ${step}`, Cause.die(defect)),
        conclude({ step, message: unforeseen, retryable: true })
      )
    )
  )
})

/** Registers the workflow with the engine. */
export const layer: Layer.Layer<never, never, WorkflowEngine.WorkflowEngine | IngestSteps> = IngestObject.toLayer(body)
