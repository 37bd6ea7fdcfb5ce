import type { Check } from "@joy/domain/Health"
import { Condition } from "@joy/ingest/Condition"
import { newest } from "@joy/migrations/Migrations"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import * as SqlClient from "effect/sql/SqlClient"

/** How long a part may take to answer before it counts as away. */
const patience = "2 seconds"

/** What this process needs and whether it is there. */
export class Health extends Context.Service<
  Health,
  {
    readonly database: Effect.Effect<Check>
    /** `embedded` where no Redis is configured. */
    readonly redis: Effect.Effect<Check>
    /**
     * Whether to send requests: the database answers and its schema is the code's. Of a runner of ingest alone: whether it
     * gets on with its work, and nobody asked it to stop.
     */
    readonly ready: Effect.Effect<boolean>
    readonly uptimeSeconds: Effect.Effect<number>
  }
>()("@joy/server/Health") {
  static readonly layer = Layer.effect(
    Health,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const redis = yield* Effect.serviceOption(Redis.Redis)
      const runner = yield* Effect.serviceOption(Condition)
      const startedAt = yield* Clock.currentTimeMillis

      const timed = <E>(ping: Effect.Effect<unknown, E>): Effect.Effect<Check> =>
        ping.pipe(
          Effect.timeout(patience),
          Effect.timed,
          Effect.match({
            onFailure: () => ({ status: "down", detail: "It does not answer" }) as const,
            onSuccess: ([elapsed]) => ({ status: "ok", latencyMs: Math.round(Duration.toMillis(elapsed)) }) as const
          })
        )

      return Health.of({
        database: timed(sql`SELECT 1`),
        redis: Option.match(redis, {
          onNone: () => Effect.succeed({ status: "embedded" } as const),
          onSome: (service) => timed(service.send("PING"))
        }),
        ready: Effect.gen(function* () {
          if (Option.isSome(runner) && !(yield* runner.value.isReady)) return false
          const rows = yield* sql<{ latest: number | null }>`
            SELECT max(migration_id)::int AS latest FROM joy_migrations`
          return rows[0]?.latest === newest
        }).pipe(
          Effect.timeout(patience),
          Effect.orElseSucceed(() => false)
        ),
        uptimeSeconds: Effect.map(Clock.currentTimeMillis, (now) => Math.floor((now - startedAt) / 1000))
      })
    })
  )
}
