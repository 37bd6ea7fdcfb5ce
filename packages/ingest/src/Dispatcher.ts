import { ItemIngest } from "@joy/catalog/ItemIngest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"

import { IngestConfig } from "./IngestConfig.ts"
import { IngestObject, type IngestOutcome, unforeseen } from "./IngestObject.ts"
import { Outbox, type TakenWork } from "./Outbox.ts"
import { Signals } from "./Signals.ts"

/** Longest wait between two attempts. */
const longestDelay = Duration.minutes(2)

/** A database that is away: everything waits for it here, because nothing else can be done. */
const patiently = <A, E>(effect: Effect.Effect<A, E>) =>
  effect.pipe(
    Effect.tapCause((cause) => Effect.logWarning("Ingest waits for the database", cause)),
    Effect.sandbox,
    Effect.retry(Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")])),
    Effect.orDie
  )

/**
 * Takes work from the outbox and runs its workflows, `concurrency` of them at once, and never more: what was in flight
 * when a process died is done again, so it has to be little.
 *
 * Every other piece of work taken is the newest, the others are the oldest ones: a file that was dropped a moment ago
 * does not wait behind ten thousand, and none of these waits for ever.
 */
export class Dispatcher extends Context.Service<
  Dispatcher,
  {
    /** Works until it is interrupted. Only one may run for a database. */
    readonly run: Effect.Effect<never>
    /** How many workflows run. */
    readonly inFlight: Effect.Effect<number>
  }
>()("@joy/ingest/Dispatcher") {
  static readonly layer = Layer.effect(
    Dispatcher,
    Effect.gen(function* () {
      const engine = yield* WorkflowEngine.WorkflowEngine
      const outbox = yield* Outbox
      const items = yield* ItemIngest
      const signals = yield* Signals
      const config = yield* IngestConfig
      let inFlight = 0

      const delay = Effect.fnUntraced(function* (attempts: number) {
        const spread = yield* Random.nextBetween(0.75, 1.25)
        const doubled = Duration.times(config.retryDelay, spread * 2 ** (attempts - 1))
        return Duration.min(doubled, longestDelay)
      })

      const execute = (work: TakenWork) =>
        IngestObject.execute({
          itemId: work.itemId,
          key: work.key,
          etag: work.etag,
          sizeBytes: work.sizeBytes,
          run: work.run,
          attempt: work.attempts + 1,
          maxAttempts: config.maxAttempts
        }).pipe(Effect.provideService(WorkflowEngine.WorkflowEngine, engine))

      /** The workflow records its own failures; this is for the one that could not even do that. */
      const broken = Effect.fnUntraced(function* (work: TakenWork, defect: unknown) {
        const message = unforeseen
        yield* Effect.logError(`Ingest of ${JSON.stringify(work.key)} broke`, defect)
        if (work.attempts + 1 < config.maxAttempts) return { end: "again", step: null, message } as const
        const failure = { step: "publish", message, attempts: work.attempts + 1 }
        yield* patiently(
          items
            .recordFailure(work.itemId, work.etag, failure)
            .pipe(Effect.catchTag("ItemSuperseded", () => Effect.void))
        )
        return { end: "failed", step: "publish", message } as const
      })

      const conclude = Effect.fnUntraced(function* (work: TakenWork, outcome: IngestOutcome) {
        if (outcome.end === "again") {
          const after = yield* delay(work.attempts + 1)
          yield* Effect.logInfo(
            `Ingest of ${JSON.stringify(work.key)} failed (attempt ${work.attempts + 1}): ${outcome.message}`
          )
          return yield* patiently(outbox.retry(work.id, after))
        }
        if (outcome.end === "failed") {
          yield* Effect.logWarning(`Ingest of ${JSON.stringify(work.key)} failed: ${outcome.message}`)
        }
        yield* patiently(outbox.remove(work.id))
        // The object is another one by now, or gone: the scanner is to see what it is.
        if (outcome.end === "superseded") yield* signals.wakeScanner
      })

      const process = (work: TakenWork) =>
        execute(work).pipe(
          Effect.catchDefect((defect) => broken(work, defect)),
          Effect.flatMap((outcome) => conclude(work, outcome)),
          Effect.annotateLogs({ item: work.itemId })
        )

      const run = Effect.gen(function* () {
        const slots = yield* Semaphore.make(config.concurrency)
        const fibers = yield* FiberSet.make()
        const released = yield* patiently(outbox.releaseTaken)
        if (released > 0) yield* Effect.logInfo(`Ingest takes up ${released} objects that were being worked on`)
        let turn = 0
        while (true) {
          yield* slots.take(1)
          const work = yield* patiently(outbox.take(turn % 2 === 0 ? "newest" : "oldest"))
          if (work === null) {
            yield* slots.release(1)
            // Work that becomes due by the clock, or comes from another process, rings no bell.
            yield* signals.dispatcherWoken(config.poll)
            continue
          }
          turn += 1
          inFlight += 1
          const done = Effect.suspend(() => {
            inFlight -= 1
            return slots.release(1)
          })
          yield* FiberSet.run(fibers, Effect.ensuring(process(work), done))
        }
      }).pipe(Effect.scoped)

      return Dispatcher.of({ run: Effect.orDie(run), inFlight: Effect.sync(() => inFlight) })
    })
  )
}
