import { randomBytes } from "node:crypto"

import { assert, describe, layer } from "@effect/vitest"
import type { SessionId } from "@joy/domain/Ids"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import type { OpenSession } from "../src/OpenSession.ts"
import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Sessions } from "../src/Sessions.ts"
import { SessionUse } from "../src/SessionUse.ts"
import { audited, eventually, layer as testLayer, newSession } from "./TestAuth.ts"

const rotate = (token: Redacted.Redacted) => Effect.flatMap(Sessions, (sessions) => sessions.rotate(token, none))
const refusal = (token: Redacted.Redacted) => Effect.map(Effect.flip(rotate(token)), (error) => error._tag)
const isLive = (id: SessionId) => Effect.flatMap(Principals, (principals) => principals.isLive(id))
const text = ({ refreshToken }: OpenSession) => Redacted.value(refreshToken)

/** Makes the last rotation as long ago as the grace and a bit; the use that followed stays after it. */
const graceIsOver = (id: SessionId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      UPDATE sessions SET rotated_at = rotated_at - interval '11 seconds', recent_since = recent_since - interval '11 seconds',
        last_used_at = last_used_at - interval '11 seconds'
      WHERE id = ${id}`
  )

/** Shows an access token of the session, as a request does. */
const useAccessToken = Effect.fnUntraced(function* (session: OpenSession) {
  yield* (yield* Principals).principalOf(session)
  yield* (yield* SessionUse).flush
})

const fiveHundred = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(Effect.replicateEffect(Effect.result(effect), 500, { concurrency: "unbounded" }))

describe("Sessions.rotate", () => {
  layer(testLayer())((it) => {
    it.effect("gives a new token each time, with the same session and a later counter [R3]", () =>
      Effect.gen(function* () {
        const first = yield* newSession()
        const second = yield* rotate(first.refreshToken)
        const third = yield* rotate(second.refreshToken)
        assert.strictEqual(new Set([first, second, third].map(text)).size, 3)
        assert.deepStrictEqual(
          [first, second, third].map(({ counter }) => counter),
          [0, 1, 2]
        )
        assert.strictEqual(third.sessionId, first.sessionId)
        assert.strictEqual(third.userId, first.userId)
      })
    )

    it.effect("leaves every index alone, also among sessions that lie side by side", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { userId } = yield* newSession()
        const sessions = yield* Sessions
        const all = yield* Effect.replicateEffect(sessions.open({ userId, ...none }), 120)
        const updates = sql<{ readonly rows: number; readonly withoutIndex: number }>`
          SELECT pg_stat_get_xact_tuples_updated(oid)::int AS rows,
            pg_stat_get_xact_tuples_hot_updated(oid)::int AS without_index
          FROM pg_class WHERE relname = 'sessions'`
        const [before, after] = yield* Effect.gen(function* () {
          const [before] = yield* updates
          for (let at = 0; at < 120; at += 12) yield* rotate(all[at]?.refreshToken ?? Redacted.make(""))
          const [after] = yield* updates
          return [before, after]
        }).pipe(sql.withTransaction)
        if (before === undefined || after === undefined) return assert.fail()
        assert.strictEqual(after.rows - before.rows, 10)
        assert.strictEqual(after.withoutIndex - before.withoutIndex, 10)
      })
    )

    it.effect("gives fifty callers with one token one successor, which works [R5, R6]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const first = yield* newSession()
        const all = yield* Effect.all(
          Array.from({ length: 50 }, () => rotate(first.refreshToken)),
          {
            concurrency: "unbounded"
          }
        )
        assert.strictEqual(new Set(all.map(text)).size, 1)
        assert.deepStrictEqual(yield* sql`SELECT counter FROM sessions WHERE user_id = ${first.userId}`, [
          { counter: 1 }
        ])
        const [winner = first] = all
        assert.strictEqual((yield* rotate(winner.refreshToken)).counter, 2)
        assert.deepStrictEqual(yield* audited(first.userId), ["login.succeeded"])
      })
    )

    it.effect("holds fast when callers go on with what they got, round after round [R5]", () =>
      Effect.gen(function* () {
        let current = yield* newSession()
        for (let round = 1; round <= 10; round++) {
          const all = yield* Effect.all(
            Array.from({ length: 10 }, () => rotate(current.refreshToken)),
            {
              concurrency: "unbounded"
            }
          )
          assert.strictEqual(new Set(all.map(text)).size, 1)
          current = all[round % 10] ?? current
          assert.strictEqual(current.counter, round)
        }
      })
    )

    it.effect("gives the same successor again within the grace, and that works later [R8]", () =>
      Effect.gen(function* () {
        const first = yield* newSession()
        const second = yield* rotate(first.refreshToken)
        yield* useAccessToken(second)
        const again = yield* rotate(first.refreshToken)
        assert.deepStrictEqual([text(again), again.counter], [text(second), 1])
        yield* graceIsOver(first.sessionId)
        assert.strictEqual((yield* rotate(again.refreshToken)).counter, 2)
      })
    )

    it.effect("gives the successor again, at any time, to a client whose answer got lost [R9]", () =>
      Effect.gen(function* () {
        const first = yield* newSession()
        const lost = yield* rotate(first.refreshToken)
        yield* graceIsOver(first.sessionId)
        // The client goes on with the access token that it has, which says nothing about the successor.
        yield* useAccessToken(first)
        const found = yield* rotate(first.refreshToken)
        assert.strictEqual(text(found), text(lost))
        assert.strictEqual((yield* rotate(found.refreshToken)).counter, 2)
      })
    )

    it.effect("ends the session when a spent token comes after the grace and its successor is in use [R3, R4]", () =>
      Effect.gen(function* () {
        const first = yield* newSession()
        const second = yield* rotate(first.refreshToken)
        yield* useAccessToken(second)
        yield* graceIsOver(first.sessionId)
        assert.strictEqual(yield* refusal(first.refreshToken), "RefreshTokenReused")
        assert.isFalse(yield* isLive(first.sessionId))
        assert.strictEqual(yield* refusal(second.refreshToken), "InvalidRefreshToken")
        assert.strictEqual(yield* refusal(first.refreshToken), "InvalidRefreshToken")
        assert.deepStrictEqual(yield* audited(first.userId), ["login.succeeded", "session.refresh-reused"])
      })
    )

    it.effect("gives who is late within the grace what is current, however often that changed meanwhile [R3, R8]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const first = yield* newSession()
        const second = yield* rotate(first.refreshToken)
        const third = yield* rotate(second.refreshToken)
        const passed = (seconds: number) => sql`
          UPDATE sessions SET rotated_at = rotated_at - ${seconds}::float8 * interval '1 second',
            recent_since = recent_since - ${seconds}::float8 * interval '1 second' WHERE id = ${first.sessionId}`
        for (const { refreshToken } of [first, second]) {
          const late = yield* rotate(refreshToken)
          assert.deepStrictEqual([text(late), late.counter], [text(third), 2])
        }
        yield* passed(6)
        const fourth = yield* rotate(third.refreshToken)
        yield* passed(6)
        // Two were spent twelve seconds ago, one six.
        const fifth = yield* rotate(fourth.refreshToken)
        for (const { refreshToken } of [third, fourth])
          assert.strictEqual(text(yield* rotate(refreshToken)), text(fifth))
        assert.strictEqual(yield* refusal(second.refreshToken), "RefreshTokenReused")
        assert.strictEqual(yield* refusal(fifth.refreshToken), "InvalidRefreshToken")
      })
    )

    it.effect("ends the session when a token comes late whose successor was exchanged [R4]", () =>
      Effect.gen(function* () {
        const first = yield* newSession()
        const second = yield* rotate(first.refreshToken)
        const third = yield* rotate(second.refreshToken)
        yield* graceIsOver(first.sessionId)
        assert.strictEqual(yield* refusal(first.refreshToken), "RefreshTokenReused")
        assert.strictEqual(yield* refusal(third.refreshToken), "InvalidRefreshToken")
      })
    )

    it.effect("writes one entry when a copied token is shown many times at once [R4]", () =>
      Effect.gen(function* () {
        const first = yield* newSession()
        yield* rotate((yield* rotate(first.refreshToken)).refreshToken)
        yield* graceIsOver(first.sessionId)
        const all = yield* Effect.all(
          Array.from({ length: 20 }, () => refusal(first.refreshToken)),
          {
            concurrency: "unbounded"
          }
        )
        assert.isTrue(all.includes("RefreshTokenReused"))
        assert.deepStrictEqual(yield* audited(first.userId), ["login.succeeded", "session.refresh-reused"])
      })
    )

    it.effect("refuses what was made up, and ends nothing for it [R1]", () =>
      Effect.gen(function* () {
        const session = yield* newSession()
        const other = yield* newSession()
        const [, secret = ""] = text(session).split(".")
        const bytes = Buffer.from(secret, "base64url")
        const later = Buffer.from(bytes)
        later.writeUInt32BE(7)
        const bad = [
          "",
          ".",
          session.sessionId,
          `${session.sessionId}.`,
          `${session.sessionId}.${randomBytes(32).toString("base64url")}`,
          `${session.sessionId}.${later.toString("base64url")}`,
          `${session.sessionId}.${Buffer.alloc(32).toString("base64url")}`,
          `${other.sessionId}.${secret}`,
          `${session.sessionId.toUpperCase()}.${secret}`,
          `${text(session)}A`,
          ` ${text(session)}`,
          `${text(session)}\n`,
          `'; DROP TABLE sessions; --.${secret}`,
          "é".repeat(80)
        ]
        for (const token of bad) assert.strictEqual(yield* refusal(Redacted.make(token)), "InvalidRefreshToken", token)
        assert.isTrue(yield* isLive(session.sessionId))
        yield* rotate(session.refreshToken)
      })
    )

    it.effect("ends with the idle time and with the whole time, which rotation does not prolong [R11]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const idle = yield* newSession()
        yield* sql`UPDATE sessions SET idle_expires_at = now() WHERE id = ${idle.sessionId}`
        assert.strictEqual(yield* refusal(idle.refreshToken), "InvalidRefreshToken")
        assert.isFalse(yield* isLive(idle.sessionId))

        const old = yield* newSession()
        yield* sql`UPDATE sessions SET expires_at = now() + interval '1 hour', idle_expires_at = now() + interval '1 minute'
          WHERE id = ${old.sessionId}`
        const next = yield* rotate(old.refreshToken)
        const rows = yield* sql<{ readonly left: number; readonly end: string }>`
          SELECT extract(epoch FROM expires_at - now())::int AS left, expires_at AS "end" FROM sessions
          WHERE id = ${old.sessionId} AND idle_expires_at = expires_at`
        assert.isAtMost(rows[0]?.left ?? Infinity, 3600)
        assert.strictEqual(next.refreshExpiresAt, rows[0]?.end)
        yield* sql`UPDATE sessions SET expires_at = now() WHERE id = ${old.sessionId}`
        assert.strictEqual(yield* refusal(next.refreshToken), "InvalidRefreshToken")
      })
    )

    it.effect("refuses disabled users [R15]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const session = yield* newSession()
        yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${session.userId}`
        assert.strictEqual(yield* refusal(session.refreshToken), "InvalidRefreshToken")
      })
    )

    it.effect("never leaves anything usable when it meets a sign-out, whoever is first [R10]", () =>
      Effect.gen(function* () {
        const sessions = yield* Sessions
        for (let round = 0; round < 20; round++) {
          const first = yield* newSession()
          const [results] = yield* Effect.all(
            [
              Effect.all(
                Array.from({ length: 6 }, () => Effect.result(rotate(first.refreshToken))),
                {
                  concurrency: "unbounded"
                }
              ),
              Effect.delay(
                round % 2 === 0
                  ? sessions.end(first.sessionId, none)
                  : Effect.asVoid(sessions.endAll(first.userId, "logout-all", { facts: none })),
                0
              )
            ],
            { concurrency: "unbounded" }
          )
          assert.isFalse(yield* isLive(first.sessionId))
          for (const result of results) {
            if (result._tag === "Success") {
              assert.strictEqual(yield* refusal(result.success.refreshToken), "InvalidRefreshToken")
            } else {
              assert.strictEqual(result.failure._tag, "InvalidRefreshToken")
            }
          }
          assert.strictEqual(yield* refusal(first.refreshToken), "InvalidRefreshToken")
        }
      })
    )

    it.effect("keeps connections for others, however many wait for one session [R23]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sessions = yield* Sessions
        const [busy, other] = [yield* newSession(), yield* newSession()]
        const waiting = Effect.map(
          sql<{ readonly count: number }>`
            SELECT count(*)::int AS count FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          ([row]) => row?.count ?? 0
        )
        const [locked, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const locking = yield* Effect.forkChild(
          sql`SELECT 1 FROM sessions WHERE id = ${busy.sessionId} FOR UPDATE`.pipe(
            Effect.andThen(Deferred.succeed(locked, undefined)),
            Effect.andThen(Deferred.await(release)),
            sql.withTransaction
          )
        )
        yield* Deferred.await(locked)
        const refreshes = yield* fiveHundred(rotate(busy.refreshToken))
        yield* eventually(Effect.map(waiting, (count) => count === 1))
        const ends = yield* fiveHundred(sessions.end(busy.sessionId, none))
        yield* eventually(Effect.map(waiting, (count) => count === 2))
        assert.strictEqual((yield* rotate(other.refreshToken)).counter, 1)
        assert.isAtMost(yield* waiting, 2)
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(locking)
        const answers = yield* Fiber.join(refreshes)
        yield* Fiber.join(ends)
        const given = answers.flatMap((answer) => (answer._tag === "Success" ? [text(answer.success)] : []))
        assert.isAtMost(new Set(given).size, 1)
        assert.isFalse(yield* isLive(busy.sessionId))
        assert.isTrue(yield* isLive(other.sessionId))
      })
    )

    it.effect("takes a rotation whose commit was never reported for a lost answer [R6, R9]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const first = yield* newSession()
        // Undone: as if it had never been.
        yield* rotate(first.refreshToken).pipe(Effect.andThen(Effect.fail("lost")), sql.withTransaction, Effect.ignore)
        const second = yield* rotate(first.refreshToken)
        assert.strictEqual(second.counter, 1)
      })
    )

    it.effect("ends nothing when the database was restored to an earlier state", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const first = yield* newSession()
        const rows = yield* sql<{
          readonly tokenHash: Uint8Array
        }>`SELECT token_hash FROM sessions WHERE id = ${first.sessionId}`
        const second = yield* rotate(first.refreshToken)
        yield* sql`UPDATE sessions SET counter = 0, token_hash = ${rows[0]?.tokenHash ?? null}, previous_token_hash = NULL
          WHERE id = ${first.sessionId}`
        assert.strictEqual(yield* refusal(second.refreshToken), "InvalidRefreshToken")
        yield* rotate(first.refreshToken)
      })
    )
  })
})
