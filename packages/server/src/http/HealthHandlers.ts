import { Api } from "@joy/domain/Api"
import { NotReady, Unhealthy } from "@joy/domain/Health"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { Health } from "../Health.ts"
import { version } from "../Version.ts"

export const HealthHandlers = HttpApiBuilder.group(
  Api,
  "health",
  Effect.fn(function* (handlers) {
    const health = yield* Health

    return handlers.handleAll({
      health: Effect.fnUntraced(function* () {
        const checks = yield* Effect.all({ database: health.database, redis: health.redis }, { concurrency: 2 })
        if (checks.database.status === "down") return yield* new Unhealthy({ checks })
        return {
          status: checks.redis.status === "down" ? ("degraded" as const) : ("ok" as const),
          version,
          uptimeSeconds: yield* health.uptimeSeconds,
          checks
        }
      }),
      redis: Effect.fnUntraced(function* () {
        const { latencyMs, status } = yield* health.redis
        if (status === "embedded") return { status }
        if (status !== "ok") return yield* new Unhealthy({ checks: { redis: { status } } })
        return { status, latencyMs: latencyMs ?? 0 }
      }),
      live: () => Effect.succeed({ status: "live" as const }),
      ready: Effect.fnUntraced(function* () {
        return (yield* health.ready) ? { status: "ready" as const } : yield* new NotReady({})
      })
    })
  })
)
