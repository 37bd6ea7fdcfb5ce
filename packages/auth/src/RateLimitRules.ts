import * as Duration from "effect/Duration"

/** At most `limit` in a row; then one has to wait until they have drained, at `limit` per `window`. */
export interface Rule {
  readonly limit: number
  readonly window: Duration.Duration
}

/**
 * Several rules on one thing make the wait grow: who fails five times waits up to a minute, who fails twenty times up
 * to an hour. What is refused is not counted, so nobody's wait is made longer by trying. The names are those of
 * `RATE_LIMITS` and of the `RateLimit` fields.
 */
export const defaultRules = {
  /** Sign-ins on one account from one network, and changes of its password. Successes are given back. */
  "login-here": { limit: 5, window: Duration.minutes(1) },
  "login-here-long": { limit: 20, window: Duration.hours(1) },
  /** The same from one network, on any accounts. */
  "login-network": { limit: 60, window: Duration.minutes(1) },
  "login-network-long": { limit: 300, window: Duration.hours(1) },
  /** The same on one account, from anywhere new to it. */
  "login-account": { limit: 20, window: Duration.minutes(15) },
  "login-account-long": { limit: 100, window: Duration.days(1) },
  /** Registrations from one network. */
  register: { limit: 30, window: Duration.minutes(1) },
  "register-long": { limit: 200, window: Duration.hours(1) },
  /** Steps of sign-ins by a provider, from one network: each sign-in has two or three. */
  oauth: { limit: 60, window: Duration.minutes(1) },
  "oauth-long": { limit: 600, window: Duration.hours(1) },
  /** Links that are opened, from one network. */
  share: { limit: 120, window: Duration.minutes(1) },
  "share-long": { limit: 2000, window: Duration.hours(1) },
  /** Refreshes of one session. One token may be shown by many tabs at once. */
  "refresh-session": { limit: 600, window: Duration.minutes(1) },
  /** Refreshes from one network. */
  "refresh-network": { limit: 3000, window: Duration.minutes(1) }
} satisfies Record<string, Rule>

export type RuleName = keyof typeof defaultRules

export type Rules = Readonly<Record<RuleName, Rule>>
