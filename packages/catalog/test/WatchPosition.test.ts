import { assert, describe, it } from "@effect/vitest"
import * as WatchPosition from "@joy/catalog/WatchPosition"

describe("where somebody stopped", () => {
  for (const [position, duration, expected] of [
    [0, 7200, null],
    [4.9, 7200, null],
    [5, 7200, 5],
    [3600.25, 7200, 3600.25],
    [7169, 7200, 7169],
    [7170, 7200, null],
    [9000, 7200, null],
    [0.09, 2, null],
    [0.1, 2, 0.1],
    [1.89, 2, 1.89],
    [1.9, 2, null],
    [4, null, null],
    [100_000, null, 100_000]
  ] as const) {
    it(`is ${expected ?? "nothing to go on from"} at ${position} of ${duration ?? "unknown"} seconds`, () => {
      assert.strictEqual(WatchPosition.resumeAt(position, duration), expected)
    })
  }
})
