import { SessionId, UserId } from "@joy/domain/Ids"
import * as Policy from "@joy/domain/Policy"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { SessionNotFound } from "@joy/domain/Session"
import { UserNotFound } from "@joy/domain/User"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import { AuditLog } from "./AuditLog.ts"
import { Revocations } from "./Revocations.ts"
import * as SharedRuns from "./SharedRuns.ts"

/** Why all sessions of a user end. */
export type EndAllReason = "logout-all" | "password" | "disabled" | "admin"

export interface EndAllOptions {
  readonly facts: RequestFacts
  /** Who wants it, if it is not the user. */
  readonly actorId?: UserId | null | undefined
  readonly exceptSessionId?: SessionId | null | undefined
}

const Ended = Schema.Struct({ id: SessionId, userId: UserId })

/** Signed in, with the right to end what others have open. */
const administrator = Effect.andThen(Policy.permission("sessions:write"), Policy.session)

/** The ways in which `Sessions` end. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* AuditLog
  const revocations = yield* Revocations
  const live = sql`revoked_at IS NULL AND expires_at > now() AND idle_expires_at > now()`

  const endOne = SqlSchema.findAll({
    Request: Schema.Struct({
      sessionId: SessionId,
      reason: Schema.String,
      /** Only if it is a session of this user. */
      owner: Schema.NullOr(UserId)
    }),
    Result: Ended,
    execute: ({ owner, reason, sessionId }) => sql`
      UPDATE sessions SET revoked_at = now(), revoked_reason = ${reason}, updated_at = now()
      WHERE id = ${sessionId} AND ${live} AND (${owner}::uuid IS NULL OR user_id = ${owner}::uuid)
      RETURNING id, user_id`
  })
  const endAllRows = SqlSchema.findAll({
    Request: Schema.Struct({ userId: Schema.NullOr(UserId), reason: Schema.String, except: Schema.NullOr(SessionId) }),
    Result: Ended,
    execute: ({ except, reason, userId }) => sql`
      UPDATE sessions SET revoked_at = now(), revoked_reason = ${reason}, updated_at = now()
      WHERE ${userId === null ? sql`TRUE` : sql`user_id = ${userId}`} AND revoked_at IS NULL AND id IS DISTINCT FROM ${except}::uuid
      RETURNING id, user_id`
  })

  const share = yield* SharedRuns.make<SessionId, void, never>()
  const endOnce = Effect.fnUntraced(
    function* (sessionId: SessionId, facts: RequestFacts) {
      const rows = yield* endOne({ sessionId, reason: "logout", owner: null })
      yield* revocations.end([sessionId])
      for (const { userId } of rows) {
        yield* audit.append({
          action: "session.ended",
          actorId: userId,
          subjectId: userId,
          sessionId,
          facts,
          detail: { reason: "logout" }
        })
      }
    },
    sql.withTransaction,
    Effect.orDie
  )
  const end = Effect.fn("Sessions.end")((sessionId: SessionId, facts: RequestFacts) =>
    share(sessionId, endOnce(sessionId, facts))
  )

  const endAll = Effect.fn("Sessions.endAll")(
    function* (userId: UserId, reason: EndAllReason, { actorId = null, exceptSessionId = null, facts }: EndAllOptions) {
      // Waits for sign-ins that are under way, so that the next statement sees them, and holds off later ones.
      yield* sql`SELECT 1 FROM users WHERE id = ${userId} FOR NO KEY UPDATE`
      const rows = yield* endAllRows({ userId, reason, except: exceptSessionId })
      yield* revocations.end(rows.map(({ id }) => id))
      if (rows.length > 0) {
        yield* audit.append({
          action: "session.ended",
          actorId: reason === "logout-all" ? userId : actorId,
          subjectId: userId,
          facts,
          detail: { reason, sessions: rows.length }
        })
      }
      return rows.length
    },
    sql.withTransaction,
    Effect.orDie
  )

  const endOf = Effect.fn("Sessions.endOf")(
    function* (userId: UserId, facts: RequestFacts) {
      const { userId: actorId } = yield* administrator
      if ((yield* sql`SELECT 1 FROM users WHERE id = ${userId}`).length === 0) return yield* new UserNotFound({})
      yield* endAll(userId, "admin", { facts, actorId })
    },
    sql.withTransaction,
    Effect.catchTag("SqlError", Effect.die)
  )

  const endEverybody = Effect.fn("Sessions.endEverybody")(
    function* (facts: RequestFacts) {
      const { sessionId, userId } = yield* administrator
      // As in `endAll`, for sign-ins of everybody.
      yield* sql`LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE`
      const rows = yield* endAllRows({ userId: null, reason: "admin", except: sessionId })
      yield* revocations.end(rows.map(({ id }) => id))
      yield* audit.append({
        action: "session.ended",
        actorId: userId,
        sessionId,
        facts,
        detail: { reason: "admin", sessions: rows.length, everybody: true }
      })
    },
    sql.withTransaction,
    Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
  )

  const endById = Effect.fn("Sessions.endById")(
    function* (sessionId: SessionId, facts: RequestFacts) {
      const principal = yield* Policy.session
      const any = principal.permissions.has("sessions:write")
      const own = yield* endOne({ sessionId, reason: "ended", owner: principal.userId })
      const rows = own.length > 0 || !any ? own : yield* endOne({ sessionId, reason: "admin", owner: null })
      const [row] = rows
      if (row === undefined) return yield* new SessionNotFound({})
      yield* revocations.end([sessionId])
      yield* audit.append({
        action: "session.ended",
        actorId: principal.userId,
        subjectId: row.userId,
        sessionId,
        facts,
        detail: { reason: own.length > 0 ? "ended" : "admin" }
      })
    },
    sql.withTransaction,
    Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
  )

  return { end, endAll, endById, endEverybody, endOf }
})
