import { assert, describe, layer } from "@effect/vitest"
import { SessionId, UserId } from "@joy/domain/Ids"
import { Cursor } from "@joy/domain/Page"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Sessions } from "../src/Sessions.ts"
import { as, asKey, audited, eventually, layer as testLayer, newSession, newUser, tag } from "./TestAuth.ts"

const facts = { ip: "192.0.2.7", userAgent: "Test/1.0" }

describe("Sessions", () => {
  layer(testLayer())((it) => {
    it.effect("opens sessions under new ids, with 224 secret bits of which only the hash is stored [R1, R2]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* newUser()
        const sessions = yield* Sessions
        const all = yield* Effect.replicateEffect(sessions.open({ userId: id, ...facts }), 5)
        assert.strictEqual(new Set(all.map(({ sessionId }) => sessionId)).size, 5)
        const dump = JSON.stringify(
          yield* sql`SELECT s::text, encode(s.token_hash, 'hex') AS hash, octet_length(s.token_hash) AS bytes FROM sessions s`
        )
        for (const { refreshToken, sessionId } of all) {
          const [head, secret = ""] = Redacted.value(refreshToken).split(".")
          assert.strictEqual(head, sessionId)
          const bytes = Buffer.from(secret, "base64url")
          assert.strictEqual(bytes.length, 32)
          for (const form of [secret, bytes.toString("hex"), bytes.toString("base64")]) assert.notInclude(dump, form)
        }
      })
    )

    it.effect("opens no session for a disabled account, nor for a password that was changed meanwhile [P16]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        const { id } = yield* newUser()
        yield* sql`UPDATE users SET password_hash = 'new' WHERE id = ${id}`
        const open = (passwordHash?: string) =>
          Effect.exit(
            sessions.open({
              userId: id,
              ...facts,
              passwordHash: passwordHash === undefined ? undefined : Redacted.make(passwordHash)
            })
          )
        assert.isTrue(Exit.isSuccess(yield* open("new")))
        assert.isTrue(Exit.isFailure(yield* open("old")))
        yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${id}`
        assert.isTrue(Exit.isFailure(yield* open()))
        assert.strictEqual((yield* audited(id)).length, 1)
      })
    )

    it.effect("stores the facts of strangers as one line each [L9]", () =>
      Effect.gen(function* () {
        const sessions = yield* Sessions
        const { id } = yield* newUser()
        const session = yield* sessions.open({ userId: id, ip: "::1", userAgent: "a\r\nadmin logged in\u0000\u2028" })
        const { items } = yield* sessions.list({}).pipe(as(session))
        assert.strictEqual(items[0]?.userAgent, "a\\u000d\\u000aadmin logged in\\u0000\\u2028")
      })
    )

    it.effect("lists live sessions by pages, the newest first, and says which one asks [R16]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        const { id } = yield* newUser()
        const all = yield* Effect.replicateEffect(sessions.open({ userId: id, ...facts }), 7)
        const [ended, idle, expired, ...live] = all
        if (ended === undefined || idle === undefined || expired === undefined) return assert.fail()
        yield* sessions.end(ended.sessionId, facts)
        yield* sql`UPDATE sessions SET idle_expires_at = now() WHERE id = ${idle.sessionId}`
        yield* sql`UPDATE sessions SET expires_at = now() WHERE id = ${expired.sessionId}`
        // Two of one moment: the id decides.
        yield* sql`UPDATE sessions SET created_at = now() WHERE user_id = ${id} AND id > ${live[1]?.sessionId ?? ""}`

        const me = as({ userId: id, ...(live[0] === undefined ? {} : { sessionId: live[0].sessionId }) })
        const first = yield* sessions.list({ limit: 3 }).pipe(me)
        const second = yield* sessions
          .list({ limit: 3, ...(first.nextCursor && { cursor: first.nextCursor }) })
          .pipe(me)
        assert.deepStrictEqual(
          [...first.items, ...second.items].map((session) => session.id),
          live.map(({ sessionId }) => sessionId).toReversed()
        )
        assert.isNull(second.nextCursor)
        assert.deepStrictEqual(
          second.items.map((session) => session.current),
          [true]
        )
        assert.deepInclude(second.items[0], { ip: "192.0.2.7", userAgent: "Test/1.0" })
      })
    )

    it.effect("refuses cursors that were tampered with or belong to another list [C5]", () =>
      Effect.gen(function* () {
        const sessions = yield* Sessions
        const [a, b] = [yield* newUser(), yield* newUser()]
        yield* Effect.replicateEffect(sessions.open({ userId: a.id, ...facts }), 2)
        const { nextCursor } = yield* sessions.list({ limit: 1 }).pipe(as({ userId: a.id }))
        const text = nextCursor ?? ""
        const other = Buffer.from('["2020-01-01T00:00:00Z","00000000-0000-7000-8000-000000000000"]').toString(
          "base64url"
        )
        const bad = ["", "x", `${text}A`, text.slice(1), `${other}.${text.split(".")[1]}`]
        for (const cursor of bad) {
          const error = yield* Effect.flip(sessions.list({ cursor: Cursor.make(cursor) }).pipe(as({ userId: a.id })))
          assert.strictEqual(error._tag, "InvalidRequest", cursor)
        }
        const error = yield* Effect.flip(sessions.list({ cursor: Cursor.make(text) }).pipe(as({ userId: b.id })))
        assert.strictEqual(error._tag, "InvalidRequest")
      })
    )

    it.effect(
      "shows the sessions of others to who has sessions:read, and ends them for who has sessions:write [R17]",
      () =>
        Effect.gen(function* () {
          const sessions = yield* Sessions
          const session = yield* newSession()
          const other = yield* newUser()
          const query = { userId: session.userId }
          const stranger = as({ userId: other.id })
          assert.strictEqual((yield* Effect.flip(sessions.list(query).pipe(stranger)))._tag, "Forbidden")
          assert.strictEqual(
            (yield* sessions.list(query).pipe(as({ userId: other.id }, "sessions:read"))).items[0]?.id,
            session.sessionId
          )
          const error = yield* Effect.flip(sessions.endById(session.sessionId, facts).pipe(stranger))
          assert.strictEqual(error._tag, "SessionNotFound")
          assert.isTrue(yield* (yield* Principals).isLive(session.sessionId))
          yield* sessions.endById(session.sessionId, facts).pipe(as({ userId: other.id }, "sessions:write"))
          assert.isFalse(yield* (yield* Principals).isLive(session.sessionId))
          assert.deepStrictEqual(yield* audited(session.userId), ["login.succeeded", "session.ended"])
        })
    )

    it.effect("ends one's own sessions one by one, and says when there is nothing to end [R16]", () =>
      Effect.gen(function* () {
        const sessions = yield* Sessions
        const session = yield* newSession()
        const end = Effect.result(sessions.endById(session.sessionId, facts).pipe(as(session)))
        assert.strictEqual((yield* end)._tag, "Success")
        assert.strictEqual((yield* end)._tag, "Failure")
        const unknown = SessionId.make(SecureRandom.uuidV7Unsafe())
        assert.strictEqual(
          (yield* Effect.flip(sessions.endById(unknown, facts).pipe(as(session, "sessions:write"))))._tag,
          "SessionNotFound"
        )
      })
    )

    it.effect("ends all sessions but the one that is to stay [P14]", () =>
      Effect.gen(function* () {
        const sessions = yield* Sessions
        const { isLive } = yield* Principals
        const { id } = yield* newUser()
        const [a, b, c] = yield* Effect.replicateEffect(sessions.open({ userId: id, ...facts }), 3)
        if (a === undefined || b === undefined || c === undefined) return assert.fail()
        assert.strictEqual(yield* sessions.endAll(id, "password", { facts, exceptSessionId: b.sessionId }), 2)
        assert.deepStrictEqual(yield* Effect.forEach([a, b, c], ({ sessionId }) => isLive(sessionId)), [
          false,
          true,
          false
        ])
        assert.strictEqual(yield* sessions.endAll(id, "logout-all", { facts }), 1)
        assert.strictEqual(yield* sessions.endAll(id, "logout-all", { facts }), 0)
      })
    )

    it.effect("ends a session that is being opened while all are ended [R14]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        const { id } = yield* newUser()
        const [opened, go] = [yield* Deferred.make<SessionId>(), yield* Deferred.make<void>()]
        const opening = yield* sessions.open({ userId: id, ...facts }).pipe(
          Effect.tap(({ sessionId }) => Deferred.succeed(opened, sessionId)),
          Effect.andThen(Deferred.await(go)),
          sql.withTransaction,
          Effect.forkChild
        )
        const sessionId = yield* Deferred.await(opened)
        const ending = yield* Effect.forkChild(sessions.endAll(id, "logout-all", { facts }))
        // It waits for what it can't see yet, instead of passing it by.
        yield* eventually(
          Effect.map(sql`SELECT 1 FROM pg_locks WHERE NOT granted`.pipe(Effect.orDie), (rows) => rows.length > 0)
        )
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(opening)
        assert.strictEqual(yield* Fiber.join(ending), 1)
        assert.isFalse(yield* (yield* Principals).isLive(sessionId))
      })
    )

    it.effect("ends all of one user for who has sessions:write, signed in, and tells who did [R17, L9]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { endOf } = yield* Sessions
        const { isLive } = yield* Principals
        const [one, two] = [yield* newSession(), yield* newSession()]
        const admin = yield* newSession("admin")
        assert.strictEqual(yield* tag(endOf(one.userId, facts).pipe(as(admin))), "Forbidden")
        assert.strictEqual(
          yield* tag(endOf(one.userId, facts).pipe(asKey(admin.userId, "sessions:write"))),
          "Forbidden"
        )
        const nobody = UserId.make(SecureRandom.uuidV7Unsafe())
        assert.strictEqual(yield* tag(endOf(nobody, facts).pipe(as(admin, "sessions:write"))), "UserNotFound")
        assert.isTrue(yield* isLive(one.sessionId))
        yield* endOf(one.userId, facts).pipe(as(admin, "sessions:write"))
        assert.deepStrictEqual([yield* isLive(one.sessionId), yield* isLive(two.sessionId)], [false, true])
        const entries = yield* sql`
          SELECT actor_id, detail FROM audit_log WHERE subject_id = ${one.userId} AND action = 'session.ended'`
        assert.deepStrictEqual(entries, [{ actorId: admin.userId, detail: { reason: "admin", sessions: 1 } }])
      })
    )

    it.effect("undoes everything when the transaction around it is undone", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        const session = yield* newSession()
        yield* sessions
          .endAll(session.userId, "admin", { facts: none })
          .pipe(Effect.andThen(Effect.fail("no")), sql.withTransaction, Effect.ignore)
        assert.isTrue(yield* (yield* Principals).isLive(session.sessionId))
        assert.deepStrictEqual(yield* audited(session.userId), ["login.succeeded"])
      })
    )
  })

  layer(testLayer())("of everybody", (it) => {
    it.effect("end at once, those too that are being opened, but for the one that asks [R14, R17]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        const { isLive } = yield* Principals
        const all = yield* Effect.replicateEffect(newSession(), 3)
        const admin = yield* newSession("admin")
        const { id } = yield* newUser()
        const [opened, go] = [yield* Deferred.make<SessionId>(), yield* Deferred.make<void>()]
        const opening = yield* sessions.open({ userId: id, ...facts }).pipe(
          Effect.tap(({ sessionId }) => Deferred.succeed(opened, sessionId)),
          Effect.andThen(Deferred.await(go)),
          sql.withTransaction,
          Effect.forkChild
        )
        const late = yield* Deferred.await(opened)
        assert.strictEqual(yield* tag(sessions.endEverybody(facts).pipe(as(admin))), "Forbidden")
        const ending = yield* Effect.forkChild(sessions.endEverybody(facts).pipe(as(admin, "sessions:write")))
        yield* eventually(
          Effect.map(sql`SELECT 1 FROM pg_locks WHERE NOT granted`.pipe(Effect.orDie), (rows) => rows.length > 0)
        )
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(opening)
        yield* Fiber.join(ending)
        for (const sessionId of [...all.map((session) => session.sessionId), late]) {
          assert.isFalse(yield* isLive(sessionId))
        }
        assert.isTrue(yield* isLive(admin.sessionId))
        // Everybody may come back.
        assert.isTrue(yield* isLive((yield* sessions.open({ userId: id, ...facts })).sessionId))
      })
    )
  })
})
