import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

import * as SharedRuns from "../src/SharedRuns.ts"

/** Work that waits to be let go, and counts. */
const gated = Effect.gen(function* () {
  let begun = 0
  let gate = yield* Deferred.make<void>()
  return {
    begun: () => begun,
    work: Effect.suspend(() => {
      const run = ++begun
      return Effect.as(Deferred.await(gate), run)
    }),
    letGo: Effect.suspend(() => {
      const open = gate
      gate = Deferred.makeUnsafe()
      return Effect.andThen(Deferred.succeed(open, undefined), Effect.yieldNow)
    })
  }
})

const settle = Effect.replicateEffect(Effect.yieldNow, 20, { discard: true })

describe("SharedRuns", () => {
  it.effect("lets who comes during a run share the next one, which begins after they came", () =>
    Effect.gen(function* () {
      const share = yield* SharedRuns.make<string, number, never>()
      const { begun, letGo, work } = yield* gated
      const first = yield* Effect.forkChild(share("a", work))
      yield* settle
      const others = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(share("a", work)))
      yield* settle
      assert.strictEqual(begun(), 1)
      yield* letGo
      yield* settle
      assert.strictEqual(begun(), 2)
      yield* letGo
      assert.strictEqual(yield* Fiber.join(first), 1)
      assert.deepStrictEqual(new Set(yield* Effect.forEach(others, Fiber.join)), new Set([2]))
      const later = yield* Effect.forkChild(share("a", work))
      yield* settle
      yield* letGo
      assert.strictEqual(yield* Fiber.join(later), 3)
    })
  )

  it.effect("keeps keys apart, and goes on for the others when who began it leaves", () =>
    Effect.gen(function* () {
      const share = yield* SharedRuns.make<string, number, never>()
      const { begun, letGo, work } = yield* gated
      const first = yield* Effect.forkChild(share("a", work))
      yield* settle
      const second = yield* Effect.forkChild(share("a", work))
      const other = yield* Effect.forkChild(share("b", work))
      yield* settle
      assert.strictEqual(begun(), 2)
      yield* Fiber.interrupt(first)
      yield* letGo
      yield* settle
      assert.strictEqual(begun(), 3)
      yield* letGo
      assert.deepStrictEqual([yield* Fiber.join(other), yield* Fiber.join(second)], [2, 3])
    })
  )

  it.effect("passes failures and defects on to all, and goes on after them", () =>
    Effect.gen(function* () {
      const share = yield* SharedRuns.make<string, number, string>()
      assert.strictEqual(yield* Effect.flip(share("a", Effect.fail("no"))), "no")
      const died = yield* Effect.exit(share("a", Effect.die("broken")))
      assert.isTrue(died._tag === "Failure")
      assert.strictEqual(yield* share("a", Effect.succeed(1)), 1)
    })
  )
})
