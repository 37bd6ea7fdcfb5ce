import { createHash } from "node:crypto"

import type { UserId } from "@joy/domain/Ids"
import { TooManyRequests } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
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
import { Keys } from "./Keys.ts"
import * as LocalLimits from "./LocalLimits.ts"
import { QuotaListener } from "./Quota.ts"
import { defaultRules, type Rule, type RuleName } from "./RateLimitRules.ts"
import * as RedisGuard from "./RedisGuard.ts"
import * as RefreshSecret from "./RefreshSecret.ts"

/** Names and addresses don't go into keys as they are: keys are bounded, and show nobody's address. */
const keyOf = (name: RuleName, parts: ReadonlyArray<string>) =>
  `${name}:${createHash("sha256").update(parts.join("\0")).digest("base64url").slice(0, 22)}`

/** Rules that are asked for together. */
const groups = {
  loginHere: ["login-here", "login-here-long"],
  loginNetwork: ["login-network", "login-network-long"],
  loginAccount: ["login-account", "login-account-long"],
  register: ["register", "register-long"],
  oauth: ["oauth", "oauth-long"],
  share: ["share", "share-long"],
  refreshSession: ["refresh-session"],
  refreshNetwork: ["refresh-network"]
} as const satisfies Record<string, ReadonlyArray<RuleName>>

const aloud = { quietly: false }
/** What others do at an account is nobody's business: how much of its limit they left is told to nobody. */
const quietly = { quietly: true }

/** A place that an account was signed in from so lately is not a stranger's. */
const knownFor = "30 days"

/** What a limiter says: how much is left, and how long to wait, which is zero when there is room. */
interface Answer {
  readonly wait: Duration.Duration
  readonly remaining: number
  readonly reset: Duration.Duration
}

const ask = (limiter: RateLimiter.RateLimiter, { limit, window }: Rule, key: string, tokens: number) =>
  limiter.consume({ key, limit, window, tokens }).pipe(
    Effect.map(({ remaining, resetAfter }): Answer => ({ wait: Duration.zero, remaining, reset: resetAfter })),
    Effect.catchReason("RateLimiterError", "RateLimitExceeded", ({ retryAfter }) =>
      Effect.succeed<Answer>({ wait: retryAfter, remaining: 0, reset: retryAfter })
    )
  )

/** Whose account somebody wants to get into: known by its id, or nobody's and known by what was typed. */
export interface Target {
  readonly userId: UserId | undefined
  readonly typed: string
}

const seconds = (duration: Duration.Duration) => Math.max(0, Math.ceil(Duration.toSeconds(duration)))

export class RateLimits extends Context.Service<
  RateLimits,
  {
    /**
     * Makes an attempt to sign in, counted before it begins. If it succeeds, the count is given back. An account is one,
     * whether its name or its address is tried.
     */
    readonly login: <A, E, R>(
      target: Target,
      facts: RequestFacts,
      attempt: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | TooManyRequests, R>
    readonly register: (facts: RequestFacts) => Effect.Effect<void, TooManyRequests>
    /** A step of a sign-in by a provider. */
    readonly oauth: (facts: RequestFacts) => Effect.Effect<void, TooManyRequests>
    /** The opening of a link. */
    readonly share: (facts: RequestFacts) => Effect.Effect<void, TooManyRequests>
    readonly refresh: (refreshToken: Redacted.Redacted, facts: RequestFacts) => Effect.Effect<void, TooManyRequests>
  }
>()("@joy/auth/RateLimits") {
  /** With the limiter that is given; while its store is away, with counters of this process. Never without. */
  static readonly layerNoDeps: Layer.Layer<
    RateLimits,
    never,
    AuthConfig | Keys | RateLimiter.RateLimiter | SqlClient.SqlClient
  > = Layer.effect(
    RateLimits,
    Effect.gen(function* () {
      const { rateLimits } = yield* AuthConfig
      const rules = rateLimits === "off" ? defaultRules : rateLimits
      const sql = yield* SqlClient.SqlClient
      const keys = yield* Keys
      const shared = yield* RateLimiter.RateLimiter
      const local = Context.get(
        yield* Layer.build(Layer.fresh(RateLimiter.layer.pipe(Layer.provide(Layer.fresh(LocalLimits.layer))))),
        RateLimiter.RateLimiter
      )
      const guard = RedisGuard.make("Rate limits")

      const consume = (name: RuleName, parts: ReadonlyArray<string>, tokens: number) => {
        const rule = rules[name]
        const key = keyOf(name, parts)
        return guard(ask(shared, rule, key, tokens), Effect.orDie(ask(local, rule, key, tokens)))
      }

      const tell = (name: RuleName, answer: Answer) =>
        Effect.map(QuotaListener, (listener) => {
          const { limit, window } = rules[name]
          const remaining = Math.min(limit, Math.floor(answer.remaining))
          const resetSeconds = remaining === limit ? 0 : seconds(answer.reset)
          listener({ name, limit, windowSeconds: seconds(window), remaining, resetSeconds })
        })

      /** Takes counts back; a counter's time shortens with it. */
      const giveBack = Effect.fnUntraced(function* (
        group: ReadonlyArray<RuleName>,
        parts: ReadonlyArray<string>,
        options: { readonly quietly: boolean }
      ) {
        for (const name of group) {
          const answer = yield* consume(name, parts, -1)
          if (!options.quietly) yield* tell(name, answer)
        }
      })

      /** Counts by all the rules, or by none: the first that has no room decides, and is the last to be told of. */
      const count = Effect.fnUntraced(function* (
        group: ReadonlyArray<RuleName>,
        parts: ReadonlyArray<string>,
        options: { readonly quietly: boolean }
      ) {
        for (const [at, name] of group.entries()) {
          const answer = yield* consume(name, parts, 1)
          const isRefusal = !Duration.isZero(answer.wait)
          if (isRefusal) yield* giveBack(group.slice(0, at), parts, quietly)
          if (isRefusal || !options.quietly) yield* tell(name, answer)
          if (isRefusal) return yield* new TooManyRequests({ retryAfterSeconds: Math.max(1, seconds(answer.wait)) })
        }
      })

      /** Whether the account was signed in from this network lately. */
      const isKnownPlace = Effect.fnUntraced(
        function* (userId: UserId, network: string) {
          const rows = yield* sql<{ readonly ip: string }>`
          SELECT DISTINCT ip FROM audit_log
          WHERE actor_id = ${userId} AND action = 'login.succeeded' AND ip IS NOT NULL
            AND created_at > now() - ${knownFor}::text::interval
          LIMIT 1000`
          return network !== nowhere && rows.some(({ ip }) => networkOf(ip) === network)
        },
        Effect.catchCause((cause) =>
          Effect.as(Effect.logWarning("Known places of an account can't be read", cause), false)
        )
      )

      const login = Effect.fn("RateLimits.login")(function* <A, E, R>(
        { typed, userId }: Target,
        facts: RequestFacts,
        attempt: Effect.Effect<A, E, R>
      ) {
        const network = networkOf(facts.ip)
        const account = userId ?? AccountKeys.fold(typed)
        // In this order: what one network may not do on one account does not use up what others may.
        yield* count(groups.loginHere, [account, network], aloud)
        yield* count(groups.loginNetwork, [network], aloud)
        const counted = yield* count(groups.loginAccount, [account], quietly).pipe(
          Effect.as(true),
          // Strangers anywhere must not lock people out of where they always sign in; there, the first rule is enough.
          Effect.catchTag("TooManyRequests", (error) =>
            Effect.flatMap(userId === undefined ? Effect.succeed(false) : isKnownPlace(userId, network), (known) =>
              known ? Effect.succeed(false) : Effect.fail(error)
            )
          )
        )
        const result = yield* attempt
        if (counted) yield* giveBack(groups.loginAccount, [account], quietly)
        yield* giveBack(groups.loginHere, [account, network], aloud)
        yield* giveBack(groups.loginNetwork, [network], aloud)
        return result
      })

      const register = Effect.fn("RateLimits.register")(function* (facts: RequestFacts) {
        yield* count(groups.register, [networkOf(facts.ip)], aloud)
      })

      const oauth = Effect.fn("RateLimits.oauth")(function* (facts: RequestFacts) {
        yield* count(groups.oauth, [networkOf(facts.ip)], aloud)
      })

      const share = Effect.fn("RateLimits.share")(function* (facts: RequestFacts) {
        yield* count(groups.share, [networkOf(facts.ip)], aloud)
      })

      const refresh = Effect.fn("RateLimits.refresh")(function* (refreshToken: Redacted.Redacted, facts: RequestFacts) {
        yield* count(groups.refreshNetwork, [networkOf(facts.ip)], aloud)
        const secret = RefreshSecret.parse(refreshToken)
        // Of made-up ones nothing is counted: who knows the id of somebody's session could keep them from refreshing it.
        if (secret !== undefined && keys.refreshKeys().some((key) => RefreshSecret.isGenuine(key, secret))) {
          yield* count(groups.refreshSession, [secret.sessionId], aloud)
        }
      })

      const on = RateLimits.of({ login, register, oauth, share, refresh })
      const off = RateLimits.of({
        login: (_target, _facts, attempt) => attempt,
        register: () => Effect.void,
        oauth: () => Effect.void,
        share: () => Effect.void,
        refresh: () => Effect.void
      })
      return rateLimits === "off" ? off : on
    })
  )

  /** Counters in this process. */
  static readonly layerMemory: Layer.Layer<RateLimits, never, AuthConfig | Keys | SqlClient.SqlClient> =
    RateLimits.layerNoDeps.pipe(Layer.provide(RateLimiter.layer), Layer.provide(LocalLimits.layer))

  /** Counters in Redis, for all processes. Each is set together with its time to live, in one step. */
  static readonly layerRedis: Layer.Layer<RateLimits, never, AuthConfig | Keys | SqlClient.SqlClient | Redis.Redis> =
    RateLimits.layerNoDeps.pipe(
      Layer.provide(RateLimiter.layer),
      Layer.provide(RateLimiter.layerStoreRedis({ prefix: "joy:limit:" }))
    )
}
