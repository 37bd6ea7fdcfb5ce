import type { NewOAuthFlow, OAuthCallback, OAuthProvider } from "@joy/domain/OAuth"
import { Email } from "@joy/domain/User"
import * as FakeIssuer from "@joy/testing/FakeIssuer"
import * as OidcProvider from "@joy/testing/OidcProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import * as AppleClientSecret from "../src/AppleClientSecret.ts"
import type { AuthOptions } from "../src/AuthConfig.ts"
import { LinkedIdentities } from "../src/LinkedIdentities.ts"
import { OAuthAccounts } from "../src/OAuthAccounts.ts"
import { OAuthConfig, type OAuthOptions } from "../src/OAuthConfig.ts"
import { OAuthFlows } from "../src/OAuthFlows.ts"
import { OAuthProviders } from "../src/OAuthProviders.ts"
import type { ProvenIdentity } from "../src/ProvenIdentity.ts"
import { none } from "../src/RequestFacts.ts"
import * as TestAuth from "./TestAuth.ts"

export const page = "https://app.example.org/signed-in"
export const formPost = "https://joy.example.org/auth/oauth/callback"
const redirectUris = [page, formPost]

/** Google and Apple, as far as tests need them. */
export class Providers extends Context.Service<
  Providers,
  { readonly google: OidcProvider.OidcProvider; readonly apple: OidcProvider.OidcProvider }
>()("@joy/auth/test/Providers") {
  static readonly layer = Layer.effect(
    Providers,
    Effect.all({
      google: OidcProvider.start("google", redirectUris),
      apple: OidcProvider.start("apple", redirectUris)
    })
  )
}

/** Both providers in one, and dishonest. */
export class Forger extends Context.Service<Forger, FakeIssuer.FakeIssuer>()("@joy/auth/test/Forger") {
  static readonly layer = Layer.effect(Forger, FakeIssuer.start)
}

const appleKey = AppleClientSecret.readPrivateKey(OidcProvider.apple.privateKey)

/** The options for providers at these addresses. */
export const options = (issuers: { readonly google: string; readonly apple: string }): OAuthOptions => ({
  redirectUris,
  google: {
    clientId: OidcProvider.google.clientId,
    clientSecret: Redacted.make(OidcProvider.google.clientSecret),
    issuer: issuers.google
  },
  apple: appleKey === undefined ? null : { ...OidcProvider.apple, privateKey: appleKey, issuer: issuers.apple }
})

const services = Layer.mergeAll(OAuthAccounts.layerNoDeps, LinkedIdentities.layerNoDeps).pipe(
  Layer.provideMerge(OAuthFlows.layerNoDeps),
  Layer.provideMerge(OAuthProviders.layer)
)

/** A process and its world, with the honest providers. */
export const layer = (auth: Partial<AuthOptions> = {}) =>
  services.pipe(
    Layer.provideMerge(
      Layer.unwrap(
        Effect.map(Providers, ({ apple, google }) =>
          OAuthConfig.layer(options({ google: google.issuer, apple: apple.issuer }))
        )
      )
    ),
    Layer.provideMerge(Providers.layer),
    Layer.provideMerge(TestAuth.layer({ rateLimits: "off", ...auth }))
  )

/** The same, with the forger for both. */
export const layerForged = services.pipe(
  Layer.provideMerge(
    Layer.unwrap(Effect.map(Forger, ({ issuer }) => OAuthConfig.layer(options({ google: issuer, apple: issuer }))))
  ),
  Layer.provideMerge(Forger.layer),
  Layer.provideMerge(TestAuth.layer({ rateLimits: "off" }))
)

let serial = 0
/** Somebody whom no other test knows, with a verified address. */
export const person = (more: Partial<OidcProvider.Person & { readonly email: Email }> = {}) => {
  const sub = `${process.pid}-${++serial}`
  return { sub, email: Email.make(`pema.${sub}@example.org`), email_verified: true, name: "Pema Dorje", ...more }
}

export const begin = (provider: OAuthProvider, more: Partial<NewOAuthFlow> = {}) =>
  Effect.flatMap(OAuthFlows, (flows) =>
    flows.begin({ provider, redirectUri: provider === "apple" ? formPost : page, returnTo: page, ...more })
  )

/** Begins a flow and consents; gives what an application shows then. */
export const consented = Effect.fnUntraced(function* (provider: OAuthProvider, who: OidcProvider.Person) {
  const flow = yield* begin(provider)
  const { parameters } = yield* (yield* Providers)[provider].consent(flow.authorizationUrl, who)
  const secret = (name: string) => Redacted.make(parameters[name] ?? "")
  return { provider, code: secret("code"), state: secret("state"), flowSecret: flow.flowSecret }
})

export const finish = (callback: OAuthCallback) => Effect.flatMap(OAuthFlows, (flows) => flows.finish(callback, none))

/** Signs in whom a provider vouched for. */
export const enterAs = (proven: ProvenIdentity) =>
  Effect.flatMap(OAuthAccounts, (accounts) => accounts.signIn(proven, none))

/** Somebody whom no other test knows, as a provider vouched for them. */
export const proven = (more: Partial<ProvenIdentity> = {}): ProvenIdentity => {
  const { email, sub } = person()
  return {
    provider: "google",
    issuer: "https://accounts.google.com",
    subject: sub,
    email,
    emailVerified: true,
    name: "Pema Dorje",
    ...more
  }
}

/** Signs in with what the provider answered. */
export const enter = (callback: OAuthCallback) => Effect.flatMap(finish(callback), enterAs)

/** The whole of a sign-in. */
export const signIn = (provider: OAuthProvider, who: OidcProvider.Person, user?: OAuthCallback["user"]) =>
  Effect.flatMap(consented(provider, who), (callback) => enter(user === undefined ? callback : { ...callback, user }))
