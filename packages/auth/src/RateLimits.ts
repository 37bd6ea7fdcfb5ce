import { createHash } from "node:crypto"

import { TooManyRequests } from "@joy/domain/Problem"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Redis from "effect/persistence/Redis"
import type * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountKeys from "./AccountKeys.ts"
import { AuthConfig } from "./AuthConfig.ts"
import { networkOf, nowhere } from "./ClientNetwork.ts"
import * as LocalLimits from "./LocalLimits.ts"
import * as RedisGuard from "./RedisGuard.ts"
import * as RefreshSecret from "./RefreshSecret.ts"
import type { RequestFacts } from "./RequestFacts.ts"

/** At most `limit` in a row; then one has to wait until they have drained, at `limit` per `window`. */
interface Rule {
  readonly name: string
  readonly limit: number
  readonly window: Duration.Input
}

/**
 * Several rules on one thing make the wait grow: who fails five times waits up to a minute, who fails twenty times up
 * to an hour. What is refused is not counted, so nobody's wait is made longer by trying.
 */
export const rules = {
  /** Sign-ins on one account from one network. Successes are given back: this counts failures. */
  loginHere: [
    { name: "login-here", limit: 5, window: "1 minute" },
    { name: "login-here-long", limit: 20, window: "1 hour" }
  ],
  /** Sign-ins from one network, on any accounts. Successes are given back. */
  loginNetwork: [
    { name: "login-network", limit: 60, window: "1 minute" },
    { name: "login-network-long", limit: 300, window: "1 hour" }
  ],
  /** Sign-ins on one account, from anywhere new to it. Successes are given back. */
  loginAccount: [
    { name: "login-account", limit: 20, window: "15 minutes" },
    { name: "login-account-long", limit: 100, window: "1 day" }
  ],
  register: [
    { name: "register", limit: 30, window: "1 minute" },
    { name: "register-long", limit: 200, window: "1 hour" }
  ],
  /** Refreshes of one session. One token may be shown by many tabs at once. */
  refreshSession: [{ name: "refresh-session", limit: 600, window: "1 minute" }],
  refreshNetwork: [{ name: "refresh-network", limit: 3000, window: "1 minute" }]
} as const satisfies Record<string, ReadonlyArray<Rule>>

/** Names and addresses don't go into keys as they are: keys are bounded, and show nobody's address. */
const keyOf = (rule: Rule, parts: ReadonlyArray<string>) =>
  `${rule.name}:${createHash("sha256").update(parts.join("\0")).digest("base64url").slice(0, 22)}`

/** A place that an account was signed in from so lately is not a stranger's. */
const knownFor = "30 days"

/** How long to wait; zero when there is room. */
const ask = (limiter: RateLimiter.RateLimiter, rule: Rule, key: string, tokens: number) =>
  limiter.consume({ key, limit: rule.limit, window: rule.window, tokens }).pipe(
    Effect.as(Duration.zero),
    Effect.catchReason("RateLimiterError", "RateLimitExceeded", ({ retryAfter }) => Effect.succeed(retryAfter))
  )

export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** Makes an attempt to sign in, counted before it begins. If it succeeds, the count is given back. */
    readonly login: <A, E, R>(
      identifier: string,
      facts: RequestFacts,
      attempt: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | TooManyRequests, R>
    readonly register: (facts: RequestFacts) => Effect.Effect<void, TooManyRequests>
    readonly refresh: (refreshToken: Redacted.Redacted, facts: RequestFacts) => Effect.Effect<void, TooManyRequests>
  }
>()("@joy/auth/RateLimits") {
  /** With the limiter that is given; while its store is away, with counters of this process. Never without. */
  static readonly layerNoDeps: Layer.Layer<
    RateLimits,
    never,
    AuthConfig | RateLimiter.RateLimiter | SqlClient.SqlClient
  > = Layer.effect(
    RateLimits,
    Effect.gen(function* () {
      const { rateLimits } = yield* AuthConfig
      const sql = yield* SqlClient.SqlClient
      const shared = yield* RateLimiter.RateLimiter
      const local = Context.get(
        yield* Layer.build(Layer.fresh(RateLimiter.layer.pipe(Layer.provide(Layer.fresh(LocalLimits.layer))))),
        RateLimiter.RateLimiter
      )
      const guard = RedisGuard.make("Rate limits")

      const consume = (rule: Rule, key: string, tokens: number) =>
        guard(ask(shared, rule, key, tokens), Effect.orDie(ask(local, rule, key, tokens)))

      /** Counts by all the rules; the first that has no room decides. */
      const count = Effect.fnUntraced(function* (group: ReadonlyArray<Rule>, parts: ReadonlyArray<string>) {
        for (const rule of group) {
          const wait = yield* consume(rule, keyOf(rule, parts), 1)
          if (!Duration.isZero(wait)) {
            return yield* new TooManyRequests({ retryAfterSeconds: Math.max(1, Math.ceil(Duration.toSeconds(wait))) })
          }
        }
      })

      /** Takes one count back; the counter's time shortens with it. */
      const giveBack = (group: ReadonlyArray<Rule>, parts: ReadonlyArray<string>) =>
        Effect.forEach(group, (rule) => consume(rule, keyOf(rule, parts), -1), { discard: true })

      /** Whether the account was signed in from this network lately. */
      const isKnownPlace = Effect.fnUntraced(
        function* (identifier: string, network: string) {
          const { key, kind } = AccountKeys.identifier(identifier)
          const rows = yield* sql<{ readonly ip: string }>`
          SELECT DISTINCT ip FROM audit_log
          WHERE actor_id = (SELECT id FROM users WHERE ${kind === "email" ? sql`email_key = ${key}` : sql`username_key = ${key}`})
            AND action = 'login.succeeded' AND ip IS NOT NULL AND created_at > now() - ${knownFor}::text::interval
          LIMIT 1000`
          return network !== nowhere && rows.some(({ ip }) => networkOf(ip) === network)
        },
        Effect.catchCause((cause) =>
          Effect.as(Effect.logWarning("Known places of an account can't be read", cause), false)
        )
      )

      const login = Effect.fn("RateLimits.login")(function* <A, E, R>(
        identifier: string,
        facts: RequestFacts,
        attempt: Effect.Effect<A, E, R>
      ) {
        const network = networkOf(facts.ip)
        const account = AccountKeys.fold(identifier)
        // In this order: what one network may not do on one account does not use up what others may.
        yield* count(rules.loginHere, [account, network])
        yield* count(rules.loginNetwork, [network])
        yield* count(rules.loginAccount, [account]).pipe(
          // Strangers anywhere must not lock people out of where they always sign in; there, the first rule is enough.
          Effect.catchTag("TooManyRequests", (error) =>
            Effect.flatMap(isKnownPlace(identifier, network), (known) => (known ? Effect.void : Effect.fail(error)))
          )
        )
        const result = yield* attempt
        yield* giveBack(rules.loginHere, [account, network])
        yield* giveBack(rules.loginNetwork, [network])
        yield* giveBack(rules.loginAccount, [account])
        return result
      })

      const register = Effect.fn("RateLimits.register")(function* (facts: RequestFacts) {
        yield* count(rules.register, [networkOf(facts.ip)])
      })

      const refresh = Effect.fn("RateLimits.refresh")(function* (refreshToken: Redacted.Redacted, facts: RequestFacts) {
        yield* count(rules.refreshNetwork, [networkOf(facts.ip)])
        const secret = RefreshSecret.parse(refreshToken)
        if (secret !== undefined) yield* count(rules.refreshSession, [secret.sessionId])
      })

      const on = RateLimits.of({ login, register, refresh })
      const off = RateLimits.of({
        login: (_identifier, _facts, attempt) => attempt,
        register: () => Effect.void,
        refresh: () => Effect.void
      })
      return rateLimits === "on" ? on : off
    })
  )

  /** Counters in this process. */
  static readonly layerMemory: Layer.Layer<RateLimits, never, AuthConfig | SqlClient.SqlClient> =
    RateLimits.layerNoDeps.pipe(Layer.provide(RateLimiter.layer), Layer.provide(LocalLimits.layer))

  /** Counters in Redis, for all processes. Each is set together with its time to live, in one step. */
  static readonly layerRedis: Layer.Layer<RateLimits, never, AuthConfig | SqlClient.SqlClient | Redis.Redis> =
    RateLimits.layerNoDeps.pipe(
      Layer.provide(RateLimiter.layer),
      Layer.provide(RateLimiter.layerStoreRedis({ prefix: "joy:limit:" }))
    )
}
