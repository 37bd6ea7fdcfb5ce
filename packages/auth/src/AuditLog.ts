import type { SessionId, UserId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { clean, none, oneLine, type RequestFacts } from "./RequestFacts.ts"

/** What is written down. Names stay as they are once released: people search for them. */
export type AuditAction =
  | "login.succeeded"
  | "login.failed"
  | "account.registered"
  | "account.created"
  | "account.password-changed"
  | "account.password-reset"
  | "account.updated"
  | "account.disabled"
  | "account.enabled"
  | "account.deleted"
  | "account.roles-changed"
  | "role.created"
  | "role.changed"
  | "role.deleted"
  | "api-key.created"
  | "api-key.revoked"
  | "api-key.refused"
  | "access.denied"
  | "session.ended"
  | "session.refresh-reused"

export interface AuditEntry {
  readonly action: AuditAction
  /** Who did it, as far as that is known. */
  readonly actorId?: UserId | null | undefined
  /** Whom it was done to. */
  readonly subjectId?: UserId | null | undefined
  readonly sessionId?: SessionId | null | undefined
  readonly facts?: RequestFacts | undefined
  /** Never a secret. */
  readonly detail?: Readonly<Record<string, string | number | boolean | ReadonlyArray<string>>> | undefined
}

const cleanDetail = (detail: NonNullable<AuditEntry["detail"]>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === "string" ? oneLine(value) : Array.isArray(value) ? value.map((text) => oneLine(text)) : value
    ])
  )

export class AuditLog extends Context.Service<
  AuditLog,
  {
    /** Writes an entry; in a transaction it is undone with it. */
    readonly append: (entry: AuditEntry) => Effect.Effect<void>
  }
>()("@joy/auth/AuditLog") {
  static readonly layer: Layer.Layer<AuditLog, never, SqlClient.SqlClient> = Layer.effect(
    AuditLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const append = Effect.fn("AuditLog.append")(function* (entry: AuditEntry) {
        const { ip, userAgent } = clean(entry.facts ?? none)
        yield* sql`
          INSERT INTO audit_log (id, action, actor_id, subject_id, session_id, ip, user_agent, detail)
          VALUES (
            ${SecureRandom.uuidV7Unsafe()}, ${entry.action}, ${entry.actorId ?? null}, ${entry.subjectId ?? null},
            ${entry.sessionId ?? null}, ${ip}, ${userAgent}, ${JSON.stringify(cleanDetail(entry.detail ?? {}))}::text::jsonb
          )`
      }, Effect.orDie)

      return AuditLog.of({ append })
    })
  )
}
