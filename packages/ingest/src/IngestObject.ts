import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import type * as WorkflowEngine from "effect/workflow/WorkflowEngine"

import { IngestSteps, Pictures, StepError, StepFailed } from "./IngestSteps.ts"
import { TakenWork } from "./Outbox.ts"
import { Slots } from "./Slots.ts"

/**
 * How a run ended. `superseded`: the object was replaced or is gone, and another run or the next scan takes over.
 * `again`: what failed may go better later.
 */
export const IngestOutcome = Schema.Literals(["ready", "failed", "superseded", "again"])
export type IngestOutcome = typeof IngestOutcome.Type

/**
 * Makes an item playable out of one version of one object: probe, thumbnails, publish. Each step is an activity: what a
 * process finished before it died is not done again, and what it was doing is. The last one takes the work out of the
 * outbox. An execution joins the stored result of its key for ever, so whatever is to be done anew takes another run
 * number.
 */
export const IngestObject = Workflow.make("IngestObject", {
  payload: TakenWork,
  success: IngestOutcome,
  // The item is part of it: its object may come back after the item was deleted for good.
  idempotencyKey: ({ etag, itemId, key, run }) => JSON.stringify([itemId, key, etag, run])
})

/** Everybody who sees an item sees why it failed; what a defect says is for the log. */
export const unforeseen = "Something unforeseen went wrong: the log of the ingest says what"

const body = Effect.fnUntraced(function* (work: TakenWork) {
  const steps = yield* IngestSteps
  let step = "probe"

  const conclude = (failed: StepFailed) =>
    Activity.make({
      name: "conclude",
      success: Schema.Literals(["again", "failed"]),
      execute: steps.conclude(work, failed)
    })

  return yield* Effect.gen(function* () {
    yield* Activity.make({ name: "probe", error: StepError, execute: steps.probe(work) })
    step = "thumbnails"
    const pictures = yield* Activity.make({
      name: "thumbnails",
      success: Pictures,
      error: StepError,
      execute: steps.thumbnails(work)
    })
    step = "publish"
    yield* Activity.make({ name: "publish", error: StepError, execute: steps.publish(work, pictures) })
    return "ready" as const
  }).pipe(
    Effect.catchTags({
      Superseded: () =>
        Effect.as(Activity.make({ name: "withdraw", execute: steps.withdraw(work) }), "superseded" as const),
      StepFailed: conclude
    }),
    // A suspended workflow is an interrupted one: only what was not foreseen is caught here. It may pass (a database
    // that restarts), and if it doesn't it must not leave the item as `processing` for ever.
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError(`Ingest of ${JSON.stringify(work.key)} broke at ${step}`, Cause.die(defect)),
        conclude(new StepFailed({ step, message: unforeseen, failure: "unforeseen" }))
      )
    ),
    Effect.annotateLogs({ item: work.itemId })
  )
})

/** Registers the workflow with the engine. */
export const layer: Layer.Layer<never, never, WorkflowEngine.WorkflowEngine | IngestSteps | Slots> = Layer.unwrap(
  Effect.map(Slots, (slots) => IngestObject.toLayer((work, executionId) => slots.run(executionId, body(work))))
)
