import type { OAuthProvider } from "@joy/domain/OAuth"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"

import type { AppleClient } from "./AppleClientSecret.ts"

export interface GoogleSettings {
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  /** `iss` of ID tokens; below it lies the discovery document. */
  readonly issuer: string
}

export interface AppleSettings extends AppleClient {
  readonly issuer: string
}

export interface OAuthOptions {
  /** `null` where nobody signs in by it. */
  readonly google: GoogleSettings | null
  readonly apple: AppleSettings | null
  /** Where a sign-in may lead to, letter by letter. */
  readonly redirectUris: ReadonlyArray<string>
}

/** The providers that are configured. */
export const providersOf = (options: OAuthOptions): ReadonlyArray<OAuthProvider> =>
  (["google", "apple"] as const).filter((provider) => options[provider] !== null)

/** Who vouches for sign-ins here. The server fills it from its configuration. */
export class OAuthConfig extends Context.Service<OAuthConfig, OAuthOptions>()("@joy/auth/OAuthConfig") {
  static readonly layer = (options: OAuthOptions): Layer.Layer<OAuthConfig> => Layer.succeed(OAuthConfig, options)
}
