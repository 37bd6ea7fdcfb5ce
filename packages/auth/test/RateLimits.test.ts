import { randomBytes } from "node:crypto"

import { assert, describe, it, layer } from "@effect/vitest"
import { SessionId } from "@joy/domain/Ids"
import { TooManyRequests } from "@joy/domain/Problem"
import { InvalidCredentials } from "@joy/domain/Session"
import * as Redis from "@joy/server/Redis"
import { describeWith } from "@joy/testing/Needs"
import { RedisProxy } from "@joy/testing/RedisProxy"
import * as TestDatabase from "@joy/testing/TestDatabase"
import { TestRedis } from "@joy/testing/TestRedis"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectRedis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"

import { AuditLog } from "../src/AuditLog.ts"
import { AuthConfig } from "../src/AuthConfig.ts"
import { networkOf } from "../src/ClientNetwork.ts"
import { Keys } from "../src/Keys.ts"
import { type Quota, QuotaListener } from "../src/Quota.ts"
import { defaultRules } from "../src/RateLimitRules.ts"
import { RateLimits } from "../src/RateLimits.ts"
import * as RefreshSecret from "../src/RefreshSecret.ts"
import { keys, newUser } from "./TestAuth.ts"

const at = (ip: string) => ({ ip, userAgent: null })
const wrong = Effect.fail(new InvalidCredentials({}))

/** Somebody's account, or a name that nobody has. */
type Who = string | Effect.Success<ReturnType<typeof newUser>>

const attempt = <A, E>(who: Who, ip: string, result: Effect.Effect<A, E>) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.login(
      typeof who === "string" ? { userId: undefined, typed: who } : { userId: who.id, typed: who.username },
      at(ip),
      result
    )
  )

/** Seconds to wait; 0 when the attempt was let through. */
const fail = (name: Who, ip: string) =>
  Effect.map(Effect.flip(attempt(name, ip, wrong)), (error) =>
    error._tag === "TooManyRequests" ? error.retryAfterSeconds : 0
  )
const succeed = (name: Who, ip: string) =>
  Effect.match(attempt(name, ip, Effect.succeed("in")), { onFailure: () => "limited", onSuccess: (value) => value })

const unique = () => `user-${randomBytes(6).toString("hex")}`

const memory = RateLimits.layerMemory.pipe(
  Layer.provideMerge(AuditLog.layer),
  Layer.provideMerge(Layer.mergeAll(AuthConfig.layer({}), keys, TestDatabase.layer))
)

describe("networkOf", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["64:ff9b::192.0.2.33", "64:ff9b:0:0::/64"],
    ["nonsense", "unknown"],
    ["1.2.3.4.5", "unknown"],
    ["", "unknown"],
    [null, "unknown"]
  ])("%s is of %s [L4]", (ip, network) => {
    assert.strictEqual(networkOf(ip), network)
  })
})

describe("RateLimits", () => {
  layer(memory)("in memory", (it) => {
    it.effect("lets five wrong passwords in a row be looked at, and makes the sixth wait up to a minute [L1, L3]", () =>
      Effect.gen(function* () {
        const name = unique()
        for (let n = 0; n < 5; n++) assert.strictEqual(yield* fail(name, "192.0.2.1"), 0)
        assert.strictEqual(yield* fail(name, "192.0.2.1"), 60)
        // The right one is refused like any other, and refusals make nothing longer.
        assert.strictEqual(yield* succeed(name, "192.0.2.1"), "limited")
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* fail(name, "192.0.2.1"), 40)
        yield* TestClock.adjust("40 seconds")
        assert.strictEqual(yield* fail(name, "192.0.2.1"), 0)
      })
    )

    it.effect("takes all spellings of a name for one [L1]", () =>
      Effect.gen(function* () {
        const name = unique()
        for (let n = 0; n < 5; n++) yield* fail(n % 2 === 0 ? name.toUpperCase() : ` ${name} `, "192.0.2.1")
        assert.strictEqual(yield* fail(name, "192.0.2.1"), 60)
      })
    )

    it.effect("makes the wait grow to an hour [L1]", () =>
      Effect.gen(function* () {
        const name = unique()
        let looked = 0
        let longest = 0
        for (let n = 0; n < 300; n++) {
          const wait = yield* fail(name, "192.0.2.2")
          if (wait === 0) looked++
          longest = Math.max(longest, wait)
          yield* TestClock.adjust("6 seconds")
        }
        // Half an hour of guesses.
        assert.isAtMost(looked, 30)
        assert.isAbove(longest, 120)
      })
    )

    it.effect("looks at five of two hundred that come at once [L2]", () =>
      Effect.gen(function* () {
        const name = unique()
        let looked = 0
        const guess = Effect.andThen(
          Effect.sync(() => {
            looked++
          }),
          wrong
        )
        yield* Effect.all(
          Array.from({ length: 200 }, () => Effect.ignore(attempt(name, "192.0.2.3", guess))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(looked, 5)
      })
    )

    it.effect("counts failures, not sign-ins", () =>
      Effect.gen(function* () {
        const name = unique()
        for (let n = 0; n < 50; n++) assert.strictEqual(yield* succeed(name, "192.0.2.4"), "in")
        for (let n = 0; n < 4; n++) yield* fail(name, "192.0.2.4")
        for (let n = 0; n < 50; n++) assert.strictEqual(yield* succeed(name, "192.0.2.4"), "in")
        assert.strictEqual(yield* fail(name, "192.0.2.4"), 0)
        assert.isAbove(yield* fail(name, "192.0.2.4"), 0)
      })
    )

    it.effect("takes an IPv6 /64 for one client, and users of other networks for others [L4]", () =>
      Effect.gen(function* () {
        const name = unique()
        for (let n = 0; n < 5; n++) yield* fail(name, `2001:db8:0:7::${n}`)
        assert.isAbove(yield* fail(name, "2001:db8:0:7:ffff::1"), 0)
        assert.strictEqual(yield* succeed(name, "2001:db8:0:8::1"), "in")
        assert.strictEqual(yield* succeed(unique(), "2001:db8:0:7::1"), "in")
      })
    )

    it.effect("limits one network that tries many names [L1]", () =>
      Effect.gen(function* () {
        for (let n = 0; n < 60; n++) assert.strictEqual(yield* fail(unique(), "192.0.2.9"), 0)
        assert.isAbove(yield* fail(unique(), "192.0.2.9"), 0)
      })
    )

    it.effect(
      "limits guesses at one account from everywhere, but lets its owner in where they always sign in [L3]",
      () =>
        Effect.gen(function* () {
          const audit = yield* AuditLog
          const user = yield* newUser()
          yield* audit.append({ action: "login.succeeded", actorId: user.id, facts: at("198.51.100.7") })
          for (let n = 0; n < 20; n++) assert.strictEqual(yield* fail(user, `203.0.113.${n}`), 0)
          assert.isAbove(yield* fail(user, "203.0.113.99"), 0)
          assert.strictEqual(yield* succeed(user, "198.51.100.7"), "in")
          // There too, guesses are few.
          for (let n = 0; n < 5; n++) yield* fail(user, "198.51.100.7")
          assert.isAbove(yield* fail(user, "198.51.100.7"), 0)
          // And the lock ends by itself.
          yield* TestClock.adjust("15 minutes")
          assert.strictEqual(yield* succeed(user, "203.0.113.99"), "in")
        })
    )

    it.effect("looks at a hundred guesses a day at one account, wherever they come from [L1]", () =>
      Effect.gen(function* () {
        const user = yield* newUser()
        let looked = 0
        for (let minute = 0; minute < 1440; minute++) {
          for (const n of [1, 2]) {
            const wait = yield* fail(user, `10.${n}.${minute >> 8}.${minute & 255}`)
            if (wait === 0) looked++
          }
          yield* TestClock.adjust("1 minute")
        }
        assert.isAtMost(looked, 120)
        assert.isAtLeast(looked, 100)
      })
    )

    it.effect("takes no more than the limit back from strangers when the owner signs in [L3]", () =>
      Effect.gen(function* () {
        const audit = yield* AuditLog
        const user = yield* newUser()
        yield* audit.append({ action: "login.succeeded", actorId: user.id, facts: at("198.51.100.8") })
        for (let n = 0; n < 20; n++) yield* fail(user, `203.0.113.${n + 100}`)
        for (let n = 0; n < 10; n++) assert.strictEqual(yield* succeed(user, "198.51.100.8"), "in")
        assert.isAbove(yield* fail(user, "203.0.113.200"), 0)
      })
    )

    it.effect("tells what is left, of the limit that refuses alone, and of what others did nothing [L7]", () =>
      Effect.gen(function* () {
        const user = yield* newUser()
        const told: Array<Quota> = []
        const listening = Effect.provideService(QuotaListener, (quota) => void told.push(quota))
        const short = () =>
          told
            .splice(0)
            .map(({ name, limit, remaining, resetSeconds, windowSeconds }) =>
              [name, `${remaining} of ${limit}`, `${resetSeconds} of ${windowSeconds} s`].join(": ")
            )
        yield* listening(fail(user, "192.0.2.60"))
        assert.deepStrictEqual(short(), [
          "login-here: 4 of 5: 12 of 60 s",
          "login-here-long: 19 of 20: 180 of 3600 s",
          "login-network: 59 of 60: 1 of 60 s",
          "login-network-long: 299 of 300: 12 of 3600 s"
        ])
        yield* listening(succeed(user, "192.0.2.60"))
        assert.includeMembers(short().slice(-4), [
          "login-here: 4 of 5: 12 of 60 s",
          "login-network: 59 of 60: 1 of 60 s"
        ])
        for (let n = 0; n < 4; n++) yield* fail(user, "192.0.2.60")
        const wait = yield* listening(fail(user, "192.0.2.60"))
        assert.deepStrictEqual(short(), [`login-here: 0 of 5: ${wait} of 60 s`])
      })
    )

    it.effect("limits registrations and refreshes by themselves [L3]", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const facts = at("192.0.2.20")
        for (let n = 0; n < 30; n++) yield* limits.register(facts)
        assert.instanceOf(yield* Effect.flip(limits.register(facts)), TooManyRequests)
        const token = Redacted.make("none")
        for (let n = 0; n < 3000; n++) yield* limits.refresh(token, facts)
        assert.instanceOf(yield* Effect.flip(limits.refresh(token, facts)), TooManyRequests)
        assert.strictEqual(yield* succeed(unique(), "192.0.2.20"), "in")
      })
    )

    it.effect("limits refreshes of one session, for who has its token alone [L3]", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const [key] = (yield* Keys).refreshKeys()
        const sessionId = SessionId.make(SecureRandom.uuidV7Unsafe())
        const { token } = RefreshSecret.derive(key, sessionId, 7)
        // Who knows the id alone keeps nobody from anything.
        const madeUp = Redacted.make(`${sessionId}.${"A".repeat(43)}`)
        for (let n = 0; n < 1000; n++) yield* limits.refresh(madeUp, at("192.0.2.70"))
        for (let n = 0; n < 600; n++) yield* limits.refresh(token, at("192.0.2.71"))
        assert.instanceOf(yield* Effect.flip(limits.refresh(token, at("192.0.2.72"))), TooManyRequests)
        yield* limits.refresh(
          RefreshSecret.derive(key, SessionId.make(SecureRandom.uuidV7Unsafe()), 0).token,
          at("192.0.2.72")
        )
      })
    )
  })

  const few = { ...defaultRules, "login-here": { limit: 2, window: Duration.minutes(10) } }
  layer(RateLimits.layerMemory.pipe(Layer.provide([AuthConfig.layer({ rateLimits: few }), keys, TestDatabase.layer])))(
    "with another limit",
    (it) => {
      it.effect("counts by that [L7]", () =>
        Effect.gen(function* () {
          for (let n = 0; n < 2; n++) assert.strictEqual(yield* fail("name", "192.0.2.1"), 0)
          assert.strictEqual(yield* fail("name", "192.0.2.1"), 600)
        })
      )
    }
  )

  layer(
    RateLimits.layerMemory.pipe(Layer.provide([AuthConfig.layer({ rateLimits: "off" }), keys, TestDatabase.layer]))
  )("switched off", (it) => {
    it.effect("lets everything through", () =>
      Effect.gen(function* () {
        for (let n = 0; n < 100; n++) assert.strictEqual(yield* fail("name", "192.0.2.1"), 0)
      })
    )
  })

  describeWith(["redis"], "with Redis", () => {
    const redis = Layer.unwrap(Effect.map(RedisProxy, ({ url }) => Redis.layer(url))).pipe(
      Layer.provideMerge(RedisProxy.layer),
      Layer.provide(TestRedis.layer)
    )
    layer(
      RateLimits.layerRedis.pipe(
        Layer.provideMerge(Layer.mergeAll(redis, AuthConfig.layer({}), keys, TestDatabase.layer))
      ),
      { excludeTestServices: true }
    )((it) => {
      it.effect("counts for all processes, at once and one by one, with a time to live on every key [L2, L5]", () =>
        Effect.gen(function* () {
          const name = unique()
          const guesses = Effect.all(
            Array.from({ length: 200 }, () => fail(name, "192.0.2.1")),
            {
              concurrency: "unbounded"
            }
          )
          const waits = yield* guesses
          assert.strictEqual(waits.filter((wait) => wait === 0).length, 5)
          assert.isTrue(waits.every((wait) => wait <= 60))
          for (let n = 0; n < 20; n++) assert.strictEqual(yield* succeed(unique(), "192.0.2.5"), "in")

          const server = yield* EffectRedis.Redis
          const keys = yield* server.send<Array<string>>("KEYS", "*")
          assert.isAbove(keys.length, 0)
          for (const key of keys) {
            const left = yield* server.send<number>("PTTL", key)
            // -2: gone meanwhile. -1 would be: for ever.
            assert.notStrictEqual(left, -1, key)
            assert.notInclude(key, name)
          }
        })
      )

      it.effect("goes on limiting in each process while Redis is away, and while it hangs [L6]", () =>
        Effect.gen(function* () {
          const proxy = yield* RedisProxy
          const server = yield* EffectRedis.Redis
          const reached = Effect.retry(server.send("PING"), { times: 500, schedule: Schedule.spaced("10 millis") })
          for (const fault of [proxy.cut, proxy.hang]) {
            yield* reached
            yield* fault
            const name = unique()
            const before = performance.now()
            for (let n = 0; n < 5; n++) assert.strictEqual(yield* fail(name, "192.0.2.2"), 0)
            assert.isAbove(yield* fail(name, "192.0.2.2"), 0)
            assert.isBelow(performance.now() - before, 3000)
            yield* proxy.restore
            yield* reached
            yield* Effect.sleep("1100 millis")
          }
          assert.strictEqual(yield* succeed(unique(), "192.0.2.2"), "in")
        })
      )
    })
  })
})
