import type { UserId } from "@joy/domain/Ids"
import { LastAdmin } from "@joy/domain/User"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** The statements that keep an installation from losing its last administrator: who has the role `admin`, enabled. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const exists = (who: "anybody" | UserId) =>
    Effect.map(
      sql`
        SELECT 1 FROM user_roles ur JOIN roles r ON r.id = ur.role_id JOIN users u ON u.id = ur.user_id
        WHERE r.name = 'admin' AND u.disabled_at IS NULL AND ${who === "anybody" ? sql`TRUE` : sql`u.id = ${who}`}
        LIMIT 1`,
      (rows) => rows.length > 0
    )

  return {
    /**
     * Held to the end of the transaction by whoever changes roles or takes accounts away: one at a time, so that two
     * administrators can't remove each other at once. Comes before any other lock of the transaction.
     */
    lock: Effect.asVoid(sql`SELECT 1 FROM roles WHERE name = 'admin' FOR NO KEY UPDATE`),
    /** Makes a change of an account, under the lock. Fails, and so undoes it, if it takes the last administrator. */
    guarding: Effect.fnUntraced(function* <A, E, R>(userId: UserId, change: Effect.Effect<A, E, R>) {
      const before = yield* exists(userId)
      const result = yield* change
      return before && !(yield* exists("anybody")) ? yield* new LastAdmin({}) : result
    })
  }
})
