import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"

/**
 * Bells between the parts of ingest within one process. What they tell of stands in the database: a bell that nobody
 * hears, because the daemon is another process, costs no more than the daemon's next look.
 */
export class Signals extends Context.Service<
  Signals,
  {
    /** Somebody wants a scan now. */
    readonly wakeScanner: Effect.Effect<void>
    /** There is new work in the outbox, or room for it. */
    readonly wakeDispatcher: Effect.Effect<void>
    /** Waits to be woken, at most so long. Says whether it was. */
    readonly scannerWoken: (atMost: Duration.Duration) => Effect.Effect<boolean>
    readonly dispatcherWoken: (atMost: Duration.Duration) => Effect.Effect<boolean>
  }
>()("@joy/ingest/Signals") {
  static readonly layer = Layer.effect(
    Signals,
    Effect.gen(function* () {
      // One that is not heard yet is enough: bells don't count.
      const bell = Effect.gen(function* () {
        const queue = yield* Queue.sliding<void>(1)
        return {
          wake: Effect.asVoid(Queue.offer(queue, undefined)),
          woken: (atMost: Duration.Duration) =>
            Queue.take(queue).pipe(
              Effect.as(true),
              Effect.timeoutOrElse({ duration: atMost, orElse: () => Effect.succeed(false) })
            )
        }
      })
      const scanner = yield* bell
      const dispatcher = yield* bell
      return Signals.of({
        wakeScanner: scanner.wake,
        wakeDispatcher: dispatcher.wake,
        scannerWoken: scanner.woken,
        dispatcherWoken: dispatcher.woken
      })
    })
  )
}
