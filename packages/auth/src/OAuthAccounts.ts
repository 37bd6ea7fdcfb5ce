import { AccountLinkRequired, OAuthFailed } from "@joy/domain/OAuth"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { InvalidCredentials } from "@joy/domain/Session"
import { RegistrationClosed, type User } from "@joy/domain/User"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountRows from "./AccountRows.ts"
import * as AddressClaims from "./AddressClaims.ts"
import { AuditLog } from "./AuditLog.ts"
import { AuthConfig } from "./AuthConfig.ts"
import * as IdentityRows from "./IdentityRows.ts"
import * as NewUsername from "./NewUsername.ts"
import type { OpenSession } from "./OpenSession.ts"
import type { ProvenIdentity } from "./ProvenIdentity.ts"
import { Sessions } from "./Sessions.ts"

/** As the audit log has them. */
const reasons = {
  AccountLinkRequired: "link-required",
  OAuthFailed: "disabled",
  RegistrationClosed: "registration-closed"
} as const

/** Turns what a provider vouched for into somebody who is signed in. */
export class OAuthAccounts extends Context.Service<
  OAuthAccounts,
  {
    /**
     * Signs in the account that the identity belongs to, or a new one, where registration is open. The address decides
     * nothing but this: who proves one takes it from an account that never did, and an account that did has to be signed
     * in to, to link the identity. Somebody disabled is answered like somebody whom the provider did not vouch for.
     */
    readonly signIn: (
      proven: ProvenIdentity,
      facts: RequestFacts
    ) => Effect.Effect<
      { readonly user: User; readonly session: OpenSession },
      AccountLinkRequired | OAuthFailed | RegistrationClosed
    >
  }
>()("@joy/auth/OAuthAccounts") {
  static readonly layerNoDeps: Layer.Layer<
    OAuthAccounts,
    never,
    AuditLog | AuthConfig | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    OAuthAccounts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const accounts = yield* AccountRows.make
      const identities = yield* IdentityRows.make
      const addresses = yield* AddressClaims.make
      const newUsername = yield* NewUsername.make
      const audit = yield* AuditLog
      const { registration } = yield* AuthConfig
      const sessions = yield* Sessions

      const create = Effect.fnUntraced(function* (proven: ProvenIdentity, facts: RequestFacts) {
        const email = AddressClaims.provenAddress(proven)
        const holder = email === null ? undefined : Option.getOrUndefined(yield* addresses.holderOf(email))
        if (holder?.emailVerified === true) return yield* new AccountLinkRequired({})
        if (registration === "closed") return yield* new RegistrationClosed({})
        if (holder !== undefined) yield* addresses.takeFrom(holder, facts)
        const roles = ["viewer"]
        const id = yield* accounts.insert({
          username: yield* newUsername(proven),
          email,
          emailVerified: email !== null,
          displayName: proven.name,
          passwordHash: null,
          roles
        })
        yield* identities.insert(id, proven)
        yield* audit.append({
          action: "account.registered",
          actorId: id,
          subjectId: id,
          facts,
          detail: { roles, by: proven.provider }
        })
        return id
      })

      const known = Effect.fnUntraced(function* (proven: ProvenIdentity) {
        yield* identities.lock(proven)
        yield* identities.lockOwner(proven)
        const found = Option.getOrUndefined(yield* identities.find(proven))
        if (found === undefined) return undefined
        yield* identities.seen(found.identity.id, proven)
        const email = AddressClaims.provenAddress(proven)
        if (email !== null) yield* addresses.confirm(found.userId, email)
        return found.userId
      })

      const attempt = Effect.fnUntraced(
        function* (proven: ProvenIdentity, facts: RequestFacts) {
          const userId = (yield* known(proven)) ?? (yield* create(proven, facts))
          const session = yield* sessions.open({ userId, by: proven.provider, ...facts })
          const user = yield* accounts.byId(userId)
          return Option.isSome(user) ? { user: user.value, session } : yield* new InvalidCredentials({})
        },
        Effect.catchTag("InvalidCredentials", () => Effect.fail(new OAuthFailed({}))),
        sql.withTransaction,
        IdentityRows.retryTaken,
        Effect.catchTag(["NoSuchElementError", "SqlError", "SchemaError"], Effect.die)
      )

      const signIn = Effect.fn("OAuthAccounts.signIn")(function* (proven: ProvenIdentity, facts: RequestFacts) {
        return yield* Effect.tapError(
          attempt(proven, facts),
          Effect.fnUntraced(function* (error) {
            const found = yield* Effect.orDie(identities.find(proven))
            yield* audit.append({
              action: "oauth.failed",
              subjectId: Option.getOrUndefined(found)?.userId,
              facts,
              detail: { by: proven.provider, reason: reasons[error._tag] }
            })
          })
        )
      })

      return OAuthAccounts.of({ signIn })
    })
  )
}
