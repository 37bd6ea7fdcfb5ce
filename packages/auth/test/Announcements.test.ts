import * as PgClient from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import { assert, describe, layer } from "@effect/vitest"
import type { SessionId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as TestClock from "effect/testing/TestClock"

import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Revocations } from "../src/Revocations.ts"
import { Sessions } from "../src/Sessions.ts"
import { command, eventually, layer as testLayer, newSession, pause, processMemory } from "./TestAuth.ts"

/** A process with copies of its own, whose ears can be stopped: announcements wait for it, as on a stalled line. */
const deafProcess = Effect.gen(function* () {
  const pg = yield* PgClient.PgClient
  let gate = Deferred.makeUnsafe<void>()
  yield* Deferred.succeed(gate, undefined)
  const listen: PgClient.PgClient["listen"] = Effect.fnUntraced(function* (channel) {
    const from = yield* pg.listen(channel)
    const to = yield* Queue.unbounded<PgConnection.Notification, SqlError>()
    yield* Queue.take(from).pipe(
      Effect.tap(() => Effect.suspend(() => Deferred.await(gate))),
      Effect.flatMap((message) => Queue.offer(to, message)),
      Effect.forever,
      Effect.forkScoped
    )
    return to
  })
  const deaf = new Proxy(pg, { get: (target, name) => (name === "listen" ? listen : Reflect.get(target, name)) })
  const services = yield* Layer.build(
    Layer.fresh(processMemory).pipe(Layer.provide(Layer.succeed(PgClient.PgClient, deaf)))
  )
  return {
    principals: Context.get(services, Principals),
    isListening: Effect.sync(() => Context.get(services, Revocations).hearsSince() !== null),
    stopEars: Effect.sync(() => {
      gate = Deferred.makeUnsafe<void>()
    }),
    openEars: Effect.suspend(() => Deferred.succeed(gate, undefined))
  }
})

/** Time passes in small steps, for what happens in the database takes real time. */
const timePasses = (seconds: number) =>
  Effect.replicateEffect(Effect.andThen(TestClock.adjust("100 millis"), pause(10)), seconds * 10, { discard: true })

const isEnded = Effect.fnUntraced(function* (id: SessionId) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`SELECT 1 FROM sessions WHERE id = ${id} AND revoked_at IS NOT NULL`
  return rows.length === 1
}, Effect.orDie)

const isDone = <A, E>(fiber: Fiber.Fiber<A, E>) => fiber.pollUnsafe() !== undefined

/** A session that the process has a copy of. */
const copiedBy = Effect.fnUntraced(function* (process: Effect.Success<typeof deafProcess>) {
  yield* eventually(Effect.andThen(TestClock.adjust("100 millis"), process.isListening))
  const session = yield* newSession()
  assert.isTrue(yield* process.principals.isLive(session.sessionId))
  return session
})

describe("Announcements", () => {
  layer(testLayer())((it) => {
    it.effect("answer for an end when every process has heard of it, and not before [R13, R22]", () =>
      Effect.gen(function* () {
        const there = yield* deafProcess
        const sessions = yield* Sessions
        const tool = Context.get(yield* Layer.build(Layer.fresh(command)), Sessions)
        for (const end of [(id: SessionId) => sessions.end(id, none), (id: SessionId) => tool.end(id, none)]) {
          const { sessionId } = yield* copiedBy(there)
          yield* there.stopEars
          const ending = yield* Effect.forkChild(end(sessionId))
          yield* eventually(isEnded(sessionId))
          yield* pause(100)
          // It is over in the database, and there they can't know: so nobody was told that it is over.
          assert.isTrue(yield* there.principals.isLive(sessionId))
          assert.isFalse(isDone(ending))
          yield* there.openEars
          yield* Fiber.join(ending)
          assert.isFalse(yield* there.principals.isLive(sessionId))
        }
      }).pipe(Effect.scoped)
    )

    it.effect("wait no longer than a process that hears nothing trusts its copies [R13, R22]", () =>
      Effect.gen(function* () {
        const there = yield* deafProcess
        const { sessionId } = yield* copiedBy(there)
        yield* there.stopEars
        const ending = yield* Effect.forkChild(Effect.flatMap(Sessions, (sessions) => sessions.end(sessionId, none)))
        yield* eventually(isEnded(sessionId))
        yield* timePasses(2)
        assert.isTrue(yield* there.principals.isLive(sessionId))
        assert.isFalse(isDone(ending))
        yield* timePasses(4)
        assert.isFalse(yield* there.isListening)
        assert.isFalse(yield* there.principals.isLive(sessionId))
        yield* Fiber.join(ending)
        // It hears again, on another connection.
        yield* there.openEars
        yield* eventually(Effect.andThen(TestClock.adjust("100 millis"), there.isListening))
        assert.isFalse(yield* there.principals.isLive(sessionId))
      }).pipe(Effect.scoped)
    )

    it.effect("answer who comes second no sooner than who came first [R13, R22]", () =>
      Effect.gen(function* () {
        const there = yield* deafProcess
        const sessions = yield* Sessions
        const other = Context.get(yield* Layer.build(Layer.fresh(processMemory)), Sessions)
        const { sessionId, userId } = yield* copiedBy(there)
        yield* there.stopEars
        const first = yield* Effect.forkChild(sessions.end(sessionId, none))
        yield* eventually(isEnded(sessionId))
        const others = [
          yield* Effect.forkChild(sessions.end(sessionId, none)),
          yield* Effect.forkChild(other.end(sessionId, none)),
          yield* Effect.forkChild(Effect.asVoid(other.endAll(userId, "logout-all", { facts: none })))
        ]
        yield* pause(200)
        assert.deepStrictEqual(
          [first, ...others].map((fiber) => isDone(fiber)),
          [false, false, false, false]
        )
        yield* there.openEars
        yield* Effect.forEach([first, ...others], (fiber) => Fiber.join(fiber))
      }).pipe(Effect.scoped)
    )

    it.effect("tell of changes in the same way [T10]", () =>
      Effect.gen(function* () {
        const there = yield* deafProcess
        const sql = yield* SqlClient.SqlClient
        const revocations = yield* Revocations
        const session = yield* copiedBy(there)
        yield* there.stopEars
        const changing = yield* Effect.forkChild(
          sql`DELETE FROM user_roles WHERE user_id = ${session.userId}`.pipe(
            Effect.andThen(revocations.change([session.userId])),
            sql.withTransaction
          )
        )
        yield* pause(200)
        assert.isFalse(isDone(changing))
        yield* there.openEars
        yield* Fiber.join(changing)
        assert.strictEqual((yield* there.principals.principalOf(session)).permissions.size, 0)
      }).pipe(Effect.scoped)
    )

    it.effect("wait for a process that was killed for as long as it could have trusted, and for none that left", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        yield* Effect.scoped(Effect.flatMap(deafProcess, copiedBy))
        const first = yield* newSession()
        yield* sessions.end(first.sessionId, none)

        const ghost = "00000000-0000-7000-8000-000000000000"
        yield* sql`INSERT INTO session_listeners VALUES (${ghost}, now() + interval '5 seconds')`
        const second = yield* newSession()
        const ending = yield* Effect.forkChild(sessions.end(second.sessionId, none))
        yield* timePasses(5)
        assert.isFalse(isDone(ending))
        yield* timePasses(1)
        yield* Fiber.join(ending)

        yield* sql`UPDATE session_listeners SET trusts_until = now() WHERE id = ${ghost}`
        const third = yield* newSession()
        yield* sessions.end(third.sessionId, none)
      })
    )
  })
})
