import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"

const many = 1024

/**
 * Who may write what was seen in the store. The pages of a scan are about different keys and go together; a look at some
 * keys, and the end of a scan, are about any, and go alone: between seeing an object and writing that down, nobody else
 * writes about it. Within one process, the one that scans.
 */
export class Turns extends Context.Service<
  Turns,
  {
    readonly together: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** Grows with everyone who went alone: what was seen of the store before may have been written about since. */
    readonly count: () => number
  }
>()("@joy/ingest/Turns") {
  static readonly layer = Layer.effect(
    Turns,
    Effect.gen(function* () {
      // Who goes alone holds the gate while it waits: otherwise there would always be one more page before it.
      const gate = yield* Semaphore.make(1)
      const places = yield* Semaphore.make(many)
      let count = 0
      return Turns.of({
        together: (effect) => Effect.andThen(gate.withPermits(1)(Effect.void), places.withPermits(1)(effect)),
        alone: (effect) =>
          gate.withPermits(1)(
            places.withPermits(many)(
              Effect.ensuring(
                effect,
                Effect.sync(() => count++)
              )
            )
          ),
        count: () => count
      })
    })
  )
}
