import { assert, describe, it, layer } from "@effect/vitest"
import { ServiceUnavailable } from "@joy/domain/Problem"
import * as argon2 from "@node-rs/argon2"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"

import { PasswordHasher } from "../src/PasswordHasher.ts"
import { PasswordPolicy } from "../src/PasswordPolicy.ts"

const accepted = (password: string) =>
  PasswordPolicy.pipe(
    Effect.flatMap((policy) => policy.check(Redacted.make(password))),
    Effect.match({ onFailure: () => false, onSuccess: () => true })
  )

describe("PasswordPolicy", () => {
  layer(PasswordPolicy.layer)((it) => {
    it.effect.each([
      ["7 characters", "zq7-Kx!", false],
      ["8 characters", "zq7-Kx!p", true],
      ["8 characters of two code units each", "🦉🐙🦊🐢🦜🐝🦋🐌", true],
      ["4 characters of two code units each", "🦉🐙🦊🐢", false],
      [
        "64 characters with spaces and accents",
        "Ein Wörterbuch voller Bücher, 眠れない夜, und eine Tasse Tee: 1 Gedicht".slice(0, 64),
        true
      ],
      ["256 characters", "xY7 ".repeat(64), true],
      ["257 characters", `${"xY7 ".repeat(64)}!`, false],
      ["8 characters, 7 when composed", "abcdefu\u0308", false],
      ["a common one", "password1", false],
      ["a common one in capitals", "PASSWORD1", false],
      ["another common one", "qwertyuiop", false],
      ["another common one", "iloveyou1", false],
      ["what looks like a property of every object", "constructor", true]
    ] as const)("%s [P1, P5]", ([, password, expected]) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* accepted(password), expected)
      })
    )
  })
})

const secret = (text: string) => Redacted.make(text)
const made = (options: argon2.Options) => Effect.promise(() => argon2.hash("sunny-otter", options))

describe("PasswordHasher", () => {
  layer(PasswordHasher.layer)((it) => {
    it.effect("hashes with argon2id, 19 MiB, two passes, one lane, and salts of their own [P6]", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        const [a, b] = [yield* hasher.hash(secret("sunny-otter")), yield* hasher.hash(secret("sunny-otter"))]
        assert.match(a, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
        assert.notStrictEqual(a.split("$")[4], b.split("$")[4])
        assert.isTrue(yield* hasher.verify(secret("sunny-otter"), a))
        assert.isFalse(hasher.needsRehash(a))
      })
    )

    it.effect("tells apart passwords that differ in case, or after 72 bytes [P3]", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        const long = "0123456789".repeat(8)
        const hash = yield* hasher.hash(secret(`${long}a`))
        assert.isTrue(yield* hasher.verify(secret(`${long}a`), hash))
        assert.isFalse(yield* hasher.verify(secret(`${long}b`), hash))
        assert.isFalse(yield* hasher.verify(secret(`${long}A`), hash))
        assert.isFalse(yield* hasher.verify(secret(`${long}a\0`), hash))
      })
    )

    it.effect("takes a password for the same however its accents were composed [P2]", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        const hash = yield* hasher.hash(secret("Schl\u00fcsselbund"))
        assert.isTrue(yield* hasher.verify(secret("Schlu\u0308sselbund"), hash))
      })
    )

    it.effect("wants weaker hashes made again, and leaves stronger ones [P7]", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        assert.isTrue(hasher.needsRehash(yield* made({ memoryCost: 8192, timeCost: 2, parallelism: 1 })))
        assert.isTrue(hasher.needsRehash(yield* made({ memoryCost: 19_456, timeCost: 1, parallelism: 1 })))
        assert.isTrue(
          hasher.needsRehash(yield* made({ memoryCost: 19_456, timeCost: 2, parallelism: 1, algorithm: 1 }))
        )
        assert.isFalse(hasher.needsRehash(yield* made({ memoryCost: 20_000, timeCost: 3, parallelism: 1 })))
      })
    )

    it.effect("finds nothing in what is no hash", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        for (const hash of ["", "plain", "$argon2id$broken", "$2b$10$abcdefghijklmnopqrstuv"]) {
          assert.isFalse(yield* hasher.verify(secret("plain"), hash))
        }
        assert.isFalse(yield* hasher.verifyDummy(secret("plain")))
      })
    )
  })

  it.effect("lets few wait and refuses the rest at once, without stopping anything else [P8]", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const started = performance.now()
      const fibers = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.forkChild(hasher.hash(Redacted.make("sunny-otter")))
      )
      // The event loop is free while they hash.
      yield* TestClock.withLive(Effect.sleep(Duration.millis(5)))
      assert.isBelow(performance.now() - started, 1000)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      const refused = exits.filter(Exit.isFailure)
      assert.strictEqual(exits.length - refused.length, 10)
      assert.strictEqual(refused.length, 90)
      const error = yield* Effect.flip(refused[0] ?? Effect.die("none"))
      assert.instanceOf(error, ServiceUnavailable)
      assert.isAbove(error.retryAfterSeconds ?? 0, 0)
      // And there is room again.
      yield* hasher.hash(Redacted.make("sunny-otter"))
    }).pipe(Effect.provide(PasswordHasher.layerWith({ concurrency: 2, queue: 8 })))
  )

  it.effect("keeps the place of a hash whose caller left until it is done, and frees it then [P8]", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      for (let round = 0; round < 5; round++) {
        const fibers = yield* Effect.forEach([1, 2, 3], () =>
          Effect.forkChild(hasher.hash(Redacted.make("sunny-otter")))
        )
        yield* Effect.yieldNow
        yield* Fiber.interruptAll(fibers)
      }
      yield* Effect.all([hasher.hash(Redacted.make("a")), hasher.hash(Redacted.make("b"))], { concurrency: 2 })
    }).pipe(Effect.provide(PasswordHasher.layerWith({ concurrency: 1, queue: 2 })))
  )
})
