import { OAuthFailed, type OAuthProvider } from "@joy/domain/OAuth"
import { ServiceUnavailable } from "@joy/domain/Problem"
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

import * as AppleClientSecret from "./AppleClientSecret.ts"
import { OAuthConfig } from "./OAuthConfig.ts"
import { ofClaims, type ProvenIdentity } from "./ProvenIdentity.ts"
import { providerFetch } from "./ProviderFetch.ts"
import { oneLine } from "./RequestFacts.ts"

/** For one call. A sign-in makes three at most: discovery, token, keys. */
const callSeconds = 5
/** How long a discovery document is believed. Key sets have a shorter life inside openid-client. */
const metadataTtl = Duration.hours(1)

/**
 * Apple names a user at the first consent only, and answers by form post when asked for a name. Its ID tokens and Google's
 * are signed by RS256; with any other algorithm a token is refused.
 */
const requests = {
  google: { scope: "openid email profile" },
  apple: { scope: "openid email name", response_mode: "form_post" }
} as const
const idTokenAlgorithm = "RS256"

/** A call to a provider that came to nothing, told without what was sent: neither codes nor tokens go to the log. */
class ProviderCallFailed extends Schema.TaggedError<ProviderCallFailed>()("ProviderCallFailed", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

const Told = Schema.Struct({
  message: Schema.String,
  code: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String)
})
const isTold = Schema.is(Told)

const callFailed = (cause: unknown) =>
  new ProviderCallFailed({
    reason: isTold(cause)
      ? oneLine([cause.code, cause.error, cause.message].filter((part) => part !== undefined).join(": "), 200)
      : "unknown"
  })

const call = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: callFailed })

/** A provider that is away, or says nothing of use, can be asked again. */
const asked = <A>(provider: OAuthProvider, asking: Effect.Effect<A, ProviderCallFailed>) =>
  asking.pipe(
    Effect.tapError((error) => Effect.logWarning(`${provider} can't be asked to sign anybody in`, error.message)),
    Effect.mapError(() => new ServiceUnavailable({ retryAfterSeconds: 5 }))
  )

/** Loaded when it is needed: most installations have no provider. */
const openid = Effect.promise(() => import("openid-client"))

export interface AuthorizationRequest {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  /** S256 of the verifier (RFC 7636, 4.2). */
  readonly codeChallenge: string
}

export interface Redemption {
  readonly code: Redacted.Redacted
  readonly redirectUri: string
  readonly codeVerifier: string
  readonly nonce: string
  /** Apple's `user`, if it came. */
  readonly user: unknown
}

/** Google and Apple, as far as they are configured. */
export class OAuthProviders extends Context.Service<
  OAuthProviders,
  {
    /** Asks the provider how to sign in there, unless that was asked within the hour. */
    readonly reach: (provider: OAuthProvider) => Effect.Effect<void, ServiceUnavailable>
    /** Where a browser goes to consent. */
    readonly authorizationUrl: (
      provider: OAuthProvider,
      request: AuthorizationRequest
    ) => Effect.Effect<string, ServiceUnavailable>
    /**
     * Redeems a code and checks the ID token: signature, algorithm, key, issuer, audience, party, times and nonce. Whatever
     * goes wrong, the provider being away included, ends the sign-in: the code is spent.
     */
    readonly redeem: (provider: OAuthProvider, redemption: Redemption) => Effect.Effect<ProvenIdentity, OAuthFailed>
  }
>()("@joy/auth/OAuthProviders") {
  static readonly layer: Layer.Layer<OAuthProviders, never, OAuthConfig> = Layer.effect(
    OAuthProviders,
    Effect.gen(function* () {
      const config = yield* OAuthConfig

      const discover = Effect.fnUntraced(function* (provider: OAuthProvider) {
        const client = yield* openid
        const settings = config[provider]
        if (settings === null) return yield* new ProviderCallFailed({ reason: "not configured" })
        // Plain HTTP is for a provider on this machine: the configuration lets no other through.
        const execute = settings.issuer.startsWith("http:") ? [client.allowInsecureRequests] : []
        const metadata = { id_token_signed_response_alg: idTokenAlgorithm }
        return yield* call(() =>
          client.discovery(new URL(settings.issuer), settings.clientId, metadata, client.None(), {
            [client.customFetch]: providerFetch,
            timeout: callSeconds,
            execute: [...execute, client.enableNonRepudiationChecks]
          })
        )
      })

      const metadata = yield* Cache.makeWith(discover, {
        capacity: 2,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? metadataTtl : Duration.zero)
      })

      const reach = Effect.fn("OAuthProviders.reach")(function* (provider: OAuthProvider) {
        yield* asked(provider, Cache.get(metadata, provider))
      })

      const addressOf = Effect.fnUntraced(function* (provider: OAuthProvider, request: AuthorizationRequest) {
        const client = yield* openid
        const found = yield* Cache.get(metadata, provider)
        const parameters = {
          ...requests[provider],
          redirect_uri: request.redirectUri,
          state: request.state,
          nonce: request.nonce,
          code_challenge: request.codeChallenge,
          code_challenge_method: "S256"
        }
        return yield* Effect.try({
          try: () => client.buildAuthorizationUrl(found, parameters).href,
          catch: callFailed
        })
      })

      const authorizationUrl = Effect.fn("OAuthProviders.authorizationUrl")(
        (provider: OAuthProvider, request: AuthorizationRequest) => asked(provider, addressOf(provider, request))
      )

      const clientSecret = Effect.fnUntraced(function* (provider: OAuthProvider) {
        if (provider === "google") return config.google?.clientSecret
        if (config.apple === null) return undefined
        return AppleClientSecret.mint(config.apple, config.apple.issuer, yield* Clock.currentTimeMillis)
      })

      const idToken = Effect.fnUntraced(function* (provider: OAuthProvider, redemption: Redemption) {
        const client = yield* openid
        const found = yield* Cache.get(metadata, provider)
        const secret = yield* clientSecret(provider)
        const tokens = yield* call(() =>
          client.genericGrantRequest(found, "authorization_code", {
            code: Redacted.value(redemption.code),
            redirect_uri: redemption.redirectUri,
            code_verifier: redemption.codeVerifier,
            ...(secret === undefined ? {} : { client_secret: Redacted.value(secret) })
          })
        )
        const proven = ofClaims(tokens.claims(), {
          provider,
          clientId: found.clientMetadata().client_id,
          nonce: redemption.nonce,
          user: redemption.user
        })
        return proven ?? (yield* new ProviderCallFailed({ reason: "the ID token is not one for this sign-in" }))
      })

      const redeem = Effect.fn("OAuthProviders.redeem")(function* (provider: OAuthProvider, redemption: Redemption) {
        return yield* idToken(provider, redemption).pipe(
          Effect.tapError((error) => Effect.logWarning(`${provider} did not vouch for a sign-in`, error.message)),
          Effect.mapError(() => new OAuthFailed({}))
        )
      })

      return OAuthProviders.of({ reach, authorizationUrl, redeem })
    })
  )
}
