import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

import type { FailureClass } from "./Retries.ts"

/** What a runner tells of itself in `/metrics`. What the database knows of the whole is told there by the server. */

const stepSeconds = Metric.histogram("joy_ingest_step_seconds", {
  description: "How long a step of ingest took, by step",
  boundaries: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]
})
const failed = Metric.counter("joy_ingest_failures_total", {
  description: "Attempts that failed, by class of failure",
  incremental: true
})
const restarts = Metric.counter("joy_ingest_runner_restarts_total", {
  description: "How often the runner was started anew because work stood still",
  incremental: true
})
const inHand = Metric.gauge("joy_ingest_in_hand", { description: "Objects that this runner works on or is about to" })
const shards = Metric.gauge("joy_ingest_shards", { description: "Shares of the cluster that this runner holds" })
const standing = Metric.gauge("joy_ingest_standing_seconds", {
  description: "How long the oldest message of this runner has been standing still"
})

/** Takes the time of a step. */
export const timed =
  (step: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (began) =>
      Effect.ensuring(
        effect,
        Effect.flatMap(Clock.currentTimeMillis, (ended) =>
          Metric.update(Metric.withAttributes(stepSeconds, { step }), (ended - began) / 1000)
        )
      )
    )

export const countFailure = (failure: FailureClass) =>
  Metric.update(Metric.withAttributes(failed, { class: failure }), 1)

export const countRestart = Metric.update(restarts, 1)

export const showRunner = (runner: { readonly inHand: number; readonly shards: number }) =>
  Effect.andThen(Metric.update(inHand, runner.inHand), Metric.update(shards, runner.shards))

export const showStanding = (seconds: number) => Metric.update(standing, seconds)
