import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

import * as HashingThreads from "../src/HashingThreads.ts"

const cheap = { memoryCost: 64, timeCost: 1, parallelism: 1, algorithm: 2 }
const all = { concurrency: "unbounded" } as const

describe("HashingThreads", () => {
  it.effect("gives every caller their own answer, however many ask at once", () =>
    Effect.gen(function* () {
      const threads = yield* HashingThreads.make(3)
      const passwords = Array.from({ length: 50 }, (_, at) => `password ${at}`)
      const hashes = yield* Effect.forEach(passwords, (password) => threads.hash(password, cheap), all)
      assert.strictEqual(new Set(hashes).size, 50)
      const right = passwords.map((password, at) => threads.verify(password, hashes[at] ?? ""))
      const wrong = passwords.map((password, at) => threads.verify(password, hashes[(at + 1) % 50] ?? ""))
      assert.deepStrictEqual(new Set(yield* Effect.all(right, all)), new Set([true]))
      assert.deepStrictEqual(new Set(yield* Effect.all(wrong, all)), new Set([false]))
    }).pipe(Effect.scoped)
  )

  it.effect("tells who waits on a thread that ends, and goes on with another", () =>
    Effect.gen(function* () {
      const threads = yield* HashingThreads.make(1)
      const hash = yield* threads.hash("a", cheap)
      // argon2 refuses it, which ends the thread.
      const impossible = threads.hash("a", { ...cheap, timeCost: 0 })
      const [refused, behind] = yield* Effect.all(
        [Effect.exit(impossible), Effect.exit(threads.verify("a", hash))],
        all
      )
      assert.isTrue(Exit.isFailure(refused) && Cause.hasDies(refused.cause))
      // Lost with the thread, and not told that the password is wrong.
      assert.isTrue(Exit.isFailure(behind) && Cause.hasDies(behind.cause))
      assert.isTrue(yield* threads.verify("a", hash))
    }).pipe(Effect.scoped)
  )

  it.effect("leaves nobody waiting when it is closed", () =>
    Effect.gen(function* () {
      const slow = { ...cheap, memoryCost: 65_536, timeCost: 20 }
      const fiber = yield* Effect.scoped(
        Effect.flatMap(HashingThreads.make(1), (threads) =>
          Effect.forkDetach(threads.hash("a", slow), { startImmediately: true })
        )
      )
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )
})
