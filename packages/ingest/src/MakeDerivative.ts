import * as Effect from "effect/Effect"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"

import { Made } from "./DerivativeKind.ts"
import { Derivatives } from "./Derivatives.ts"
import { IngestSteps } from "./IngestSteps.ts"
import { TakenWork } from "./Outbox.ts"
import { StepError, StepFailed } from "./StepErrors.ts"
import * as WorkEnds from "./WorkEnds.ts"

/** Makes one kind of derivative of an item that is shown: because it may come later, or is made anew for all. */
export const MakeDerivative = Workflow.make("MakeDerivative", {
  payload: TakenWork,
  success: WorkEnds.WorkEnd,
  idempotencyKey: ({ etag, itemId, key, kind, run }) => JSON.stringify([itemId, key, etag, kind, run])
})

const body = Effect.fnUntraced(function* (work: TakenWork) {
  const steps = yield* IngestSteps
  const { kinds } = yield* Derivatives
  const kind = kinds.find(({ name }) => name === work.kind)
  if (kind === undefined) {
    const message = `This version can't make the kind ${work.kind}`
    return yield* new StepFailed({ step: "derive", message, failure: "refused" })
  }
  const execute = steps.derive(work, kind)
  const made = yield* Activity.make({ name: kind.step, success: Made, error: StepError, execute })
  yield* Activity.make({ name: "replace", error: StepError, execute: steps.replace(work, { kind, made }) })
})

/** Registers the workflow with the engine. */
export const layer = WorkEnds.layer(MakeDerivative, "derive", body)
