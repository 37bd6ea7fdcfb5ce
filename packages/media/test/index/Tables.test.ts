import { assert, describe, it } from "@effect/vitest"
import {
  aacEntry,
  dataStart,
  fileOf,
  sampleBytes,
  sampleCount,
  small,
  type Tables,
  trackOf
} from "@joy/testing/SmallMp4"
import * as Effect from "effect/Effect"

import { buildFrom } from "../../src/index/BuildIndex.ts"
import { presentedAt } from "../../src/index/MediaIndex.ts"
import { box, fullBox, uint32s } from "../../src/index/mp4/Boxes.ts"
import { audioEntry } from "../../src/index/SampleEntries.ts"
import * as MemorySource from "./MemorySource.ts"

const read = (file: Uint8Array) => buildFrom(MemorySource.of(file))

const onlyTrack = Effect.fnUntraced(function* (file: Uint8Array) {
  const { tracks } = yield* read(file)
  const [track] = tracks
  assert.isDefined(track)
  return track
})

const uint64 = (value: bigint) => {
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setBigUint64(0, value)
  return new Uint8Array(bytes.buffer)
}

const elst = (...entries: ReadonlyArray<readonly [duration: number, mediaTime: number]>) => [
  box("edts", fullBox("elst", 0, 0, uint32s(entries.length, ...entries.flatMap(([d, m]) => [d, m, 0x1_0000]))))
]

const shiftOf = (edits: ReadonlyArray<Uint8Array>) => Effect.map(onlyTrack(small({}, edits)), ({ shift }) => shift)

const lies: ReadonlyArray<readonly [what: string, tables: Tables]> = [
  ["four billion samples of one size", { stsz: fullBox("stsz", 0, 0, uint32s(8, 0xffff_ffff)) }],
  ["four billion samples without a size", { stsz: fullBox("stsz", 0, 0, uint32s(0, 0xffff_ffff)) }],
  ["more sizes than its table holds", { stsz: fullBox("stsz", 0, 0, uint32s(0, 11, ...Array(10).fill(8))) }],
  ["samples that are larger than the file", { stsz: fullBox("stsz", 0, 0, uint32s(0x7fff_ffff, 10)) }],
  [
    "one sample that reaches behind the end",
    { stsz: fullBox("stsz", 0, 0, uint32s(0, 10, ...Array(9).fill(8), 9000)) }
  ],
  ["chunks behind the end", { chunks: fullBox("stco", 0, 0, uint32s(2, dataStart, 0xffff_fff0)) }],
  ["chunks at the end of all numbers", { chunks: fullBox("co64", 0, 0, uint32s(1), uint64(2n ** 64n - 1n)) }],
  ["fewer chunks than samples", { chunks: fullBox("stco", 0, 0, uint32s(1, dataStart)) }],
  ["four billion chunks", { chunks: fullBox("stco", 0, 0, uint32s(0xffff_ffff, dataStart)) }],
  ["no table of chunks", { chunks: box("free") }],
  ["chunks of no samples", { stsc: fullBox("stsc", 0, 0, uint32s(1, 1, 0, 1)) }],
  ["four billion runs of chunks", { stsc: fullBox("stsc", 0, 0, uint32s(0xffff_ffff, 1, 5, 1)) }],
  ["four billion runs of durations", { stts: fullBox("stts", 0, 0, uint32s(0xffff_ffff, 10, 1024)) }],
  ["samples that end before they begin", { stts: fullBox("stts", 0, 0, uint32s(1, 10, 0x8000_0000)) }],
  ["sizes of an unknown kind", { stsz: fullBox("stz2", 0, 0, uint32s(7, 10)) }],
  ["more keyframes than its table holds", { more: [fullBox("stss", 0, 0, uint32s(9, 1, 2))] }]
]

describe("The tables of an MP4", () => {
  it.effect("gives what a small one says", () =>
    Effect.gen(function* () {
      const { durationSeconds, tracks } = yield* read(small())
      const [track] = tracks
      assert.strictEqual(tracks.length, 1)
      assert.deepStrictEqual(
        [track?.codec, track?.codecString, track?.language, track?.channels, track?.sampleRate],
        ["aac", "mp4a.40.2", "en", 2, 48_000]
      )
      assert.deepStrictEqual([...(track?.samples.offsets ?? [])].slice(4, 6), [dataStart + 32, dataStart + 40])
      assert.strictEqual(durationSeconds, (sampleCount * 1024) / 48_000)
    })
  )

  for (const [what, tables] of lies) {
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function* () {
        const source = MemorySource.of(small(tables))
        const error = yield* Effect.flip(buildFrom(source))
        assert.strictEqual(error._tag, "UnreadableMedia")
        assert.deepStrictEqual(source.outside, [])
      })
    )
  }

  it.effect("reads offsets of 64 bits as those of 32", () =>
    Effect.gen(function* () {
      const chunks = fullBox("co64", 0, 0, uint32s(2), uint64(BigInt(dataStart)), uint64(BigInt(dataStart + 40)))
      assert.deepStrictEqual(yield* read(small({ chunks })), {
        ...(yield* read(small())),
        sizeBytes: small().length + 8
      })
    })
  )

  it.effect("reads compact sizes of four, eight and sixteen bits", () =>
    Effect.gen(function* () {
      for (const [bits, bytes] of [
        [4, Array(5).fill(0x88)],
        [8, Array(10).fill(8)],
        [16, Array.from({ length: 10 }, () => [0, 8]).flat()]
      ] as const) {
        const stsz = fullBox("stz2", 0, 0, uint32s(bits, 10), Uint8Array.from(bytes))
        const track = yield* onlyTrack(small({ stsz }))
        assert.deepStrictEqual([...track.samples.sizes], Array(10).fill(sampleBytes), `${bits} bits`)
      }
    })
  )

  it.effect("raises negative composition offsets of both versions, and takes as much off the presentation", () =>
    Effect.gen(function* () {
      for (const version of [0, 1]) {
        const ctts = fullBox("ctts", version, 0, uint32s(2, 5, -1024, 5, 2048))
        const track = yield* onlyTrack(small({ more: [ctts] }))
        assert.deepStrictEqual([...(track.samples.compositionOffsets ?? [])].slice(4, 6), [0, 3072])
        assert.deepStrictEqual([presentedAt(track, 0), presentedAt(track, 5)], [-1024, 5 * 1024 + 2048])
      }
    })
  )

  it.effect("takes what is empty before the first edit, and where that begins, as one shift", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* shiftOf(elst([200, 2048])), -2048)
      assert.strictEqual(yield* shiftOf(elst([500, -1], [250, -1], [200, 2048])), 36_000 - 2048)
      assert.strictEqual(yield* shiftOf(elst()), 0)
      assert.strictEqual(yield* shiftOf(elst([0xffff_ffff, -1])), 0)
    })
  )

  it.effect("keeps several sample entries, and from where each holds", () =>
    Effect.gen(function* () {
      const stsd = fullBox("stsd", 0, 0, uint32s(3), aacEntry(1), aacEntry(6), aacEntry(2))
      const stsc = fullBox("stsc", 0, 0, uint32s(2, 1, 5, 3, 2, 5, 1))
      const track = yield* onlyTrack(small({ stsd, stsc }))
      assert.deepStrictEqual(track.samples.entries, [
        { from: 0, entry: 0 },
        { from: 5, entry: 1 }
      ])
      assert.deepStrictEqual(
        track.sampleEntries.map((entry) => entry[25]),
        [2, 1]
      )
    })
  )

  it.effect("leaves out tracks that no segment takes, and says which", () =>
    Effect.gen(function* () {
      const stsd = fullBox("stsd", 0, 0, uint32s(1), audioEntry("sowt", { channels: 2, sampleRate: 48_000 }))
      const pcm = trackOf({ stsd, stsz: fullBox("stsz", 0, 0, uint32s(4, 0xffff_ffff)) })
      const { skipped, tracks } = yield* read(fileOf(pcm, trackOf({})))
      assert.deepStrictEqual([skipped, tracks.length], [["sowt"], 1])
    })
  )

  it.effect("gives no tracks where there is none, and none without samples", () =>
    Effect.gen(function* () {
      for (const file of [fileOf(), small({ stsz: fullBox("stsz", 0, 0, uint32s(0, 0)) })]) {
        const { durationSeconds, tracks } = yield* read(file)
        assert.deepStrictEqual([durationSeconds, tracks.length], [0, 0])
      }
    })
  )

  it.effect("refuses more tracks than a film has", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(fileOf(...Array.from({ length: 100 }, () => trackOf({})))))
      assert.strictEqual(error._tag, "UnreadableMedia")
    })
  )

  it.effect("refuses ten megabytes of nested boxes without going into them", () =>
    Effect.gen(function* () {
      const nested = Buffer.alloc(10 * 2 ** 20)
      for (let at = 0; at + 8 <= nested.length; at += 8) {
        nested.writeUInt32BE(nested.length - at, at)
        nested.write(["trak", "mdia", "minf", "stbl"][(at / 8) % 4] ?? "", at + 4, "latin1")
      }
      const { tracks } = yield* read(fileOf(nested))
      assert.strictEqual(tracks.length, 0)
      const flat = Buffer.concat(Array(200_000).fill(box("free")))
      assert.strictEqual((yield* Effect.flip(read(fileOf(flat))))._tag, "UnreadableMedia")
    })
  )

  it.effect("refuses an index of 500 MB without reading it [M11]", () =>
    Effect.gen(function* () {
      const head = Buffer.from(small())
      const at = head.indexOf("moov") - 4
      head.writeUInt32BE(500 * 2 ** 20, at)
      const source = MemorySource.of(head)
      const sizeBytes = at + 500 * 2 ** 20
      const error = yield* Effect.flip(buildFrom({ ...source, sizeBytes }))
      assert.strictEqual(error._tag, "MediaResourceExceeded")
      assert.isAtMost(
        source.reads.reduce((sum, { end, start }) => sum + end - start, 0),
        2 ** 20
      )
    })
  )

  it.effect("refuses what is cut short, wherever it is cut", () =>
    Effect.gen(function* () {
      const file = small()
      for (let length = 9; length < file.length; length++) {
        const source = MemorySource.of(file.subarray(0, length))
        const result = yield* Effect.result(buildFrom(source))
        if (result._tag === "Success") assert.strictEqual(result.success.tracks.length, 0, String(length))
        else assert.strictEqual(result.failure._tag, "UnreadableMedia", String(length))
        assert.deepStrictEqual(source.outside, [])
      }
    })
  )
})
