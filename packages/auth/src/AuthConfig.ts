import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"

import { defaultRules, type Rules } from "./RateLimitRules.ts"

export interface AuthOptions {
  /** `iss` of access tokens: the public URL of this service. */
  readonly issuer: string
  /** `aud` of access tokens. */
  readonly audience: string
  /** How long an access token works. Also how long every process remembers that a session was ended. */
  readonly accessTokenTtl: Duration.Duration
  /** How long a session lives without being refreshed. */
  readonly sessionIdleTtl: Duration.Duration
  /** How long a session lives at most, however often it is refreshed. */
  readonly sessionMaxTtl: Duration.Duration
  /** How long a refresh token that was used still gets the successor that it got. */
  readonly refreshGrace: Duration.Duration
  /** Whether anyone may make an account, or administrators alone. */
  readonly registration: "open" | "closed"
  /** `off` is for tests and benchmarks. */
  readonly rateLimits: Rules | "off"
}

export const defaults: AuthOptions = {
  issuer: "http://localhost:8080",
  audience: "joy",
  accessTokenTtl: Duration.minutes(15),
  sessionIdleTtl: Duration.days(30),
  sessionMaxTtl: Duration.days(180),
  refreshGrace: Duration.seconds(10),
  registration: "open",
  rateLimits: defaultRules
}

/** How signing in behaves here. The server fills it from its configuration. */
export class AuthConfig extends Context.Service<AuthConfig, AuthOptions>()("@joy/auth/AuthConfig") {
  /** What is not given has its default. */
  static readonly layer = (options: Partial<AuthOptions>): Layer.Layer<AuthConfig> =>
    Layer.succeed(AuthConfig, { ...defaults, ...options })
}
