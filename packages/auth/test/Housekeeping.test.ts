import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"

import { AuditLog } from "../src/AuditLog.ts"
import { Housekeeping } from "../src/Housekeeping.ts"
import { eventually, layer as testLayer, newSession, newUser } from "./TestAuth.ts"

describe("Housekeeping", () => {
  layer(Housekeeping.layer.pipe(Layer.provideMerge(testLayer())))((it) => {
    it.effect("deletes sessions that ended a month ago, and no other, whoever else does it at once [L12]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { tidy } = yield* Housekeeping
        const names = ["live", "just ended", "ended", "just over", "over"] as const
        const made = new Map<string, string>()
        for (const name of names) made.set(name, (yield* newSession()).sessionId)
        const set = (name: (typeof names)[number], column: "revoked_at" | "expires_at", days: number) =>
          column === "revoked_at"
            ? sql`
                UPDATE sessions SET revoked_at = now() - ${days}::int * interval '1 day', revoked_reason = 'logout'
                WHERE id = ${made.get(name) ?? ""}`
            : sql`
                UPDATE sessions SET expires_at = now() - ${days}::int * interval '1 day'
                WHERE id = ${made.get(name) ?? ""}`
        yield* set("just ended", "revoked_at", 29)
        yield* set("ended", "revoked_at", 31)
        yield* set("just over", "expires_at", 29)
        yield* set("over", "expires_at", 31)
        yield* Effect.all([tidy, tidy, tidy], { concurrency: "unbounded" })
        const left = yield* sql<{ readonly id: string }>`SELECT id FROM sessions`
        assert.sameMembers(
          left.map(({ id }) => id),
          ["live", "just ended", "just over"].map((name) => made.get(name) ?? "")
        )
      })
    )

    it.effect("deletes what the audit log has of more than 400 days ago, however much that is [L12]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* newUser()
        yield* sql`
          INSERT INTO audit_log (id, action, actor_id, created_at)
          SELECT gen_random_uuid(), 'login.failed', ${id}::uuid, now() - interval '401 days' FROM generate_series(1, 4500)`
        yield* sql`
          INSERT INTO audit_log (id, action, actor_id, created_at)
          VALUES (gen_random_uuid(), 'login.failed', ${id}, now() - interval '399 days')`
        yield* (yield* AuditLog).append({ action: "login.failed", actorId: id })
        yield* (yield* Housekeeping).tidy
        const [left] = yield* sql<{ readonly count: number }>`
          SELECT count(*)::int AS count FROM audit_log WHERE actor_id = ${id}`
        assert.strictEqual(left?.count, 2)
      })
    )
  })

  layer(Housekeeping.layerHourly.pipe(Layer.provideMerge(testLayer())))("of a process that runs", (it) => {
    it.effect("is done every hour, more or less", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
          INSERT INTO audit_log (id, action, created_at)
          VALUES (gen_random_uuid(), 'login.failed', now() - interval '401 days')`
        const old = sql`SELECT 1 FROM audit_log WHERE created_at < now() - interval '400 days'`
        // Each time anew: its first wait may begin after the clock was moved.
        yield* eventually(
          TestClock.adjust("90 minutes").pipe(
            Effect.andThen(Effect.orDie(old)),
            Effect.map(({ length }) => length === 0)
          )
        )
      })
    )
  })
})
