import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectRedis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import { Redis as IoRedis } from "ioredis"

/**
 * ioredis behind Effect's own `Redis` service. A Redis that is away fails commands at once instead of queueing them:
 * whoever asks has a second source, and waiting would turn one missing part into a standstill of all.
 */

const failure = (cause: unknown) => new EffectRedis.RedisError({ cause })

const call =
  (client: IoRedis) =>
  <A>(command: string, ...parameters: ReadonlyArray<string>) =>
    Effect.tryPromise({ try: () => client.call(command, ...parameters) as Promise<A>, catch: failure })

/** Connects when it is first used and again for ever; the process starts without it. */
const connect = (url: string, name: string) =>
  Effect.acquireRelease(
    Effect.callback<IoRedis>((resume) => {
      const client = new IoRedis(url, {
        connectionName: name,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        connectTimeout: 2_000,
        commandTimeout: 1_000,
        retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 5), 2_000)
      })
      let resumed = false
      const settle = () => {
        if (!resumed) resume(Effect.succeed(client))
        resumed = true
      }
      // The first look decides nothing: away now is like away later, and health says which it is.
      client.once("ready", settle)
      client.on("error", settle)
    }),
    (client) => Effect.sync(() => client.disconnect())
  )

export const layer = (url: Redacted.Redacted) =>
  Layer.effect(
    EffectRedis.Redis,
    Effect.gen(function* () {
      const client = yield* connect(Redacted.value(url), "joy")
      return yield* EffectRedis.make({
        send: call(client),
        subscribe: Effect.fnUntraced(function* (channel, onMessage) {
          const subscriber = yield* connect(Redacted.value(url), "joy-subscriber")
          subscriber.on("message", (from: string, message: string) => onMessage({ channel: from, message }))
          yield* Effect.tryPromise({ try: () => subscriber.subscribe(channel), catch: failure })
          // ioredis connects and subscribes again by itself.
          return Effect.never
        }),
        connect: Effect.map(
          Effect.sync(() => client.duplicate({ commandTimeout: 0 })),
          (connection) => ({
            send: call(connection),
            close: Effect.sync(() => connection.disconnect())
          })
        )
      })
    })
  )
