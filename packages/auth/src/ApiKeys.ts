import { type ApiKey, ApiKeyNotFound, type IssuedApiKey, type NewApiKey } from "@joy/domain/ApiKey"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { ApiKeyId, UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import { Forbidden, InvalidRequest } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { Signer } from "@joy/domain/Signer"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import * as ApiKeySecret from "./ApiKeySecret.ts"
import { AuditLog } from "./AuditLog.ts"
import * as RoleRows from "./RoleRows.ts"

const Row = Schema.Struct({
  id: ApiKeyId,
  name: Schema.String,
  permissions: Schema.Array(Schema.String),
  expiresAt: Schema.NullOr(Timestamp),
  lastUsedAt: Schema.NullOr(Timestamp),
  createdAt: Timestamp
})

const keyOf = (row: typeof Row.Type): ApiKey => ({ ...row, permissions: [...RoleRows.known(row.permissions)] })

const Position = Schema.Tuple([Timestamp, ApiKeyId])

/** The API keys of who is signed in. Not for API keys themselves. */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    /** Makes a key with permissions that the principal has. The key itself is in this answer alone. */
    readonly create: (
      key: NewApiKey,
      facts: RequestFacts
    ) => Effect.Effect<IssuedApiKey, Forbidden | InvalidRequest, CurrentPrincipal>
    /** Keys that were not revoked, the newest first. */
    readonly list: (query: PageQuery) => Effect.Effect<Page<ApiKey>, Forbidden | InvalidRequest, CurrentPrincipal>
    /** The key works no more. Somebody else's is not there. */
    readonly revoke: (
      id: ApiKeyId,
      facts: RequestFacts
    ) => Effect.Effect<void, Forbidden | ApiKeyNotFound, CurrentPrincipal>
  }
>()("@joy/auth/ApiKeys") {
  static readonly layerNoDeps: Layer.Layer<ApiKeys, never, AuditLog | Signer | SqlClient.SqlClient> = Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* AuditLog
      const signer = yield* Signer
      const columns = sql`id, name, permissions, expires_at, last_used_at, created_at`

      const insert = SqlSchema.findOneOption({
        Request: Schema.Struct({
          id: ApiKeyId,
          userId: UserId,
          name: Schema.String,
          keyHash: Schema.Uint8Array,
          permissions: Schema.Array(Schema.String),
          expiresAt: Schema.NullOr(Timestamp)
        }),
        Result: Row,
        execute: (row) => sql`
          INSERT INTO api_keys (id, user_id, name, key_hash, permissions, expires_at)
          SELECT ${row.id}::uuid, ${row.userId}::uuid, ${row.name}::text, ${row.keyHash}::bytea,
            ${row.permissions}::text[], ${row.expiresAt}::text::timestamptz
          WHERE coalesce(${row.expiresAt}::text::timestamptz > now(), true)
          RETURNING ${columns}`
      })

      const create = Effect.fn("ApiKeys.create")(
        function* (asked: NewApiKey, facts: RequestFacts) {
          const { permissions: held, sessionId, userId } = yield* Policy.session
          const permissions = [...new Set(asked.permissions)]
          const missing = permissions.find((permission) => !held.has(permission))
          if (missing !== undefined) {
            return yield* new Forbidden({ detail: `Only who has the permission ${missing} can give it to a key` })
          }
          const { hash, key } = ApiKeySecret.generate()
          const id = ApiKeyId.make(SecureRandom.uuidV7Unsafe())
          const { expiresAt = null, name } = asked
          const made = yield* insert({ id, userId, name, keyHash: hash, permissions, expiresAt })
          if (Option.isNone(made)) {
            return yield* new InvalidRequest({ issues: [{ path: "expiresAt", message: "This time is past" }] })
          }
          yield* audit.append({
            action: "api-key.created",
            actorId: userId,
            subjectId: userId,
            sessionId,
            facts,
            detail: { apiKeyId: id, name, permissions }
          })
          const { lastUsedAt: _, ...issued } = keyOf(made.value)
          return { ...issued, key }
        },
        sql.withTransaction,
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      const findPage = SqlSchema.findAll({
        Request: Schema.Struct({ userId: UserId, after: Schema.NullOr(Position), limit: Schema.Int }),
        Result: Row,
        execute: ({ after, limit, userId }) => sql`
          SELECT ${columns} FROM api_keys
          WHERE user_id = ${userId} AND revoked_at IS NULL
            AND ${after === null ? sql`TRUE` : sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
          ORDER BY created_at DESC, id DESC
          LIMIT ${limit}::int`
      })

      const list = Effect.fn("ApiKeys.list")(function* (query: PageQuery) {
        const { userId } = yield* Policy.session
        const name = `api-keys.${userId}`
        const after = yield* Keyset.position(signer, name, Position, query.cursor)
        const rows = yield* Effect.orDie(findPage({ userId, after, limit: Keyset.rowLimit(query) }))
        return Keyset.page(signer, name, query, rows.map(keyOf), (last) => [last.createdAt, last.id])
      })

      const revoke = Effect.fn("ApiKeys.revoke")(
        function* (id: ApiKeyId, facts: RequestFacts) {
          const { sessionId, userId } = yield* Policy.session
          const rows = yield* sql`
            UPDATE api_keys SET revoked_at = now()
            WHERE id = ${id} AND user_id = ${userId} AND revoked_at IS NULL RETURNING id`
          if (rows.length === 0) return yield* new ApiKeyNotFound({})
          yield* audit.append({
            action: "api-key.revoked",
            actorId: userId,
            subjectId: userId,
            sessionId,
            facts,
            detail: { apiKeyId: id }
          })
        },
        sql.withTransaction,
        Effect.catchTag("SqlError", Effect.die)
      )

      return ApiKeys.of({ create, list, revoke })
    })
  )
}
