import { join } from "node:path"

import * as Redis from "@joy/server/Redis"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectRedis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"

import * as Joy from "./Joy.ts"
import * as JoyUp from "./JoyUp.ts"
import * as RedisServer from "./RedisServer.ts"
import * as TcpProxy from "./TcpProxy.ts"

/** A `joy serve` with lines of its own to Postgres and Redis, which can be made bad. */
export interface Replica extends JoyUp.Server {
  readonly postgres: TcpProxy.TcpProxy
  readonly redis: TcpProxy.TcpProxy
}

/** Several `joy serve` on one Postgres and one Redis. */
export class Replicas extends Context.Service<
  Replicas,
  {
    readonly one: Replica
    readonly two: Replica
    /** Another one. Ends with the scope. */
    readonly start: (env?: Joy.Environment) => Effect.Effect<Replica, never, Scope.Scope>
    readonly stopRedis: Effect.Effect<void>
    /** Starts Redis again after it was stopped, with nothing in it. */
    readonly startRedis: Effect.Effect<void>
    /** Asks Redis directly. */
    readonly ask: (command: string, ...args: ReadonlyArray<string>) => Effect.Effect<unknown>
  }
>()("@joy/testing/Replicas") {}

export const password = "a phrase for replicas"

/** On any database. The administrator is `admin`, with `password`. */
export const make = Effect.fnUntraced(function* (
  database: Redacted.Redacted,
  more: Joy.Environment = {}
): Effect.fn.Return<Replicas["Service"], never, Scope.Scope> {
  const folder = yield* Joy.folder
  const scope = yield* Effect.scope
  let redis = yield* Effect.orDie(RedisServer.start(folder))
  const env = {
    DATA_DIR: join(folder, "data"),
    AUTH_KEYS_FILE: join(folder, "keys.json"),
    PUBLIC_URL: "http://localhost:8080",
    DATABASE_URL: Redacted.value(database),
    RATE_LIMITS: "off",
    ...more
  }
  const works = Effect.fnUntraced(function* (args: ReadonlyArray<string>, input?: string) {
    const ended = yield* Joy.run(args, { env, cwd: folder, input })
    if (ended.code !== 0) return yield* Effect.die(new Error(`${args.join(" ")}: ${ended.stderr}`))
  })
  const create = ["admin", "create", "--username", "admin", "--email", "admin@example.org", "--password-stdin"]
  yield* Effect.all([works(["keys", "init"]), works(["migrate"])], { concurrency: 2 })
  yield* works(create, `${password}\n`)

  const start = Effect.fnUntraced(function* (own: Joy.Environment = {}) {
    const url = new URL(Redacted.value(database))
    const lines = { postgres: yield* TcpProxy.make(Number(url.port)), redis: yield* TcpProxy.make(redis.port) }
    url.host = `127.0.0.1:${lines.postgres.port}`
    const REDIS_URL = `redis://127.0.0.1:${lines.redis.port}`
    return { ...(yield* JoyUp.serve(folder, { ...env, DATABASE_URL: url.href, REDIS_URL, ...own })), ...lines }
  })
  const [one, two] = yield* Effect.all([start(), start()], { concurrency: 2 })
  const direct = yield* Layer.build(Redis.layer(Redacted.make(`redis://127.0.0.1:${redis.port}`)))
  const { send } = Context.get(direct, EffectRedis.Redis)
  return {
    one,
    two,
    start,
    stopRedis: Effect.suspend(() => redis.stop),
    // In the scope of the replicas, whoever starts it.
    startRedis: Effect.map(Scope.provide(Effect.orDie(RedisServer.start(folder, redis.port)), scope), (next) => {
      redis = next
    }),
    ask: (command, ...args) =>
      send<unknown>(command, ...args).pipe(
        // It was stopped a moment ago, perhaps.
        Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 }),
        Effect.orDie
      )
  }
})
