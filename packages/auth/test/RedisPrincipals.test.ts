import { assert, layer } from "@effect/vitest"
import type { SessionId, UserId } from "@joy/domain/Ids"
import * as Redis from "@joy/server/Redis"
import { describeWith } from "@joy/testing/Needs"
import { RedisProxy } from "@joy/testing/RedisProxy"
import { TestRedis } from "@joy/testing/TestRedis"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as EffectRedis from "effect/persistence/Redis"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"

import { Principals } from "../src/Principals.ts"
import * as RedisSessionIndex from "../src/RedisSessionIndex.ts"
import { none } from "../src/RequestFacts.ts"
import { Revocations } from "../src/Revocations.ts"
import { SessionIndex } from "../src/SessionIndex.ts"
import { Sessions } from "../src/Sessions.ts"
import { eventually, newSession, processWith, world } from "./TestAuth.ts"

const redis = Layer.unwrap(Effect.map(RedisProxy, ({ url }) => Redis.layer(url))).pipe(
  Layer.provideMerge(RedisProxy.layer),
  Layer.provide(TestRedis.layer)
)
const oneProcess = processWith(RedisSessionIndex.layer)
const twoWorlds = oneProcess.pipe(Layer.provideMerge(Layer.merge(redis, world())))

const isLive = (id: SessionId) => Effect.flatMap(Principals, (principals) => principals.isLive(id))
const send = (command: string, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(EffectRedis.Redis, (server) => server.send<unknown>(command, ...args))
const keyOf = (id: SessionId) => `joy:session:2:${id}`
const stored = (id: SessionId) => send("GET", keyOf(id))
const heard = eventually(Effect.map(Revocations, (revocations) => revocations.hearsSince() !== null))
const databaseTime = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly now: number }>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`
  return row?.now ?? 0
})
const leave = (userId: UserId, id: SessionId, readAt: number) =>
  send("SET", keyOf(id), JSON.stringify({ userId, permissions: ["*"], readAt }), "PX", "60000")
/** Until Redis answers again and is asked again. */
const settled = send("PING").pipe(
  Effect.retry({ times: 500, schedule: Schedule.spaced("10 millis") }),
  Effect.andThen(Effect.sleep("1100 millis"))
)
/** Another process over the same database, Redis and keys. */
const anotherProcess = Layer.build(Layer.fresh(oneProcess))

describeWith(["redis"], "Principals with Redis", () => {
  layer(twoWorlds, { excludeTestServices: true })((it) => {
    it.effect("copies who it is and what they may do, for a minute at most, and believes it [R1, R12]", () =>
      Effect.gen(function* () {
        yield* heard
        const sql = yield* SqlClient.SqlClient
        const session = yield* newSession()
        assert.isNull(yield* stored(session.sessionId))
        assert.isTrue(yield* isLive(session.sessionId))
        assert.match(
          String(yield* stored(session.sessionId)),
          new RegExp(`^{"userId":"${session.userId}","permissions":\\["media:read"\\],"readAt":[\\d.]+}$`)
        )
        const left = yield* send("PTTL", keyOf(session.sessionId))
        assert.isTrue(typeof left === "number" && left > 0 && left <= 60_000)
        yield* sql`UPDATE sessions SET revoked_at = now(), revoked_reason = 'admin' WHERE id = ${session.sessionId}`
        assert.isTrue(yield* isLive(session.sessionId))
      })
    )

    it.effect("keeps no copy longer than the session lives [R12]", () =>
      Effect.gen(function* () {
        yield* heard
        const sql = yield* SqlClient.SqlClient
        const session = yield* newSession()
        yield* sql`UPDATE sessions SET idle_expires_at = now() + interval '400 milliseconds' WHERE id = ${session.sessionId}`
        assert.isTrue(yield* isLive(session.sessionId))
        yield* eventually(Effect.map(isLive(session.sessionId), (live) => !live))
        assert.isNull(yield* stored(session.sessionId))
      })
    )

    it.effect("lets no late copy bring an ended session back [R21]", () =>
      Effect.gen(function* () {
        yield* heard
        const index = yield* SessionIndex
        const session = yield* newSession()
        assert.isTrue(yield* isLive(session.sessionId))
        yield* (yield* Sessions).end(session.sessionId, none)
        // A process that read before the end and writes after it, whatever it believes.
        const later = (yield* databaseTime) + 60_000
        yield* index.put([{ ...session, permissions: ["media:read"], readAt: later, livesMillis: 60_000 }])
        assert.strictEqual(yield* stored(session.sessionId), "ended")
        // Also for a process that was not told.
        assert.deepStrictEqual(yield* index.get([session.sessionId], 0), ["ended"])
        assert.isFalse(yield* isLive(session.sessionId))
      })
    )

    it.effect("ends sessions for other processes at once [R22]", () =>
      Effect.gen(function* () {
        yield* heard
        const other = yield* anotherProcess
        const session = yield* newSession()
        assert.isTrue(yield* isLive(session.sessionId))
        yield* Context.get(other, Sessions).end(session.sessionId, none)
        assert.isFalse(yield* isLive(session.sessionId))
      }).pipe(Effect.scoped)
    )

    it.effect("logs nobody out and brings nobody back when Redis forgets everything [R21]", () =>
      Effect.gen(function* () {
        yield* heard
        const sessions = yield* Sessions
        const [live, ended] = [yield* newSession(), yield* newSession()]
        yield* Effect.forEach([live, ended], ({ sessionId }) => isLive(sessionId))
        yield* sessions.end(ended.sessionId, none)
        const other = yield* anotherProcess
        const load = yield* Effect.forkChild(
          Effect.replicateEffect(
            Effect.all([isLive(live.sessionId), isLive(ended.sessionId)], { concurrency: "unbounded" }),
            300
          )
        )
        yield* Effect.replicateEffect(Effect.andThen(send("FLUSHDB"), Effect.sleep("5 millis")), 10)
        for (const [a, b] of yield* Fiber.join(load)) assert.deepStrictEqual([a, b], [true, false])
        const there = Context.get(other, Principals)
        assert.isFalse(yield* there.isLive(ended.sessionId))
        assert.isTrue(yield* there.isLive(live.sessionId))
      }).pipe(Effect.scoped)
    )

    it.effect("goes on without Redis, quickly, and right [R21]", () =>
      Effect.gen(function* () {
        yield* heard
        const proxy = yield* RedisProxy
        const sessions = yield* Sessions
        for (const fault of [proxy.cut, proxy.hang]) {
          yield* settled
          const [a, b] = [yield* newSession(), yield* newSession()]
          assert.deepStrictEqual([yield* isLive(a.sessionId), yield* isLive(b.sessionId)], [true, true])
          yield* fault
          const before = performance.now()
          assert.isTrue(yield* isLive(a.sessionId))
          assert.isBelow(performance.now() - before, 2000)
          const during = yield* newSession()
          assert.isTrue(yield* isLive(during.sessionId))
          assert.strictEqual((yield* sessions.rotate(during.refreshToken, none)).counter, 1)
          yield* sessions.end(b.sessionId, none)
          assert.isFalse(yield* isLive(b.sessionId))
          for (let n = 0; n < 50; n++) assert.isTrue(yield* isLive(a.sessionId))
          assert.isBelow(performance.now() - before, 5000)

          // Redis comes back with what it knew: the ended session as a live one.
          yield* proxy.restore
          yield* settled
          assert.notStrictEqual(yield* stored(b.sessionId), "ended")
          assert.isFalse(yield* isLive(b.sessionId))
          assert.isTrue(yield* isLive(a.sessionId))
        }
      })
    )

    it.effect("believes in a process that has just started only what was read since [R21]", () =>
      Effect.gen(function* () {
        yield* heard
        const [session, ended] = [yield* newSession(), yield* newSession()]
        const readAt = yield* databaseTime
        yield* (yield* Sessions).end(ended.sessionId, none)
        const other = yield* anotherProcess
        const principals = Context.get(other, Principals)
        yield* eventually(Effect.sync(() => Context.get(other, Revocations).hearsSince() !== null))
        // What a process left behind that could not reach Redis when it ended a session, and took a role away.
        for (const { sessionId, userId } of [session, ended]) yield* leave(userId, sessionId, readAt)
        assert.isFalse(yield* principals.isLive(ended.sessionId))
        assert.isFalse((yield* principals.principalOf(session)).permissions.has("users:write"))
        yield* leave(session.userId, session.sessionId, yield* databaseTime)
        assert.isTrue((yield* principals.principalOf(session)).permissions.has("users:write"))
      }).pipe(Effect.scoped)
    )
  })
})
