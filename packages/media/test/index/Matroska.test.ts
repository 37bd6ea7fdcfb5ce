import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import * as IndexFile from "../../src/index/IndexFile.ts"
import { read, sizes, times } from "./MkvReading.ts"
import {
  behind,
  blockBody,
  cluster,
  cuePoint,
  cues,
  ebml,
  element,
  float64,
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
  tracks,
  unknownSize
} from "./SmallMkv.ts"

const picture = (time: number, flags = 0) => simpleBlock(time, flags, frame(4))

/** As encoders order a pyramid. */
const group = (from: number) =>
  [0, 160, 80, 40, 120, 320, 240, 200, 280].map((time, i) => picture(from + time, i === 0 ? key : 0))

const grouped = (time: number, duration: number, ...more: ReadonlyArray<Uint8Array>) =>
  element(0xa0, element(0xa1, blockBody(time, 0, frame(4))), element(0x9b, duration), ...more)

/** A cluster of a recording that nobody has finished. */
const live = (time: number) =>
  sized(
    0x1f43b675,
    unknownSize,
    element(0xe7, time),
    simpleBlock(0, key, frame(9)),
    simpleBlock(500, 0, frame(8)),
    simpleBlock(900, key, frame(7))
  )

/** When the track of this number ends, as mkvmerge and FFmpeg note it. */
const tag = (of: Uint8Array, value: string) =>
  element(
    0x7373,
    element(0x63c0, element(0x63c5, of)),
    element(0x67c8, element(0x45a3, "DURATION"), element(0x4487, value))
  )

const endsOf = (file: Uint8Array) =>
  Effect.map(read(file), ({ index }) => index.cues?.tracks.map(({ endSeconds }) => endSeconds))

/** A SeekHead that leads to Tags. */
const seek = (position: number) =>
  element(
    0x114d9b74,
    element(0x4dbb, element(0x53ab, 0x1254c367), element(0x53ac, Uint8Array.of(0, 0, position >> 8, position & 255)))
  )

describe("The index of Matroska", () => {
  it.effect("gives what a small one says", () =>
    Effect.gen(function* () {
      const named = track(element(0x536e, 'A "sound"'), element(0x22b59c, "ger"), element(0x88, Uint8Array.of(0)))
      const blocks = [simpleBlock(0, key, frame(5)), simpleBlock(24, key, frame(6))]
      const { frames, index } = yield* read(segment(info, tracks(named), cluster(100, ...blocks)))
      const [only] = index.tracks
      assert.deepStrictEqual(
        [only?.codec, only?.language, only?.label, only?.isDefault, only?.channels, only?.sampleRate],
        ["mp3", "de", "A sound", false, 2, 48_000]
      )
      assert.deepStrictEqual(
        [times(frames), sizes(frames)],
        [
          [100, 124],
          [5, 6]
        ]
      )
      assert.closeTo(index.durationSeconds, 0.86, 1e-9)
      assert.deepStrictEqual(yield* IndexFile.decode(IndexFile.encode(index)), index)
    })
  )

  it.effect("takes English for what is not said, and each track for a default one", () =>
    Effect.gen(function* () {
      const { index } = yield* read(inOneCluster(simpleBlock(0, key, frame(5))))
      assert.deepStrictEqual([index.tracks[0]?.language, index.tracks[0]?.isDefault], ["en", true])
    })
  )

  for (const [name, lacing, head] of [
    ["Xiph's", Lacing.xiph, [2, 255, 45, 3]],
    ["EBML's", Lacing.ebml, [2, 0x41, 0x2c, 0x5e, 0xd6]],
    ["no", Lacing.none, []]
  ] as const) {
    it.effect(`reads blocks with ${name} lacing`, () =>
      Effect.gen(function* () {
        const laced = lacing === Lacing.none ? [frame(300, 1)] : [frame(300, 1), frame(3, 2), frame(8, 3)]
        const { frames } = yield* read(inOneCluster(simpleBlock(0, key | lacing, Uint8Array.from(head), ...laced)))
        assert.deepStrictEqual(
          frames.map(({ bytes }) => bytes),
          laced.map((bytes) => [...bytes])
        )
        assert.deepStrictEqual(
          times(frames),
          laced.map((_, i) => 100 + i * 24)
        )
      })
    )
  }

  it.effect("reads blocks of frames of one size", () =>
    Effect.gen(function* () {
      const block = simpleBlock(-10, key | Lacing.fixed, Uint8Array.of(3), frame(40))
      const { frames } = yield* read(inOneCluster(block))
      assert.deepStrictEqual(
        [sizes(frames), times(frames)],
        [
          [10, 10, 10, 10],
          [90, 114, 138, 162]
        ]
      )
    })
  )

  it.effect("takes durations from groups, and keyframes from what they refer to", () =>
    Effect.gen(function* () {
      const { parts } = yield* read(
        segment(
          info,
          tracks(pictures),
          cluster(0, grouped(0, 40), grouped(40, 40, element(0xfb, Uint8Array.of(0xd8))), grouped(80, 300))
        )
      )
      assert.deepStrictEqual([...(parts[0]?.dts ?? [])], [0, 40, 80, 380])
      assert.deepStrictEqual([...(parts[0]?.keys ?? [])], [0, 2])
    })
  )

  it.effect("decodes pictures that are shown out of order each before it is shown, and never two out of order", () =>
    Effect.gen(function* () {
      const { frames, index } = yield* read(segment(info, tracks(pictures), cluster(0, ...group(0), ...group(360))))
      assert.strictEqual(index.tracks[0]?.shift, -80)
      for (const [i, { at, dts }] of frames.entries()) {
        assert.isAtLeast(at + 80, dts)
        assert.isAbove(dts, frames[i - 1]?.dts ?? -1)
      }
      assert.deepStrictEqual(times(frames).slice(0, 5), [0, 160, 80, 40, 120])
      assert.deepStrictEqual(
        frames.map(({ dts }) => dts),
        frames.map((_, i) => i * 40)
      )
    })
  )

  it.effect("finds keyframes in clusters without a size, and the end where nothing says it", () =>
    Effect.gen(function* () {
      const head = element(0x1549a966, element(0x2ad7b1, 1_000_000))
      const body = Buffer.concat([head, tracks(pictures), live(2000), live(4000), live(6000)])
      const { frames, index } = yield* read(Buffer.concat([ebml, sized(0x18538067, unknownSize, body)]))
      assert.deepStrictEqual([...(index.cues?.ticks ?? [])], [2000, 2900, 4000, 4900, 6000, 6900])
      assert.deepStrictEqual(times(frames), [2000, 2500, 2900, 4000, 4500, 4900, 6000, 6500, 6900])
      assert.strictEqual(index.cues?.startSeconds, 2)
      assert.closeTo(index.durationSeconds, 4.9, 1e-9)
    })
  )

  it.effect("begins stretches within a cluster, and gives what stands there before to the one before", () =>
    Effect.gen(function* () {
      const [first, second, third] = [0, 40, 80].map((time) => simpleBlock(time, time === 40 ? 0 : key, frame(5)))
      const head = [info, tracks(pictures)]
      const start = behind(...head)
      const time = element(0xe7, 0)
      const blocks = [first, second, third].filter((block) => block !== undefined)
      const all = cluster(0, ...blocks)
      const relative = behind(time, ...blocks.slice(0, 2))
      const points = cues(cuePoint(0, start, time.length), cuePoint(80, start, relative))
      const { index, parts } = yield* read(segment(...head, all, points))
      assert.strictEqual(index.cues?.count, 2)
      assert.deepStrictEqual(
        parts.map(({ count }) => count),
        [2, 1]
      )
    })
  )

  it.effect("leaves out cues that are repeated, in disorder, or behind the end", () =>
    Effect.gen(function* () {
      const head = [info, tracks(pictures)]
      const clusters = [0, 1000, 2000].map((time) => cluster(time, simpleBlock(0, key, frame(20))))
      const at = (number: number) => behind(...head, ...clusters.slice(0, number))
      const points = [
        cuePoint(2000, at(2)),
        cuePoint(0, at(0)),
        cuePoint(1000, at(1)),
        cuePoint(1000, at(1)),
        cuePoint(3000, 1e9),
        cuePoint(500, at(2) + 1)
      ]
      const { index } = yield* read(segment(...head, ...clusters, cues(...points)))
      assert.deepStrictEqual([...(index.cues?.ticks ?? [])], [0, 1000, 2000])
    })
  )

  it.effect("leaves out tracks that are compressed or that no segment takes, and says which", () =>
    Effect.gen(function* () {
      const compressed = track(element(0x6d80, element(0x6240)))
      const vorbis = element(0xae, element(0xd7, 2), element(0x83, 2), element(0x86, "A_VORBIS"))
      const { index } = yield* read(
        segment(info, tracks(compressed, vorbis), cluster(0, simpleBlock(0, key, frame(5))))
      )
      assert.deepStrictEqual([index.tracks, index.skipped, index.cues], [[], ["A_MPEG/L3", "A_VORBIS"], null])
    })
  )

  it.effect("takes when a track ends from the tags of who wrote it, wherever they stand", () =>
    Effect.gen(function* () {
      const uid = Uint8Array.of(0xf7, 1, 2, 3, 4, 5, 6, 7)
      const tags = element(0x1254c367, tag(Uint8Array.of(9), "00:00:01"), tag(uid, "01:02:03.500000000\0"))
      const head = [info, tracks(track(element(0x73c5, uid)))] as const
      const body = cluster(0, simpleBlock(0, key, frame(5)))
      assert.deepStrictEqual(yield* endsOf(segment(...head, tags, body)), [3723.5])
      assert.deepStrictEqual(yield* endsOf(segment(...head, body)), [null])
      assert.deepStrictEqual(yield* endsOf(segment(...head, element(0x1254c367, tag(uid, "soon")), body)), [null])
      const position = seek(0).length + head[0].length + head[1].length + body.length
      assert.deepStrictEqual(yield* endsOf(segment(seek(position), ...head, body, tags)), [3723.5])
    })
  )

  it.effect("counts in millionths where a second has no whole number of ticks", () =>
    Effect.gen(function* () {
      const odd = element(0x1549a966, element(0x2ad7b1, 22_675), element(0x4489, float64(44_100)))
      const { frames, index } = yield* read(segment(odd, tracks(track()), cluster(0, simpleBlock(1152, key, frame(5)))))
      assert.strictEqual(index.tracks[0]?.timescale, 1_000_000)
      assert.deepStrictEqual(times(frames), [26_122])
    })
  )

  it.effect("gives no tracks where there are none, no clusters, or no frames", () =>
    Effect.gen(function* () {
      for (const file of [segment(), segment(info, tracks(track())), segment(tracks(), cluster(0))]) {
        const { index } = yield* read(file)
        assert.deepStrictEqual([index.tracks.length, index.durationSeconds], [0, 0])
      }
    })
  )
})
