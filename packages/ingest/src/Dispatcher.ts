import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"

import { Bells } from "./Bells.ts"
import type { Pace } from "./DerivativeKind.ts"
import { IngestConfig } from "./IngestConfig.ts"
import { IngestObject } from "./IngestObject.ts"
import { IngestSteps } from "./IngestSteps.ts"
import { MakeDerivative } from "./MakeDerivative.ts"
import { Outbox, type TakenWork, traced } from "./Outbox.ts"
import { RunnerRegistry } from "./RunnerRegistry.ts"
import * as Slots from "./Slots.ts"
import { unforeseen } from "./StepErrors.ts"

/**
 * How much is handed out for each place of the runners. Which runner gets a piece of work is decided by its name: with
 * just as much as there are places, some would stand empty while others have two.
 */
const perPlace = 2

/** How many pieces of work are handed out at the same time. */
const handing = 8
const courtesy: Duration.Input = "1 second"

const workflowOf = (work: TakenWork) => (work.kind === null ? IngestObject : MakeDerivative)

/** What goes wrong with one piece of work, or with a look, is not to keep the others from being looked after. */
const unharmed = <E>(effect: Effect.Effect<void, E>) =>
  Effect.catchCause(effect, (cause) => Effect.logWarning("Work that is overdue could not be looked after", cause))

/**
 * Hands work out from the outbox, to the whole cluster, and never more than a little beyond what its runners do at once:
 * what a process was at when it died is done again, and a file that comes now is not to wait for all that came before.
 *
 * Half of the work taken is the newest, the other half the oldest: a file that was dropped a moment ago does not wait
 * behind ten thousand, and none of these waits for ever.
 */
export class Dispatcher extends Context.Service<
  Dispatcher,
  {
    /** Works until it is interrupted. Only one should run for a database; two of them do no harm. */
    readonly run: Effect.Effect<never>
  }
>()("@joy/ingest/Dispatcher") {
  static readonly layer = Layer.effect(
    Dispatcher,
    Effect.gen(function* () {
      const engine = yield* WorkflowEngine.WorkflowEngine
      const outbox = yield* Outbox
      const registry = yield* RunnerRegistry
      const steps = yield* IngestSteps
      const bells = yield* Bells
      const config = yield* IngestConfig

      const onEngine = Effect.provideService(WorkflowEngine.WorkflowEngine, engine)

      /** Handing out work that was handed out already does nothing: it has one execution. */
      const handOut = (work: ReadonlyArray<TakenWork>) =>
        Effect.forEach(
          work,
          // Its message is stored first. Telling the runner is a courtesy, which one that is gone need not hold up.
          (one) =>
            onEngine(workflowOf(one).execute(one, { discard: true })).pipe(Effect.timeoutOption(courtesy), traced(one)),
          { concurrency: handing, discard: true }
        )

      /** Work without a result after a while: its message may be lost, its execution asleep, or at an end that shows nowhere. */
      const lookAfter = Effect.fnUntraced(function* (work: TakenWork) {
        const workflow = workflowOf(work)
        const executionId = yield* workflow.executionId(work)
        const result = yield* onEngine(workflow.poll(executionId))
        if (Option.isNone(result)) {
          yield* handOut([work])
          return
        }
        if (result.value._tag === "Suspended") {
          yield* onEngine(workflow.resume(executionId))
          return
        }
        yield* Effect.logError(`Ingest of ${JSON.stringify(work.key)} ended without a result`, result.value.exit)
        // The workflow records its own failures; this one could not even do that.
        yield* steps.conclude(work, unforeseen("publish"))
      })

      const lookAfterAll = Effect.flatMap(outbox.overdue(config.overdue), (late) =>
        Effect.forEach(late, (work) => unharmed(lookAfter(work)), { concurrency: handing, discard: true })
      )

      let newestFirst = false
      const handOutMore = Effect.fnUntraced(function* (pace: Pace) {
        const places = Slots.placesOf(pace, yield* registry.places)
        const room = places * perPlace - (yield* outbox.handedOut(pace))
        if (room <= 0) return 0
        newestFirst = !newestFirst
        const [first, second] = newestFirst ? (["newest", "oldest"] as const) : (["oldest", "newest"] as const)
        const half = yield* outbox.take(pace, first, Math.ceil(room / 2))
        const rest = half.length < Math.ceil(room / 2) ? [] : yield* outbox.take(pace, second, Math.floor(room / 2))
        yield* handOut([...half, ...rest])
        return half.length + rest.length
      })

      const run = Effect.gen(function* () {
        // Of a dispatcher before this one nobody knows whether it came to hand out what it had taken.
        yield* Effect.flatMap(outbox.overdue(Duration.zero), handOut)
        yield* Effect.forkScoped(Effect.forever(Effect.delay(unharmed(lookAfterAll), config.overdue)))
        while (true) {
          const handedOut = (yield* handOutMore("short")) + (yield* handOutMore("long"))
          // Work that becomes due by the clock rings no bell.
          if (handedOut === 0) yield* bells.woken("dispatcher", config.poll)
        }
      }).pipe(Effect.scoped)

      return Dispatcher.of({ run })
    })
  )
}
