import { AuditNotes, type MediaAction } from "@joy/domain/AuditNotes"
import type { SessionId, UserId } from "@joy/domain/Ids"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import { clean, none, oneLine } from "./RequestFacts.ts"

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
  | "account.address-taken"
  | "role.created"
  | "role.changed"
  | "role.deleted"
  | "oauth.failed"
  | "identity.linked"
  | "identity.unlinked"
  | "api-key.created"
  | "api-key.revoked"
  | "api-key.refused"
  | "access.denied"
  | "session.ended"
  | "session.refresh-reused"
  | MediaAction

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
    /**
     * The same as a part of a larger statement, which saves the round trips of a transaction: an entry for each row of
     * its `WITH` query `from`.
     */
    readonly appendFor: (from: string, entry: AuditEntry) => Statement.Fragment
  }
>()("@joy/auth/AuditLog") {
  static readonly layer: Layer.Layer<AuditLog, never, SqlClient.SqlClient> = Layer.effect(
    AuditLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const insert = (entry: AuditEntry, source: Statement.Fragment) => {
        const { ip, userAgent } = clean(entry.facts ?? none)
        return sql`
          INSERT INTO audit_log (id, action, actor_id, subject_id, session_id, ip, user_agent, detail)
          SELECT ${SecureRandom.uuidV7Unsafe()}::uuid, ${entry.action}::text, ${entry.actorId ?? null}::uuid,
            ${entry.subjectId ?? null}::uuid, ${entry.sessionId ?? null}::uuid, ${ip}::text, ${userAgent}::text,
            ${JSON.stringify(cleanDetail(entry.detail ?? {}))}::text::jsonb ${source}`
      }

      const append = Effect.fn("AuditLog.append")(function* (entry: AuditEntry) {
        yield* insert(entry, sql``)
      }, Effect.orDie)

      return AuditLog.of({ append, appendFor: (from, entry) => insert(entry, sql`FROM ${sql(from)}`) })
    })
  )
  /** The log as other contexts know it. */
  static readonly layerNotes: Layer.Layer<AuditNotes, never, AuditLog> = Layer.effect(
    AuditNotes,
    Effect.map(AuditLog, ({ append }) => AuditNotes.of({ append }))
  )
}
