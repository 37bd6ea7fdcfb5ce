import { layer } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import * as Replicas from "@joy/testing/Replicas"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll } from "vitest"

import { FaultWatch, report } from "./FaultWatch.ts"

const world = Layer.effect(
  Replicas.Replicas,
  Effect.flatMap(TestDatabase.TestDatabase, ({ url }) => Replicas.make(url))
).pipe(Layer.provide(TestDatabase.layerEmpty))

/** Two servers that work, and what happens to them. */
const watching = Effect.fnUntraced(function* (fault: string) {
  const replicas = yield* Replicas.Replicas
  return { ...replicas, watch: new FaultWatch(fault, [replicas.one, replicas.two]) }
})

/** Again and again for some time. */
const keepOn = <A, E, R>(effect: Effect.Effect<A, E, R>, millis: number, pause: number) =>
  Effect.forever(Effect.andThen(effect, Effect.sleep(pause))).pipe(Effect.timeoutOption(millis))

afterAll(report)

describeWith(["redis"], "Sessions, when Redis", () => {
  layer(world, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect("is stopped and comes back empty, sign nobody out and bring nobody back [R21]", () =>
      Effect.gen(function* () {
        const { startRedis, stopRedis, watch } = yield* watching("Redis stopped and restarted")
        yield* watch.underLoad(
          Effect.gen(function* () {
            yield* stopRedis
            yield* Effect.sleep("1500 millis")
            yield* startRedis
            yield* Effect.sleep("1500 millis")
          })
        )
        watch.assertRight()
      })
    )

    it.effect("forgets everything under load, the same [R21]", () =>
      Effect.gen(function* () {
        const { ask, watch } = yield* watching("FLUSHALL every 20 ms")
        yield* watch.underLoad(keepOn(ask("FLUSHALL"), 2_000, 20))
        watch.assertRight()
      })
    )

    it.effect("takes two seconds for everything, the same, and wait for it no longer than a moment [R21]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("Redis slow, 2 s per command")
        yield* Effect.all([one.redis.slow(2_000), two.redis.slow(2_000)])
        yield* watch.underLoad(Effect.sleep("3 seconds"))
        yield* Effect.all([one.redis.restore, two.redis.restore])
        watch.assertRight()
      })
    )

    it.effect("has no memory left, refusing writes or dropping what it holds, the same [R21]", () =>
      Effect.gen(function* () {
        const { ask, watch } = yield* watching("Redis out of memory, noeviction")
        yield* watch.underLoad(
          Effect.gen(function* () {
            yield* Effect.sleep("500 millis")
            yield* ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
            yield* ask("CONFIG", "SET", "maxmemory", "1")
            yield* Effect.sleep("1500 millis")
          })
        )
        watch.assertRight()

        const { watch: evicting } = yield* watching("Redis out of memory, allkeys-lru")
        yield* ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        yield* ask("CONFIG", "SET", "maxmemory", "2mb")
        let key = 0
        yield* evicting.underLoad(
          keepOn(
            Effect.suspend(() => ask("SET", `junk:${key++ % 200}`, "x".repeat(20_000))),
            2_000,
            2
          )
        )
        yield* ask("CONFIG", "SET", "maxmemory", "0")
        yield* ask("FLUSHALL")
        evicting.assertRight()
      })
    )

    it.effect("loses what one server writes of an end, the other knows of it [R21, R22]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("write lost on one server only")
        for (let round = 0; round < 10; round++) {
          const client = yield* watch.signIn(two)
          yield* watch.expectLive(two, client)
          yield* round % 2 === 0 ? one.redis.cut : one.redis.hang
          yield* watch.end(one, client)
          yield* one.redis.restore
          yield* watch.expectEnded(client)
        }
        watch.assertRight()
      })
    )

    it.effect("and the line of announcements are both dead without a sign, ends wait and hold [R21, R22]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("write lost, and announcements of the other held")
        const client = yield* watch.signIn(two)
        yield* watch.expectLive(two, client)
        yield* one.redis.cut
        yield* two.postgres.loseAnswers('LISTEN "joy_sessions"')
        yield* watch.end(one, client)
        yield* Effect.all([one.redis.restore, two.postgres.restore])
        watch.assertRight({ unavailable: true })
      })
    )
  })
})
