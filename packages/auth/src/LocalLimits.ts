import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerStoreMemory, RateLimiterStore } from "effect/persistence/RateLimiter"

/** Beyond this many counters those that run out first are dropped. */
const capacity = 100_000

/**
 * Counters in this process that are forgotten when they have run out. Effect's own store keeps every key it ever saw,
 * which whoever tries names at random fills.
 */
export const layer: Layer.Layer<RateLimiterStore> = Layer.effect(
  RateLimiterStore,
  Effect.map(RateLimiterStore, (store) => {
    const counters = new Map<string, { count: number; endsAt: number }>()

    const sweep = (now: number) => {
      for (const [key, { endsAt }] of counters) if (endsAt <= now) counters.delete(key)
      if (counters.size <= capacity) return
      const soonest = [...counters].sort(([, a], [, b]) => a.endsAt - b.endsAt)
      for (const [key] of soonest.slice(0, capacity / 10)) counters.delete(key)
    }
    let sweepAt = 0

    return RateLimiterStore.of({
      ...store,
      fixedWindow: ({ key, limit, refillRate, tokens }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (now >= sweepAt || counters.size > capacity) {
            sweep(now)
            sweepAt = now + 60_000
          }
          const found = counters.get(key)
          const current = found !== undefined && found.endsAt > now ? found : { count: 0, endsAt: now }
          const count = current.count + tokens
          if (limit !== undefined && count > limit) return [count, current.endsAt - now] as const
          const endsAt = current.endsAt + Duration.toMillis(refillRate) * tokens
          counters.set(key, { count, endsAt })
          return [count, endsAt - now] as const
        })
    })
  })
).pipe(Layer.provide(layerStoreMemory))
