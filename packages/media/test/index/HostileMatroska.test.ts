import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { buildFrom } from "../../src/index/BuildIndex.ts"
import * as MemorySource from "./MemorySource.ts"
import { failureOf, read } from "./MkvReading.ts"
import {
  behind,
  cluster,
  cuePoint,
  cues,
  ebml,
  element,
  frame,
  info,
  inOneCluster,
  key,
  Lacing,
  pictures,
  segment,
  simpleBlock,
  sized,
  track,
  tracks
} from "./SmallMkv.ts"

describe("Matroska that lies", () => {
  for (const [what, ...block] of [
    ["Xiph's lacing that goes on behind its block", key | Lacing.xiph, Uint8Array.of(2, 255, 255, 255)],
    ["frames that are larger than their block", key | Lacing.xiph, Uint8Array.of(1, 100), frame(50)],
    ["a frame of less than nothing", key | Lacing.ebml, Uint8Array.of(2, 0x81, 0x80), frame(50)],
    ["frames of one size that are not", key | Lacing.fixed, Uint8Array.of(2), frame(50)],
    ["lacing of nothing", key | Lacing.fixed]
  ] as const) {
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function* () {
        const [flags, ...parts] = block
        assert.strictEqual(yield* failureOf(inOneCluster(simpleBlock(0, flags, ...parts))), "UnreadableMedia")
      })
    )
  }

  it.effect("refuses a stretch whose cue leads to no cluster", () =>
    Effect.gen(function* () {
      const head = [info, tracks(pictures)]
      const clusters = [0, 1000, 2000].map((time) => cluster(time, simpleBlock(0, key, frame(20))))
      const points = cues(cuePoint(0, behind(...head)), cuePoint(1000, behind(...head) + 7))
      assert.strictEqual(yield* failureOf(segment(...head, ...clusters, points)), "UnreadableMedia")
    })
  )

  it.effect("refuses more tracks than a film has, and clocks that run beyond all numbers", () =>
    Effect.gen(function* () {
      const block = simpleBlock(0, key, frame(5))
      const many = tracks(...Array.from({ length: 100 }, () => track()))
      assert.strictEqual(yield* failureOf(segment(info, many, cluster(0, block))), "UnreadableMedia")
      const late = element(0x1f43b675, element(0xe7, new Uint8Array(8).fill(0x7f)), block)
      assert.strictEqual(yield* failureOf(segment(info, tracks(track()), late)), "UnreadableMedia")
    })
  )

  it.effect("passes over ten megabytes of void in a read, and refuses them in a million elements", () =>
    Effect.gen(function* () {
      const parts = [tracks(track()), cluster(0, simpleBlock(0, key, frame(5)))]
      const { frames, source } = yield* read(segment(info, element(0xec, new Uint8Array(10 * 2 ** 20)), ...parts))
      assert.strictEqual(frames.length, 1)
      assert.isAtMost(source.reads.length, 6)
      const voids = Buffer.alloc(2 * 2 ** 20, Uint8Array.of(0xec, 0x80))
      assert.strictEqual(yield* failureOf(segment(info, voids, ...parts)), "UnreadableMedia")
    })
  )

  it.effect("refuses elements that are nested without an end, and an index of a gigabyte without reading it", () =>
    Effect.gen(function* () {
      const nested = Buffer.alloc(2 ** 20, Uint8Array.of(0x1f, 0x43, 0xb6, 0x75, 0xff))
      assert.strictEqual(yield* failureOf(segment(info, tracks(track()), nested)), "MediaResourceExceeded")
      const cluster0 = cluster(0, simpleBlock(0, key, frame(5)))
      for (const parts of [
        [info, sized(0x1654ae6b, 2 ** 30)],
        [info, tracks(track()), cluster0, sized(0x1c53bb6b, 2 ** 30)]
      ]) {
        const source = MemorySource.of(Buffer.concat([ebml, sized(0x18538067, 2 ** 31, ...parts)]))
        const error = yield* Effect.flip(buildFrom({ ...source, sizeBytes: 2 ** 32 }))
        assert.strictEqual(error._tag, "MediaResourceExceeded")
        assert.isBelow(Math.max(...source.reads.map(({ end, start }) => end - start)), 2 ** 20)
      }
    })
  )

  it.effect("plays what is cut short as far as it goes, wherever it is cut", () =>
    Effect.gen(function* () {
      const clusters = [0, 1000, 2000].map((time) => cluster(time, simpleBlock(0, key, frame(20))))
      const file = segment(info, tracks(pictures), ...clusters)
      const whole = yield* read(file)
      for (let length = 9; length < file.length; length++) {
        const source = MemorySource.of(file.subarray(0, length))
        const result = yield* Effect.result(buildFrom(source))
        assert.deepStrictEqual(source.outside, [])
        if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "UnreadableMedia", String(length))
        else if (result.success.tracks.length > 0) {
          const { frames } = yield* read(file.subarray(0, length))
          assert.deepStrictEqual(frames, whole.frames.slice(0, frames.length), String(length))
        }
      }
    })
  )
})
