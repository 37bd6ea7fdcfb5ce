import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"

import type { IngestOptions } from "./IngestConfig.ts"

/**
 * What kind of failure it was, which says whether another try is worth anything.
 *
 * - `network`: a store does not answer. It comes back: many tries, ever later.
 * - `space`: a disk is full. Work rests, and the try does not count.
 * - `unforeseen`: nobody knows. A few tries.
 * - `media`: the object is bad, and stays so.
 * - `refused`: a store or a tool says no. Somebody has to change something first.
 */
export const FailureClass = Schema.Literals(["network", "space", "unforeseen", "media", "refused"])
export type FailureClass = typeof FailureClass.Type

/** Longest wait between two attempts. */
const longestDelay = Duration.minutes(2)

export type Retry =
  /** Another run after this long; `counts` says whether the attempt was one. */
  { readonly _tag: "Again"; readonly after: Duration.Duration; readonly counts: boolean } | { readonly _tag: "Never" }

const never: Retry = { _tag: "Never" }

/** What follows from a failure of an attempt; they count from 1. */
export const after = Effect.fnUntraced(function* (
  config: IngestOptions,
  failure: FailureClass,
  attempt: number
): Effect.fn.Return<Retry> {
  const spread = yield* Random.nextBetween(0.75, 1.25)
  switch (failure) {
    case "network":
    case "unforeseen": {
      const most = failure === "network" ? config.networkAttempts : config.unforeseenAttempts
      if (attempt >= most) return never
      const doubled = Duration.times(config.retryDelay, spread * 2 ** (attempt - 1))
      return { _tag: "Again", after: Duration.min(doubled, longestDelay), counts: true }
    }
    case "space":
      return { _tag: "Again", after: Duration.times(config.fullDiskRest, spread), counts: false }
    case "media":
    case "refused":
      return never
  }
})
