import { createHash } from "node:crypto"

import {
  InvalidState,
  type NewOAuthFlow,
  type OAuthCallback,
  type OAuthExchange,
  type OAuthFailed,
  type OAuthFlow,
  type OAuthFormPost,
  type OAuthProvider,
  ProviderNotConfigured,
  RedirectNotAllowed
} from "@joy/domain/OAuth"
import type { ServiceUnavailable } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"

import { AuditLog } from "./AuditLog.ts"
import { OAuthConfig } from "./OAuthConfig.ts"
import * as OAuthFlowRows from "./OAuthFlowRows.ts"
import { OAuthProviders } from "./OAuthProviders.ts"
import type { ProvenIdentity } from "./ProvenIdentity.ts"

/** What providers call it when somebody does not want to (RFC 6749, 4.1.2.1; Apple). */
const refusals = new Set(["access_denied", "user_cancelled_authorize"])

const withParameter = (address: string, name: "code" | "error", value: string) => {
  const url = new URL(address)
  url.searchParams.set(name, value)
  return url.href
}

/**
 * Sign-ins by a provider that are under way. A flow is bound to its provider and to who began it: `state` alone, which
 * passes through the browser and the provider, gives nobody anything. It is used once, whatever comes of it.
 */
export class OAuthFlows extends Context.Service<
  OAuthFlows,
  {
    /** Begins a flow, for ten minutes. */
    readonly begin: (
      flow: NewOAuthFlow
    ) => Effect.Effect<OAuthFlow, ProviderNotConfigured | RedirectNotAllowed | ServiceUnavailable>
    /**
     * Ends a flow with what the provider answered. After a form post `code` is the code that the form led to; otherwise
     * it is the provider's.
     */
    readonly finish: (
      callback: OAuthCallback,
      facts: RequestFacts
    ) => Effect.Effect<ProvenIdentity, InvalidState | OAuthFailed>
    /**
     * Takes the provider's form post, of which nobody knows whose browser it comes from. What it proves is kept for who
     * began the flow. Gives the address to go on to, with a code or an error.
     */
    readonly receive: (form: OAuthFormPost, facts: RequestFacts) => Effect.Effect<string, InvalidState>
    /** Gives what a form post proved to who shows its code and the flow's secret. */
    readonly collect: (exchange: OAuthExchange, facts: RequestFacts) => Effect.Effect<ProvenIdentity, InvalidState>
  }
>()("@joy/auth/OAuthFlows") {
  static readonly layerNoDeps: Layer.Layer<
    OAuthFlows,
    never,
    AuditLog | OAuthConfig | OAuthProviders | SqlClient.SqlClient
  > = Layer.effect(
    OAuthFlows,
    Effect.gen(function* () {
      const config = yield* OAuthConfig
      const audit = yield* AuditLog
      const providers = yield* OAuthProviders
      const rows = yield* OAuthFlowRows.make
      const isAllowed = (address: string) => config.redirectUris.includes(address)

      const failed = (by: OAuthProvider | null, reason: string, facts: RequestFacts) =>
        audit.append({ action: "oauth.failed", facts, detail: { ...(by === null ? {} : { by }), reason } })

      const begin = Effect.fn("OAuthFlows.begin")(function* (asked: NewOAuthFlow) {
        const { provider, redirectUri, returnTo = null } = asked
        if (config[provider] === null) return yield* new ProviderNotConfigured({})
        if (!isAllowed(redirectUri) || (returnTo !== null && !isAllowed(returnTo))) {
          return yield* new RedirectNotAllowed({})
        }
        const [state, flowSecret] = [OAuthFlowRows.secret(), OAuthFlowRows.secret()]
        const nonce = Redacted.value(OAuthFlowRows.secret())
        const codeVerifier = Redacted.value(OAuthFlowRows.secret())
        const authorizationUrl = yield* providers.authorizationUrl(provider, {
          redirectUri,
          state: Redacted.value(state),
          nonce,
          codeChallenge: createHash("sha256").update(codeVerifier).digest("base64url")
        })
        yield* Effect.orDie(rows.insert({ provider, state, flowSecret, nonce, codeVerifier, redirectUri, returnTo }))
        return { authorizationUrl, state, flowSecret }
      })

      const redeem = (
        flow: OAuthFlowRows.TakenFlow,
        answer: { readonly code: Redacted.Redacted; readonly user?: unknown },
        facts: RequestFacts
      ) =>
        Effect.tapError(providers.redeem(flow.provider, { ...flow, code: answer.code, user: answer.user }), () =>
          failed(flow.provider, "provider", facts)
        )

      const finish = Effect.fn("OAuthFlows.finish")(function* (callback: OAuthCallback, facts: RequestFacts) {
        const taken = yield* Effect.orDie(rows.take(callback))
        if (Option.isSome(taken)) return yield* redeem(taken.value, callback, facts)
        const kept = yield* Effect.orDie(rows.collect(callback))
        if (Option.isSome(kept) && kept.value.result.provider === callback.provider) return kept.value.result
        yield* failed(callback.provider, "state", facts)
        return yield* new InvalidState({})
      })

      const receive = Effect.fn("OAuthFlows.receive")(function* (form: OAuthFormPost, facts: RequestFacts) {
        const { code, error, state, user } = form
        const taken = state === undefined ? Option.none() : yield* Effect.orDie(rows.takePosted(state))
        if (Option.isNone(taken)) {
          yield* failed(null, "state", facts)
          return yield* new InvalidState({})
        }
        const { id, provider, returnTo } = taken.value
        if (code === undefined || error !== undefined) {
          const refused = error !== undefined && refusals.has(error)
          yield* failed(provider, refused ? "refused" : "provider", facts)
          return withParameter(returnTo, "error", refused ? "access-denied" : "oauth-failed")
        }
        const proven = yield* Effect.option(redeem(taken.value, { code, user }, facts))
        if (Option.isNone(proven)) return withParameter(returnTo, "error", "oauth-failed")
        const exchange = OAuthFlowRows.secret()
        yield* Effect.orDie(rows.park(id, exchange, proven.value))
        return withParameter(returnTo, "code", Redacted.value(exchange))
      })

      const collect = Effect.fn("OAuthFlows.collect")(function* (exchange: OAuthExchange, facts: RequestFacts) {
        const kept = yield* Effect.orDie(rows.collect(exchange))
        if (Option.isSome(kept)) return kept.value.result
        yield* failed(null, "state", facts)
        return yield* new InvalidState({})
      })

      return OAuthFlows.of({ begin, finish, receive, collect })
    })
  )
}
