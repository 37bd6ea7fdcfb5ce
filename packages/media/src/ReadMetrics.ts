import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const readBytes = Metric.counter("joy_media_read_bytes_total", {
  description: "Bytes that were read of objects, by the step that they were read for",
  incremental: true
})

/** Counts bytes that a step asked the store for. */
export const count = (step: string, bytes: number): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(readBytes, { step }), bytes)
