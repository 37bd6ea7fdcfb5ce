import type { Principal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import { ApiKeyId, UserId } from "@joy/domain/Ids"
import { Unauthenticated } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import type { Fragment } from "effect/sql/Statement"

import * as ApiKeySecret from "./ApiKeySecret.ts"
import { Denials } from "./Denials.ts"
import * as RoleRows from "./RoleRows.ts"

const Found = Schema.Struct({
  id: ApiKeyId,
  userId: UserId,
  permissions: Schema.Array(Schema.String),
  granted: Schema.Array(Schema.String),
  touch: Schema.Boolean,
  /** Why the key does not work; nothing for one that does. */
  refusal: Schema.NullOr(Schema.Literals(["revoked", "expired", "disabled"]))
})

export class ApiKeyPrincipals extends Context.Service<
  ApiKeyPrincipals,
  {
    /**
     * Who an API key stands for at this moment: its owner, with those of the key's permissions that the owner has.
     * Fails when the key has run out or was revoked, or its owner is disabled, which is written down, or gone.
     */
    readonly principalOf: (key: string, facts: RequestFacts) => Effect.Effect<Principal, Unauthenticated>
    /** Who keys stand for at this moment, without those that are over. One read for all; it is no use of them. */
    readonly standing: (ids: ReadonlyArray<ApiKeyId>) => Effect.Effect<ReadonlyMap<ApiKeyId, Principal>>
  }
>()("@joy/auth/ApiKeyPrincipals") {
  static readonly layerNoDeps: Layer.Layer<ApiKeyPrincipals, never, Denials | HotReads | SqlClient.SqlClient> =
    Layer.effect(
      ApiKeyPrincipals,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const hot = yield* HotReads
        const denials = yield* Denials

        const select = (condition: Fragment) => hot`
          SELECT k.id, k.user_id AS "userId", k.permissions,
            ARRAY(
              SELECT DISTINCT p.permission
              FROM user_roles ur JOIN roles r ON r.id = ur.role_id CROSS JOIN unnest(r.permissions) AS p (permission)
              WHERE ur.user_id = k.user_id
            ) AS granted,
            coalesce(k.last_used_at < now() - interval '1 minute', true) AS touch,
            CASE
              WHEN k.revoked_at IS NOT NULL THEN 'revoked'
              WHEN k.expires_at <= now() THEN 'expired'
              WHEN u.disabled_at IS NOT NULL THEN 'disabled'
            END AS refusal
          FROM api_keys k JOIN users u ON u.id = k.user_id
          WHERE ${condition}`

        // Nothing is copied: one read by a unique index, and what has changed holds for the next request.
        const find = SqlSchema.findOneOption({
          Request: Schema.Uint8Array,
          Result: Found,
          execute: (hash) => select(hot`k.key_hash = ${hash}`)
        })
        const findAll = SqlSchema.findAll({
          Request: Schema.Array(ApiKeyId),
          Result: Found,
          execute: (ids) => select(hot`k.id = ANY(${ids}::uuid[])`)
        })

        const principalFrom = (found: typeof Found.Type): Principal => {
          const held = RoleRows.known(found.granted)
          return {
            userId: found.userId,
            credential: { kind: "apiKey", apiKeyId: found.id },
            permissions: new Set([...RoleRows.known(found.permissions)].filter((permission) => held.has(permission)))
          }
        }

        /** Once a minute, whoever asks: the second of two at once waits, looks again, and finds nothing to do. */
        const touch = (id: ApiKeyId) =>
          sql`
          UPDATE api_keys SET last_used_at = now()
          WHERE id = ${id} AND coalesce(last_used_at < now() - interval '1 minute', true)`.pipe(
            Effect.catchCause((cause) => Effect.logWarning("The use of an API key was not written down", cause))
          )

        const principalOf = Effect.fn("ApiKeyPrincipals.principalOf")(function* (key: string, facts: RequestFacts) {
          const hash = ApiKeySecret.hashOf(key)
          if (hash === undefined) return yield* new Unauthenticated({})
          const found = Option.getOrUndefined(yield* Effect.orDie(find(hash)))
          if (found === undefined) return yield* new Unauthenticated({})
          const principal = principalFrom(found)
          if (found.refusal !== null) {
            yield* denials.note({ action: "api-key.refused", principal, facts, detail: { reason: found.refusal } })
            return yield* new Unauthenticated({})
          }
          if (found.touch) yield* touch(found.id)
          return principal
        })

        const standing = Effect.fn("ApiKeyPrincipals.standing")(function* (ids: ReadonlyArray<ApiKeyId>) {
          const keys = yield* Effect.orDie(findAll(ids))
          return new Map(keys.filter(({ refusal }) => refusal === null).map((key) => [key.id, principalFrom(key)]))
        })

        return ApiKeyPrincipals.of({ principalOf, standing })
      })
    )
}
