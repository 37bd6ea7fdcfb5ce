import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { buildFrom } from "../../src/index/BuildIndex.ts"
import { endOf, samplesIn, stretchOf } from "../../src/index/matroska/Stretches.ts"
import { presentedAt, type Samples } from "../../src/index/MediaIndex.ts"
import * as MemorySource from "./MemorySource.ts"

/** The index, and the samples of every stretch from cue to cue, joined. */
export const read = Effect.fnUntraced(function* (file: Uint8Array) {
  const source = MemorySource.of(file)
  const index = yield* buildFrom(source)
  const { cues } = index
  const parts: Array<Samples> = []
  for (let cue = 0; cue < (index.cues?.count ?? 0); cue++) {
    if (cues === null) break
    const stretch = stretchOf(cues, cue, cue + 1)
    const [samples] = yield* samplesIn(
      { ...index, cues },
      stretch,
      yield* source.read(stretch.start, endOf(stretch, cues))
    )
    if (samples !== undefined) parts.push(samples)
  }
  const frames = parts.flatMap((samples) =>
    [...samples.sizes].map((size, i) => ({
      size,
      bytes: [...file.subarray(samples.offsets[i], (samples.offsets[i] ?? 0) + size)],
      at: presentedAt({ samples, shift: index.tracks[0]?.shift ?? 0 }, i),
      dts: samples.dts[i] ?? 0
    }))
  )
  assert.deepStrictEqual(source.outside, [])
  return { source, index, parts, frames }
})

export const times = (frames: ReadonlyArray<{ readonly at: number }>) => frames.map(({ at }) => at)
export const sizes = (frames: ReadonlyArray<{ readonly size: number }>) => frames.map(({ size }) => size)

export const failureOf = (file: Uint8Array) => Effect.map(Effect.flip(read(file)), ({ _tag }) => _tag)
