import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { LinkedIdentityId, SessionId, UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import { IdentityInUse, LastSignIn, type LinkedIdentity, LinkedIdentityNotFound } from "@joy/domain/LinkedIdentity"
import { type InvalidState, type OAuthCallback, OAuthFailed } from "@joy/domain/OAuth"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, InvalidRequest, TooManyRequests } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { Signer } from "@joy/domain/Signer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountRows from "./AccountRows.ts"
import * as AddressClaims from "./AddressClaims.ts"
import { AuditLog } from "./AuditLog.ts"
import * as IdentityRows from "./IdentityRows.ts"
import { OAuthConfig, providersOf } from "./OAuthConfig.ts"
import { OAuthFlows } from "./OAuthFlows.ts"
import type { ProvenIdentity } from "./ProvenIdentity.ts"
import { RateLimits } from "./RateLimits.ts"

/**
 * The identities at providers that sign in to an account.
 *
 * @effect-expect-leaking CurrentPrincipal
 */
export class LinkedIdentities extends Context.Service<
  LinkedIdentities,
  {
    /**
     * Lets an identity sign in to the account of who is signed in; not by an API key. Whoever finishes the flow has begun
     * it: an answer that somebody else got from the provider links nothing. One that is linked already stays as it is.
     */
    readonly link: (
      callback: OAuthCallback,
      facts: RequestFacts
    ) => Effect.Effect<
      LinkedIdentity,
      Forbidden | IdentityInUse | InvalidState | OAuthFailed | TooManyRequests,
      CurrentPrincipal
    >
    /** The principal's own, the newest first. */
    readonly list: (query: PageQuery) => Effect.Effect<Page<LinkedIdentity>, InvalidRequest, CurrentPrincipal>
    /**
     * Lets an identity of the principal sign in no more; not by an API key. Somebody else's is not there. The last way to
     * sign in stays, and an identity at a provider that is not configured is none.
     */
    readonly remove: (
      id: LinkedIdentityId,
      facts: RequestFacts
    ) => Effect.Effect<void, Forbidden | LastSignIn | LinkedIdentityNotFound, CurrentPrincipal>
  }
>()("@joy/auth/LinkedIdentities") {
  static readonly layerNoDeps: Layer.Layer<
    LinkedIdentities,
    never,
    AuditLog | OAuthConfig | OAuthFlows | RateLimits | Signer | SqlClient.SqlClient
  > = Layer.effect(
    LinkedIdentities,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* AccountRows.make
      const identities = yield* IdentityRows.make
      const addresses = yield* AddressClaims.make
      const audit = yield* AuditLog
      const flows = yield* OAuthFlows
      const limits = yield* RateLimits
      const signer = yield* Signer
      const configured = providersOf(yield* OAuthConfig)

      const add = Effect.fnUntraced(
        function* (
          principal: { readonly userId: UserId; readonly sessionId: SessionId },
          proven: ProvenIdentity,
          facts: RequestFacts
        ) {
          const { sessionId, userId } = principal
          yield* identities.lock(proven)
          const user = Option.getOrUndefined(yield* accounts.locked(userId))
          // Deleted since the request began.
          if (user === undefined) return yield* new OAuthFailed({})
          const found = Option.getOrUndefined(yield* identities.find(proven))
          if (found !== undefined && found.userId !== userId) return yield* new IdentityInUse({})
          const email = AddressClaims.provenAddress(proven)
          if (email !== null) {
            if (user.email === null) yield* addresses.give(userId, email, facts)
            else yield* addresses.confirm(userId, email)
          }
          if (found !== undefined) return found.identity
          const linked = yield* identities.insert(userId, proven)
          yield* audit.append({
            action: "identity.linked",
            actorId: userId,
            subjectId: userId,
            sessionId,
            facts,
            detail: { identityId: linked.id, by: proven.provider }
          })
          return linked
        },
        sql.withTransaction,
        IdentityRows.retryTaken,
        Effect.catchTag(["NoSuchElementError", "SqlError", "SchemaError"], Effect.die)
      )

      const link = Effect.fn("LinkedIdentities.link")(function* (callback: OAuthCallback, facts: RequestFacts) {
        const principal = yield* Policy.session
        yield* limits.oauth(facts)
        const proven = yield* flows.finish(callback, facts)
        return yield* Effect.tapErrorTag(add(principal, proven, facts), "IdentityInUse", () =>
          audit.append({
            action: "oauth.failed",
            actorId: principal.userId,
            subjectId: principal.userId,
            sessionId: principal.sessionId,
            facts,
            detail: { by: proven.provider, reason: "in-use" }
          })
        )
      })

      const list = Effect.fn("LinkedIdentities.list")(function* (query: PageQuery) {
        const { userId } = yield* CurrentPrincipal
        const name = `identities.${userId}`
        const after = yield* Keyset.position(signer, name, IdentityRows.Position, query.cursor)
        const rows = yield* Effect.orDie(identities.page({ userId, after, limit: Keyset.rowLimit(query) }))
        return Keyset.page(signer, name, query, rows, (last) => [last.createdAt, last.id])
      })

      const remove = Effect.fn("LinkedIdentities.remove")(
        function* (id: LinkedIdentityId, facts: RequestFacts) {
          const { sessionId, userId } = yield* Policy.session
          yield* accounts.locked(userId)
          const removed = yield* identities.remove(id, userId)
          if (Option.isNone(removed)) return yield* new LinkedIdentityNotFound({})
          if (!(yield* identities.canSignIn(userId, configured))) return yield* new LastSignIn({})
          yield* audit.append({
            action: "identity.unlinked",
            actorId: userId,
            subjectId: userId,
            sessionId,
            facts,
            detail: { identityId: id, by: removed.value.provider }
          })
        },
        sql.withTransaction,
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      return LinkedIdentities.of({ link, list, remove })
    })
  )
}
