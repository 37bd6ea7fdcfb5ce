import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"

import { type BellName, channel } from "./Signals.ts"

/** Hears what `Signals` ring, in whichever process. */
export class Bells extends Context.Service<
  Bells,
  {
    /** Waits to be woken, at most so long. Says whether it was. */
    readonly woken: (bell: BellName, atMost: Duration.Duration) => Effect.Effect<boolean>
  }
>()("@joy/ingest/Bells") {
  static readonly layer: Layer.Layer<Bells, never, PgClient.PgClient> = Layer.effect(
    Bells,
    Effect.gen(function* () {
      const pg = yield* PgClient.PgClient
      // One that is not heard yet is enough: bells don't count.
      const bells = {
        scanner: yield* Queue.sliding<void>(1),
        looker: yield* Queue.sliding<void>(1),
        dispatcher: yield* Queue.sliding<void>(1)
      }
      const names = ["scanner", "looker", "dispatcher"] as const
      const ring = (bell: BellName) => Queue.offer(bells[bell], undefined)

      const listen = Effect.gen(function* () {
        const queue = yield* pg.listen(channel)
        // What was rung before may have been missed.
        yield* Effect.forEach(names, ring)
        return yield* Effect.forever(
          Effect.flatMap(Queue.take(queue), ({ payload }) => {
            const bell = names.find((name) => name === payload)
            return bell === undefined ? Effect.void : ring(bell)
          })
        )
      }).pipe(
        Effect.scoped,
        Effect.sandbox,
        Effect.tapError((cause) => Effect.logDebug("Ingest is deaf for a moment, and looks instead", cause)),
        Effect.retry(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]))
      )
      yield* Effect.forkScoped(listen)

      return Bells.of({
        woken: (bell, atMost) =>
          Queue.take(bells[bell]).pipe(
            Effect.as(true),
            Effect.timeoutOrElse({ duration: atMost, orElse: () => Effect.succeed(false) })
          )
      })
    })
  )
}
