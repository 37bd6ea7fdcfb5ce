import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import type * as Workflow from "effect/workflow/Workflow"

import { paceOf } from "./DerivativeKind.ts"
import { IngestSteps } from "./IngestSteps.ts"
import type { TakenWork } from "./Outbox.ts"
import { Slots } from "./Slots.ts"
import { type StepError, type StepFailed, unforeseen } from "./StepErrors.ts"

/**
 * How a run ended. `superseded`: the object was replaced or is gone, and another run or the next scan takes over.
 * `again`: what failed may go better later.
 */
export const WorkEnd = Schema.Literals(["ready", "failed", "superseded", "again"])
export type WorkEnd = typeof WorkEnd.Type

type WorkWorkflow<Tag extends string> = Workflow.Workflow<Tag, typeof TakenWork, typeof WorkEnd, typeof Schema.Never>

/** Whatever happens in the body, the work has an end that takes it out of the outbox or brings it back later. */
const ending = <R>(
  work: TakenWork,
  first: string,
  body: (at: (step: string) => void) => Effect.Effect<void, StepError, R>
) =>
  Effect.gen(function* () {
    const steps = yield* IngestSteps
    let step = first
    const conclude = (failed: StepFailed) =>
      Activity.make({
        name: "conclude",
        success: Schema.Literals(["again", "failed"]),
        execute: steps.conclude(work, failed)
      })
    return yield* body((next) => (step = next)).pipe(
      Effect.as("ready" as const),
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
          conclude(unforeseen(step))
        )
      ),
      Effect.annotateLogs({ item: work.itemId })
    )
  })

/** Registers a workflow on work of the outbox: in its place among others, and with an end. `first` is its first step. */
export const layer = <Tag extends string, R>(
  workflow: WorkWorkflow<Tag>,
  first: string,
  body: (work: TakenWork, at: (step: string) => void) => Effect.Effect<void, StepError, R>
) =>
  Layer.unwrap(
    Effect.map(Slots, (slots) =>
      workflow.toLayer((work, executionId) =>
        slots.run(
          paceOf(work.kind),
          executionId,
          ending(work, first, (at) => body(work, at))
        )
      )
    )
  )
