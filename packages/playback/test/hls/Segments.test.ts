import { assert, describe, it } from "@effect/vitest"
import { buildFrom } from "@joy/media/index/BuildIndex"
import type { MediaIndex } from "@joy/media/index/MediaIndex"
import { fullBox, uint32s } from "@joy/media/index/mp4/Boxes"
import { aacEntry, dataStart, sampleBytes, small } from "@joy/testing/SmallMp4"
import * as Effect from "effect/Effect"

import { initSegment } from "../../src/hls/InitSegment.ts"
import { layoutOf } from "../../src/hls/Layout.ts"
import { planOf, type Rendition } from "../../src/hls/Plan.ts"
import { segmentHead } from "../../src/hls/SegmentHead.ts"

const indexOf = (file: Uint8Array) =>
  buildFrom({ sizeBytes: file.length, read: (start, end) => Effect.sync(() => file.subarray(start, end)) })

const mainOf = (index: MediaIndex): Rendition => {
  const plan = planOf(index)
  assert.isNotNull(plan)
  return plan.main
}

const segmentOf = (file: Uint8Array, rendition: Rendition, segment: number): Uint8Array => {
  const layout = layoutOf(rendition, segment)
  const pieces = layout.pieces.map(({ end, start }) => file.subarray(start, end))
  return Buffer.concat([segmentHead(layout, segment + 1), ...pieces])
}

/** Init and segments, as a player puts them together. */
const joined = (file: Uint8Array, rendition: Rendition): Uint8Array =>
  Buffer.concat([
    initSegment(rendition),
    ...rendition.starts.slice(1).map((_, segment) => segmentOf(file, rendition, segment))
  ])

/** The bytes of every sample. */
const bytesIn = (of: MediaIndex, from: Uint8Array) =>
  of.tracks.map(({ samples }) =>
    Array.from(samples.offsets, (offset, i) =>
      Buffer.from(from.subarray(offset, offset + (samples.sizes[i] ?? 0))).toString("hex")
    )
  )

/** A small file, packaged and indexed again: what it was, and what came of it. */
const again = Effect.fnUntraced(function* (file: Uint8Array) {
  const index = yield* indexOf(file)
  const made = joined(file, mainOf(index))
  const packaged = yield* indexOf(made)
  assert.deepStrictEqual(bytesIn(packaged, made), bytesIn(index, file))
  return { index: index.tracks[0], packaged: packaged.tracks[0], made }
})

/** A file whose samples can be told from each other. */
const numbered = (tables: Parameters<typeof small>[0] = {}, edits: ReadonlyArray<Uint8Array> = []) => {
  const file = small(tables, edits)
  for (let at = dataStart; at < dataStart + 10 * sampleBytes; at++) file[at] = at - dataStart
  return file
}

describe("A segment", () => {
  it.effect("says of samples of one track which entry holds for them", () =>
    Effect.gen(function* () {
      const { index, packaged } = yield* again(
        numbered({
          stsd: fullBox("stsd", 0, 0, uint32s(2), aacEntry(2), aacEntry(1)),
          stsc: fullBox("stsc", 0, 0, uint32s(2, 1, 5, 1, 2, 5, 2))
        })
      )
      assert.deepStrictEqual(packaged?.samples.entries, [
        { from: 0, entry: 0 },
        { from: 5, entry: 1 }
      ])
      assert.deepStrictEqual(packaged?.sampleEntries, index?.sampleEntries)
    })
  )

  it.effect("has uneven durations, sizes and offsets of composition as they were", () =>
    Effect.gen(function* () {
      const { index, packaged } = yield* again(
        numbered({
          stsz: fullBox("stsz", 0, 0, uint32s(0, 10, 8, 7, 6, 5, 4, 3, 2, 1, 0, 8)),
          stts: fullBox("stts", 0, 0, uint32s(3, 3, 1000, 4, 1024, 3, 0)),
          more: [fullBox("ctts", 1, 0, uint32s(3, 2, 0, 5, -500, 3, 2000)), fullBox("stss", 0, 0, uint32s(2, 1, 6))]
        })
      )
      assert.deepStrictEqual(packaged?.samples.sizes, index?.samples.sizes)
      assert.deepStrictEqual(packaged?.samples.dts, index?.samples.dts)
      assert.deepStrictEqual(packaged?.samples.compositionOffsets, index?.samples.compositionOffsets)
      assert.deepStrictEqual(packaged?.samples.keys, index?.samples.keys)
      assert.strictEqual(packaged?.shift, index?.shift)
    })
  )

  it.effect("gathers samples that lie far apart, in the order in which they lie, and leaves out what is between", () =>
    Effect.gen(function* () {
      const near = numbered({ chunks: fullBox("stco", 0, 0, uint32s(2, dataStart + 40, dataStart)) })
      const far = Buffer.concat([near, Buffer.alloc(200_000)])
      const chunk = far.indexOf("stco") + 12
      far.copy(far, 150_000, dataStart, dataStart + 40)
      far.writeUInt32BE(150_000, chunk)
      const { made } = yield* again(far)
      assert.isBelow(made.length, 2_000)
    })
  )

  it.effect("is the same every time that it is made", () =>
    Effect.gen(function* () {
      const file = numbered()
      const [first, second] = [yield* again(file), yield* again(file)]
      assert.strictEqual(Buffer.compare(first.made, second.made), 0)
    })
  )
})
