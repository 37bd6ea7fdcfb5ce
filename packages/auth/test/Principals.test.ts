import { assert, describe, layer } from "@effect/vitest"
import { SessionId, type UserId } from "@joy/domain/Ids"
import { SessionLiveness } from "@joy/domain/SessionLiveness"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"

import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Revocations } from "../src/Revocations.ts"
import { SessionIndex } from "../src/SessionIndex.ts"
import { Sessions } from "../src/Sessions.ts"
import { SessionUse } from "../src/SessionUse.ts"
import {
  command,
  eventually,
  layer as testLayer,
  newSession,
  newUser,
  processMemory,
  processWith,
  world
} from "./TestAuth.ts"

const principalOf = (token: { userId: UserId; sessionId: SessionId; counter: number }) =>
  Effect.flatMap(Principals, (principals) => principals.principalOf(token))
const isListening = Effect.map(Revocations, (revocations) => revocations.hearsSince() !== null)
/** Until ends are heard of; time passes meanwhile, for who lost the connection waits before the next attempt. */
const heard = eventually(Effect.andThen(TestClock.adjust("100 millis"), isListening))

/** Changes a session behind the back of every process, as nothing of ours does: what is copied stays as it was. */
const endSecretly = (id: SessionId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`UPDATE sessions SET revoked_at = now(), revoked_reason = 'admin' WHERE id = ${id}`
  )

describe("Principals", () => {
  layer(testLayer())((it) => {
    it.effect("says who a token stands for", () =>
      Effect.gen(function* () {
        const viewer = yield* newSession()
        const admin = yield* newSession("admin")
        assert.deepStrictEqual(yield* principalOf(viewer), {
          userId: viewer.userId,
          credential: { kind: "session", sessionId: viewer.sessionId },
          permissions: new Set(["media:read"] as const)
        })
        assert.isTrue((yield* principalOf(admin)).permissions.has("roles:write"))
      })
    )

    it.effect("knows nobody by a session that is not theirs, not there, or not live [R13]", () =>
      Effect.gen(function* () {
        const session = yield* newSession()
        const other = yield* newUser()
        const unknown = SessionId.make(SecureRandom.uuidV7Unsafe())
        yield* Effect.flip(principalOf({ ...session, userId: other.id }))
        yield* Effect.flip(principalOf({ ...session, sessionId: unknown }))
        const sql = yield* SqlClient.SqlClient
        const disabled = yield* newSession()
        yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${disabled.userId}`
        yield* Effect.flip(principalOf(disabled))
      })
    )

    it.effect("answers from its copy for a minute while it hears of ends, and never after an end [R13]", () =>
      Effect.gen(function* () {
        yield* heard
        const session = yield* newSession()
        yield* principalOf(session)
        yield* endSecretly(session.sessionId)
        yield* principalOf(session)
        yield* TestClock.adjust("61 seconds")
        yield* Effect.flip(principalOf(session))

        const other = yield* newSession()
        yield* heard
        yield* principalOf(other)
        yield* (yield* Sessions).end(other.sessionId, none)
        yield* Effect.flip(principalOf(other))
      })
    )

    it.effect("does not copy what was ended while it was being read [R21]", () =>
      Effect.gen(function* () {
        yield* heard
        const revocations = yield* Revocations
        const index = yield* SessionIndex
        const session = yield* newSession()
        const readAt = revocations.hearsSince() ?? 0
        // The read came before the end, its copy after it.
        yield* (yield* Sessions).end(session.sessionId, none)
        yield* index.put([{ ...session, permissions: [], readAt, livesMillis: 60_000 }])
        yield* Effect.flip(principalOf(session))
        assert.isFalse(yield* (yield* Principals).isLive(session.sessionId))
      })
    )

    it.effect("sees at the next request that roles have changed [T10]", () =>
      Effect.gen(function* () {
        yield* heard
        const sql = yield* SqlClient.SqlClient
        const revocations = yield* Revocations
        const session = yield* newSession("admin")
        assert.isTrue((yield* principalOf(session)).permissions.has("users:write"))
        yield* sql`DELETE FROM user_roles WHERE user_id = ${session.userId}`.pipe(
          Effect.andThen(revocations.change([session.userId])),
          sql.withTransaction
        )
        assert.strictEqual((yield* principalOf(session)).permissions.size, 0)
      })
    )

    it.effect("grants nothing that this version does not know", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const session = yield* newSession()
        yield* sql`INSERT INTO roles (id, name, permissions)
          VALUES (${SecureRandom.uuidV7Unsafe()}, 'of-tomorrow', ARRAY['media:read', 'media:teleport'])`
        yield* sql`INSERT INTO user_roles (user_id, role_id)
          SELECT ${session.userId}::uuid, id FROM roles WHERE name = 'of-tomorrow'`
        assert.deepStrictEqual([...(yield* principalOf(session)).permissions], ["media:read"])
      })
    )

    it.effect("writes down that a session is used, once a minute, and never for another rotation", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const use = yield* SessionUse
        const session = yield* newSession()
        const state = Effect.map(
          sql<{
            readonly used: boolean
          }>`SELECT last_used_at > rotated_at AS used FROM sessions WHERE id = ${session.sessionId}`,
          ([row]) => row?.used
        )
        yield* principalOf({ ...session, counter: 5 })
        yield* use.flush
        assert.isFalse(yield* state)
        yield* principalOf({ ...session, counter: 6 })
        yield* sql`UPDATE sessions SET counter = 6 WHERE id = ${session.sessionId}`
        yield* use.flush
        assert.isTrue(yield* state)
        yield* sql`UPDATE sessions SET last_used_at = rotated_at WHERE id = ${session.sessionId}`
        yield* principalOf({ ...session, counter: 6 })
        yield* use.flush
        assert.isFalse(yield* state)
        yield* TestClock.adjust("61 seconds")
        yield* principalOf({ ...session, counter: 6 })
        yield* use.flush
        assert.isTrue(yield* state)
      })
    )

    it.effect("is the domain's port", () =>
      Effect.gen(function* () {
        const session = yield* newSession()
        const { isLive } = yield* SessionLiveness
        assert.isTrue(yield* isLive(session.sessionId))
      }).pipe(Effect.provide(Principals.layerSessionLiveness))
    )

    it.effect("hears from other processes, also after its connection was cut [R22]", () =>
      Effect.gen(function* () {
        yield* heard
        const sql = yield* SqlClient.SqlClient
        const here = yield* Principals
        const other = Context.get(yield* Layer.build(Layer.fresh(processMemory)), Sessions)
        const tool = Context.get(yield* Layer.build(Layer.fresh(command)), Sessions)
        const [a, b, c] = [yield* newSession(), yield* newSession(), yield* newSession()]
        for (const { sessionId } of [a, b, c]) assert.isTrue(yield* here.isLive(sessionId))
        yield* other.end(a.sessionId, none)
        yield* tool.endAll(c.userId, "admin", { facts: none })
        for (const { sessionId } of [a, c]) {
          yield* eventually(Effect.map(here.isLive(sessionId), (live) => !live))
        }

        // Nobody tells, for nobody is listening: what was copied before the gap is worth nothing after it.
        const cut = sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'`
        yield* cut
        yield* eventually(Effect.map(isListening, (listening) => !listening))
        yield* endSecretly(b.sessionId)
        assert.isFalse(yield* here.isLive(b.sessionId))
        yield* heard
        assert.isFalse(yield* here.isLive(b.sessionId))
        assert.isFalse(yield* here.isLive(a.sessionId))
      }).pipe(Effect.scoped)
    )
  })

  const asked: Array<number> = []
  const counting = Layer.succeed(SessionIndex, {
    get: (ids) =>
      Effect.sync(() => {
        asked.push(ids.length)
        return ids.map(() => undefined)
      }),
    put: () => Effect.void,
    end: () => Effect.void
  })
  layer(processWith(counting).pipe(Layer.provideMerge(world())))((it) => {
    it.effect("asks once, and once for each session, for all who ask in one turn", () =>
      Effect.gen(function* () {
        yield* heard
        const all = yield* Effect.replicateEffect(newSession(), 8)
        const twice = [...all, ...all]
        asked.length = 0
        const answers = yield* Effect.forEach(twice, principalOf, { concurrency: "unbounded" })
        assert.deepStrictEqual(asked, [8])
        assert.deepStrictEqual(
          answers.map(({ userId }) => userId),
          twice.map(({ userId }) => userId)
        )
      })
    )
  })
})
