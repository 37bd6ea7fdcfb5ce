import { CredentialHolders } from "@joy/domain/CredentialHolders"
import { holderOf, type Principal } from "@joy/domain/CurrentPrincipal"
import type { ApiKeyId, SessionId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { ApiKeyPrincipals } from "./ApiKeyPrincipals.ts"
import { Principals } from "./Principals.ts"

const isSame = (before: Principal, now: Principal | undefined) =>
  now !== undefined &&
  now.userId === before.userId &&
  (now.permissions === before.permissions ||
    (now.permissions.size === before.permissions.size &&
      [...before.permissions].every((permission) => now.permissions.has(permission))))

/** For what goes on long after the request that began it, and must end with what that was allowed by. */
export class StandingPrincipals extends Context.Service<
  StandingPrincipals,
  {
    /**
     * Whether each may still do what it may do, no more and no less: false when its session or key has ended, its user is
     * disabled or gone, or any permission came or went. However many they are, it is asked in one read each for sessions
     * and keys at most.
     */
    readonly stand: (principals: ReadonlyArray<Principal>) => Effect.Effect<ReadonlyArray<boolean>>
    /** Who a credential stands for at this moment; `null` when it has ended. */
    readonly ofCredential: (credential: Principal["credential"]) => Effect.Effect<Principal | null>
  }
>()("@joy/auth/StandingPrincipals") {
  static readonly layerNoDeps: Layer.Layer<StandingPrincipals, never, Principals | ApiKeyPrincipals> = Layer.effect(
    StandingPrincipals,
    Effect.gen(function* () {
      const sessions = yield* Principals
      const apiKeys = yield* ApiKeyPrincipals

      const noSessions: ReadonlyMap<SessionId, Principal> = new Map()
      const noKeys: ReadonlyMap<ApiKeyId, Principal> = new Map()

      const find = Effect.fnUntraced(function* (credentials: ReadonlyArray<Principal["credential"]>) {
        const sessionIds = new Set<SessionId>()
        const keyIds = new Set<ApiKeyId>()
        for (const credential of credentials) {
          if (credential.kind === "session") sessionIds.add(credential.sessionId)
          else if (credential.kind === "apiKey") keyIds.add(credential.apiKeyId)
        }
        const ofSessions = sessionIds.size === 0 ? noSessions : yield* sessions.standing([...sessionIds])
        const ofKeys = keyIds.size === 0 ? noKeys : yield* apiKeys.standing([...keyIds])
        return (credential: Principal["credential"]) => {
          switch (credential.kind) {
            case "session":
              return ofSessions.get(credential.sessionId)
            case "apiKey":
              return ofKeys.get(credential.apiKeyId)
            // Whether a link holds is a matter of its item, and asked with that.
            case "share":
              return holderOf(credential.shareId)
          }
        }
      })

      return StandingPrincipals.of({
        stand: Effect.fn("StandingPrincipals.stand")(function* (principals) {
          const now = yield* find(principals.map(({ credential }) => credential))
          return principals.map((principal) => isSame(principal, now(principal.credential)))
        }),
        ofCredential: Effect.fn("StandingPrincipals.ofCredential")(function* (credential) {
          return (yield* find([credential]))(credential) ?? null
        })
      })
    })
  )

  /** The domain's port, for what is shown again and again by who shows no credential. */
  static readonly layerCredentialHolders: Layer.Layer<CredentialHolders, never, StandingPrincipals> = Layer.effect(
    CredentialHolders,
    Effect.map(StandingPrincipals, ({ ofCredential }) => ({ principalOf: ofCredential }))
  )
}
