import * as Effect from "effect/Effect"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"

import { Made } from "./DerivativeKind.ts"
import { Derivatives } from "./Derivatives.ts"
import { IngestSteps, type MadeOfKind } from "./IngestSteps.ts"
import { TakenWork } from "./Outbox.ts"
import { StepError } from "./StepErrors.ts"
import * as WorkEnds from "./WorkEnds.ts"

/**
 * Makes an item playable out of one version of one object: probe, thumbnails, publish. Each step is an activity: what a
 * process finished before it died is not done again, and what it was doing is. The last one takes the work out of the
 * outbox. An execution joins the stored result of its key for ever, so whatever is to be done anew takes another run
 * number.
 */
export const IngestObject = Workflow.make("IngestObject", {
  payload: TakenWork,
  success: WorkEnds.WorkEnd,
  // The item is part of it: its object may come back after the item was deleted for good.
  idempotencyKey: ({ etag, itemId, key, run }) => JSON.stringify([itemId, key, etag, run])
})

const body = Effect.fnUntraced(function* (work: TakenWork, at: (step: string) => void) {
  const steps = yield* IngestSteps
  const { kinds } = yield* Derivatives
  yield* Activity.make({ name: "probe", error: StepError, execute: steps.probe(work) })
  const made: Array<MadeOfKind> = []
  for (const kind of kinds.filter(({ after }) => after === "probe")) {
    at(kind.step)
    const execute = steps.derive(work, kind)
    made.push({ kind, made: yield* Activity.make({ name: kind.step, success: Made, error: StepError, execute }) })
  }
  at("publish")
  yield* Activity.make({ name: "publish", error: StepError, execute: steps.publish(work, made) })
})

/** Registers the workflow with the engine. */
export const layer = WorkEnds.layer(IngestObject, "probe", body)
