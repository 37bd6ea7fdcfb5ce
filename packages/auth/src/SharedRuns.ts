import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

interface Run<A, E> {
  readonly work: Effect.Effect<A, E>
  readonly result: Deferred.Deferred<A, E>
}

/**
 * Lets callers with one key share work. One run of a key is under way at a time; who comes meanwhile shares the next one,
 * which begins after they asked and so knows all that was true then. However many come at once, the work takes one
 * connection, and two turns. A run goes on when its callers leave, and ends with the scope.
 */
export const make = Effect.fnUntraced(function* <K, A, E>(): Effect.fn.Return<
  (key: K, work: Effect.Effect<A, E>) => Effect.Effect<A, E>,
  never,
  Scope.Scope
> {
  const scope = yield* Effect.scope
  /** The keys under way, each with the run that waits for its turn. */
  const waiting = new Map<K, Run<A, E> | null>()

  const runAll = (key: K, { result, work }: Run<A, E>): Effect.Effect<void> =>
    Effect.onExit(work, (exit) => Deferred.done(result, exit)).pipe(
      Effect.exit,
      Effect.andThen(
        Effect.suspend(() => {
          const next = waiting.get(key)
          if (next === undefined || next === null) {
            waiting.delete(key)
            return Effect.void
          }
          waiting.set(key, null)
          return runAll(key, next)
        })
      )
    )

  return (key, work) =>
    Effect.suspend(() => {
      const next = waiting.get(key)
      if (next !== undefined && next !== null) return Deferred.await(next.result)
      const run = { work, result: Deferred.makeUnsafe<A, E>() }
      if (next === null) {
        waiting.set(key, run)
        return Deferred.await(run.result)
      }
      waiting.set(key, null)
      return Effect.andThen(Effect.forkIn(runAll(key, run), scope), Deferred.await(run.result))
    })
})
