import { CurrentPrincipal, sessionIdOf } from "@joy/domain/CurrentPrincipal"
import type { HotReads } from "@joy/domain/HotReads"
import { SessionId, UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import { OAuthProvider } from "@joy/domain/OAuth"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, InvalidRequest } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import {
  InvalidCredentials,
  type InvalidRefreshToken,
  type RefreshTokenReused,
  Session,
  type SessionNotFound
} from "@joy/domain/Session"
import { Signer } from "@joy/domain/Signer"
import { Timestamp } from "@joy/domain/Timestamp"
import type { UserNotFound } from "@joy/domain/User"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import { AuditLog } from "./AuditLog.ts"
import { AuthConfig } from "./AuthConfig.ts"
import { Keys } from "./Keys.ts"
import type { OpenSession } from "./OpenSession.ts"
import * as RefreshSecret from "./RefreshSecret.ts"
import { clean } from "./RequestFacts.ts"
import type { Revocations } from "./Revocations.ts"
import * as SessionEnds from "./SessionEnds.ts"
import * as SessionRotation from "./SessionRotation.ts"

export interface OpenOptions extends RequestFacts {
  readonly userId: UserId
  /** The hash that the password was checked against: if the account has another by now, the sign-in came too late. */
  readonly passwordHash?: Redacted.Redacted | undefined
  /** The provider that vouched for them, if it was no password. */
  readonly by?: OAuthProvider | undefined
}

export interface SessionQuery extends PageQuery {
  /** Whose sessions; the principal's own when absent. */
  readonly userId?: UserId | undefined
}

const Position = Schema.Tuple([Timestamp, SessionId])

export class Sessions extends Context.Service<
  Sessions,
  {
    /** Opens a session for a user who has proven who they are. Its id is always a new one. */
    readonly open: (options: OpenOptions) => Effect.Effect<OpenSession, InvalidCredentials>
    /**
     * Exchanges a refresh token. However often one token is shown at once, all callers get the same successor; also
     * later, as long as that is unused. A copied token ends the session (see `SessionRotation`).
     */
    readonly rotate: (
      refreshToken: Redacted.Redacted,
      facts: RequestFacts
    ) => Effect.Effect<OpenSession, InvalidRefreshToken | RefreshTokenReused>
    /** Signs out. A session that has ended stays as it is. */
    readonly end: (sessionId: SessionId, facts: RequestFacts) => Effect.Effect<void>
    /** Signs out who holds a refresh token of the session. */
    readonly endByToken: (
      refreshToken: Redacted.Redacted,
      facts: RequestFacts
    ) => Effect.Effect<void, InvalidRefreshToken>
    /** Ends the sessions of a user, those too that are being opened meanwhile; says how many. */
    readonly endAll: (
      userId: UserId,
      reason: SessionEnds.EndAllReason,
      options: SessionEnds.EndAllOptions
    ) => Effect.Effect<number>
    /** Ends every session of one user; needs `sessions:write`. Not by an API key, as what follows. */
    readonly endOf: (
      userId: UserId,
      facts: RequestFacts
    ) => Effect.Effect<void, Forbidden | UserNotFound, CurrentPrincipal>
    /** Ends every session there is but the principal's, those too that are being opened meanwhile. */
    readonly endEverybody: (facts: RequestFacts) => Effect.Effect<void, Forbidden, CurrentPrincipal>
    /** Live sessions, the newest first: the principal's own, or with `sessions:read` those of another user. */
    readonly list: (query: SessionQuery) => Effect.Effect<Page<Session>, Forbidden | InvalidRequest, CurrentPrincipal>
    /**
     * Ends one of the principal's sessions, or with `sessions:write` any. What is not theirs is not there. Not by an
     * API key.
     */
    readonly endById: (
      id: SessionId,
      facts: RequestFacts
    ) => Effect.Effect<void, Forbidden | SessionNotFound, CurrentPrincipal>
  }
>()("@joy/auth/Sessions") {
  static readonly layerNoDeps: Layer.Layer<
    Sessions,
    never,
    AuditLog | AuthConfig | HotReads | Keys | Revocations | Signer | SqlClient.SqlClient
  > = Layer.effect(
    Sessions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const keys = yield* Keys
      const audit = yield* AuditLog
      const signer = yield* Signer
      const config = yield* AuthConfig
      const idleSeconds = Duration.toSeconds(config.sessionIdleTtl)
      const maxSeconds = Duration.toSeconds(config.sessionMaxTtl)
      const live = sql`revoked_at IS NULL AND expires_at > now() AND idle_expires_at > now()`

      const insert = SqlSchema.findOneOption({
        Request: Schema.Struct({
          id: SessionId,
          userId: UserId,
          tokenHash: Schema.Uint8Array,
          keyId: Schema.String,
          passwordHash: Schema.NullOr(Schema.String),
          by: Schema.NullOr(OAuthProvider),
          ip: Schema.NullOr(Schema.String),
          userAgent: Schema.NullOr(Schema.String)
        }),
        Result: Schema.Struct({ refreshExpiresAt: Timestamp }),
        // The lock makes this wait for who changes the password, disables the user, or ends all sessions, and see it.
        execute: (row) => sql`
          WITH opened AS (
            INSERT INTO sessions (id, user_id, token_hash, secret_key_id, idle_expires_at, expires_at, ip, user_agent)
            SELECT ${row.id}::uuid, id, ${row.tokenHash}::bytea, ${row.keyId}::text,
              now() + ${Math.min(idleSeconds, maxSeconds)}::float8 * interval '1 second',
              now() + ${maxSeconds}::float8 * interval '1 second', ${row.ip}::text, ${row.userAgent}::text
            FROM users
            WHERE id = ${row.userId} AND disabled_at IS NULL
              AND (${row.passwordHash}::text IS NULL OR password_hash = ${row.passwordHash}::text)
            FOR SHARE
            RETURNING least(expires_at, idle_expires_at) AS refresh_expires_at
          ), logged AS (
            ${audit.appendFor("opened", {
              action: "login.succeeded",
              actorId: UserId.make(row.userId),
              subjectId: UserId.make(row.userId),
              sessionId: SessionId.make(row.id),
              facts: row,
              detail: row.by === null ? {} : { by: row.by }
            })}
          )
          SELECT refresh_expires_at FROM opened`
      })

      const open = Effect.fn("Sessions.open")(
        function* (options: OpenOptions) {
          const { userId } = options
          const sessionId = SessionId.make(SecureRandom.uuidV7Unsafe())
          const [key] = keys.refreshKeys()
          const secret = RefreshSecret.derive(key, sessionId, 0)
          const inserted = yield* insert({
            id: sessionId,
            userId,
            tokenHash: secret.hash,
            keyId: key.id,
            passwordHash: options.passwordHash === undefined ? null : Redacted.value(options.passwordHash),
            by: options.by ?? null,
            ...clean(options)
          })
          if (Option.isNone(inserted)) return yield* new InvalidCredentials({})
          return { userId, sessionId, counter: 0, refreshToken: secret.token, ...inserted.value }
        },
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      const { rotate, sessionOf } = yield* SessionRotation.make

      const { end, endAll, endById, endEverybody, endOf } = yield* SessionEnds.make

      const endByToken = Effect.fn("Sessions.endByToken")(function* (
        refreshToken: Redacted.Redacted,
        facts: RequestFacts
      ) {
        yield* end(yield* sessionOf(refreshToken), facts)
      })

      const findPage = SqlSchema.findAll({
        Request: Schema.Struct({
          userId: UserId,
          current: Schema.NullOr(SessionId),
          after: Schema.NullOr(Position),
          limit: Schema.Int
        }),
        Result: Session,
        execute: ({ after, current, limit, userId }) => sql`
          SELECT id, created_at, last_used_at, least(expires_at, idle_expires_at) AS expires_at, ip, user_agent,
            id IS NOT DISTINCT FROM ${current}::uuid AS current
          FROM sessions
          WHERE user_id = ${userId} AND ${live}
            AND ${after === null ? sql`TRUE` : sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
          ORDER BY created_at DESC, id DESC
          LIMIT ${limit}::int`
      })

      const list = Effect.fn("Sessions.list")(function* (query: SessionQuery) {
        const principal = yield* CurrentPrincipal
        const userId = query.userId ?? principal.userId
        yield* Policy.selfOr(userId, "sessions:read")
        const name = `sessions.${userId}`
        const after = yield* Keyset.position(signer, name, Position, query.cursor)
        const rows = yield* findPage({
          userId,
          current: sessionIdOf(principal),
          after,
          limit: Keyset.rowLimit(query)
        }).pipe(Effect.orDie)
        return Keyset.page(signer, name, query, rows, (last) => [last.createdAt, last.id])
      })

      return Sessions.of({ open, rotate, end, endByToken, endAll, endOf, endEverybody, list, endById })
    })
  )
}
