import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { SecurityEventId, UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, InvalidRequest } from "@joy/domain/Problem"
import { SecurityEvent } from "@joy/domain/SecurityEvent"
import { Signer } from "@joy/domain/Signer"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

export interface AuditQuery extends PageQuery {
  /** Who did it, or whom it was done to. */
  readonly userId?: UserId | undefined
  readonly action?: string | undefined
}

const Position = Schema.Tuple([Timestamp, SecurityEventId])

/** Reads what `AuditLog` writes. */
export class AuditTrail extends Context.Service<
  AuditTrail,
  {
    /** Security events, the newest first; needs `audit:read`. */
    readonly list: (
      query: AuditQuery
    ) => Effect.Effect<Page<SecurityEvent>, Forbidden | InvalidRequest, CurrentPrincipal>
  }
>()("@joy/auth/AuditTrail") {
  static readonly layerNoDeps: Layer.Layer<AuditTrail, never, Signer | SqlClient.SqlClient> = Layer.effect(
    AuditTrail,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const signer = yield* Signer

      const findPage = SqlSchema.findAll({
        Request: Schema.Struct({
          userId: Schema.NullOr(UserId),
          action: Schema.NullOr(Schema.String),
          after: Schema.NullOr(Position),
          limit: Schema.Int
        }),
        Result: SecurityEvent,
        execute: ({ action, after, limit, userId }) => sql`
          SELECT id, action, actor_id, subject_id, session_id, ip, user_agent, detail, created_at FROM audit_log
          WHERE ${userId === null ? sql`TRUE` : sql`(actor_id = ${userId} OR subject_id = ${userId})`}
            AND ${action === null ? sql`TRUE` : sql`action = ${action}`}
            AND ${after === null ? sql`TRUE` : sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
          ORDER BY created_at DESC, id DESC
          LIMIT ${limit}::int`
      })

      const list = Effect.fn("AuditTrail.list")(function* (query: AuditQuery) {
        yield* Policy.permission("audit:read")
        const { action = null, userId = null } = query
        const name = `audit.${userId ?? ""}.${action ?? ""}`
        const after = yield* Keyset.position(signer, name, Position, query.cursor)
        const rows = yield* Effect.orDie(findPage({ userId, action, after, limit: Keyset.rowLimit(query) }))
        return Keyset.page(signer, name, query, rows, (last) => [last.createdAt, last.id])
      })

      return AuditTrail.of({ list })
    })
  )
}
