import { assert, describe, layer } from "@effect/vitest"
import { Cursor } from "@joy/domain/Page"
import * as Effect from "effect/Effect"

import { AuditLog } from "../src/AuditLog.ts"
import { AuditTrail } from "../src/AuditTrail.ts"
import { as, layer as testLayer, newSession, newUser, tag } from "./TestAuth.ts"

describe("AuditTrail", () => {
  layer(testLayer())((it) => {
    it.effect("shows what was written down, the newest first, to who has audit:read [L10]", () =>
      Effect.gen(function* () {
        const { list } = yield* AuditTrail
        const { append } = yield* AuditLog
        const { id } = yield* newUser()
        const reader = as({ userId: id }, "audit:read")
        assert.strictEqual(yield* tag(list({}).pipe(as({ userId: id }, "users:read"))), "Forbidden")
        const session = yield* newSession()
        yield* append({
          action: "session.ended",
          actorId: id,
          subjectId: session.userId,
          sessionId: session.sessionId,
          facts: { ip: "192.0.2.7", userAgent: "a browser" },
          detail: { reason: "admin", sessions: 1, roles: ["a"] }
        })
        const page = yield* list({}).pipe(reader)
        assert.deepInclude(page.items[0], {
          action: "session.ended",
          actorId: id,
          subjectId: session.userId,
          sessionId: session.sessionId,
          ip: "192.0.2.7",
          userAgent: "a browser",
          detail: { reason: "admin", sessions: 1, roles: ["a"] }
        })
        const actions = (query: Parameters<typeof list>[0]) =>
          list(query).pipe(
            reader,
            Effect.map(({ items }) => items.map(({ action }) => action))
          )
        assert.deepStrictEqual(yield* actions({ userId: session.userId }), ["session.ended", "login.succeeded"])
        assert.deepStrictEqual(yield* actions({ userId: id }), ["session.ended"])
        assert.deepStrictEqual(yield* actions({ userId: id, action: "login.succeeded" }), [])
        assert.deepStrictEqual(yield* actions({ action: "of tomorrow" }), [])
      })
    )

    it.effect("goes on where a page ended, in the same list alone [L10, C5]", () =>
      Effect.gen(function* () {
        const { list } = yield* AuditTrail
        const { append } = yield* AuditLog
        const { id } = yield* newUser()
        const reader = as({ userId: id }, "audit:read")
        yield* Effect.replicateEffect(append({ action: "login.failed", subjectId: id }), 5)
        const all = yield* list({ userId: id }).pipe(reader)
        const first = yield* list({ userId: id, limit: 3 }).pipe(reader)
        const cursor = first.nextCursor ?? assert.fail()
        const second = yield* list({ userId: id, limit: 3, cursor }).pipe(reader)
        assert.deepStrictEqual([...first.items, ...second.items], all.items)
        assert.strictEqual(all.items.length, 5)
        for (const query of [{ cursor }, { userId: id, cursor: Cursor.make(`${cursor}x`) }]) {
          assert.strictEqual(yield* tag(list(query).pipe(reader)), "InvalidRequest")
        }
      })
    )
  })
})
