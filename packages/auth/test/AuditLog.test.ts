import { assert, describe, layer } from "@effect/vitest"
import { UserId } from "@joy/domain/Ids"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { AuditLog } from "../src/AuditLog.ts"

describe("AuditLog", () => {
  layer(AuditLog.layer.pipe(Layer.provideMerge(TestDatabase.layer)))((it) => {
    it.effect("writes who did what to whom and from where, each on one line [L9]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const actorId = UserId.make(SecureRandom.uuidV7Unsafe())
        yield* (yield* AuditLog).append({
          action: "session.ended",
          actorId,
          facts: { ip: "::1\n", userAgent: `a\r\nb${"c".repeat(10_000)}` },
          detail: { reason: "x\u0000\ny", count: 2, roles: ["a\n", "b"] }
        })
        const rows = yield* sql<Record<string, unknown>>`
          SELECT action, actor_id, subject_id, ip, user_agent, detail, created_at <= now() AS written FROM audit_log`
        const [row = {}] = rows
        assert.deepInclude(row, { action: "session.ended", actorId, subjectId: null, ip: "::1\\u000a", written: true })
        assert.deepInclude(row, { detail: { reason: "x\\u0000\\u000ay", count: 2, roles: ["a\\u000a", "b"] } })
        assert.match(String(row["userAgent"]), /^a\\u000d\\u000abc+$/)
        assert.isBelow(String(row["userAgent"]).length, 600)
      })
    )

    it.effect("is undone with the transaction that it stands in [L9]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const count = Effect.map(sql`SELECT id FROM audit_log`, (rows) => rows.length)
        const before = yield* count
        const append = (yield* AuditLog).append({ action: "login.failed" })
        yield* append.pipe(Effect.andThen(Effect.fail("no")), sql.withTransaction, Effect.ignore)
        assert.strictEqual(yield* count, before)
      })
    )
  })
})
