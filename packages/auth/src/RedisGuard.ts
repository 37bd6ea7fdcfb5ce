import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** How long one request waits for Redis at most. */
const patienceMillis = 250
/** How long nobody asks it again after it failed. */
const pauseMillis = 1000

/**
 * Keeps a Redis that is away from slowing everything down: one caller a second finds out, the others go on without it
 * at once. `fallback` stands in for what Redis would have said.
 */
export const make = (name: string) => {
  let pausedUntil = 0
  let away = false

  return <A, E>(work: Effect.Effect<A, E>, fallback: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now < pausedUntil) return fallback
      return work.pipe(
        Effect.timeout(patienceMillis),
        Effect.tap(() => {
          if (!away) return Effect.void
          away = false
          return Effect.logInfo(`${name}: Redis is back`)
        }),
        Effect.catchCause((cause) => {
          // A caller that left says nothing about Redis.
          if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
          pausedUntil = now + pauseMillis
          const first = !away
          away = true
          return first
            ? Effect.andThen(Effect.logWarning(`${name}: Redis does not answer; going on without it`, cause), fallback)
            : fallback
        })
      )
    })
}
