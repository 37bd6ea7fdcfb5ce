import { readFileSync } from "node:fs"

import { assert, describe, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import * as SegmentCorpus from "@joy/testing/SegmentCorpus"
import * as Effect from "effect/Effect"

import { buildFrom } from "../../src/index/BuildIndex.ts"
import * as IndexFile from "../../src/index/IndexFile.ts"
import * as MemorySource from "./MemorySource.ts"

const read = Effect.fnUntraced(function* (...parts: ReadonlyArray<Uint8Array>) {
  const source = MemorySource.of(Buffer.concat(parts))
  const index = yield* buildFrom(source)
  assert.deepStrictEqual(source.outside, [])
  assert.deepStrictEqual(yield* IndexFile.decode(IndexFile.encode(index)), index)
  const samples = index.tracks[0]?.samples
  return { index, source, offsets: [...(samples?.offsets ?? [])], sizes: [...(samples?.sizes ?? [])] }
})

const failureOf = (...parts: ReadonlyArray<Uint8Array>) =>
  Effect.map(Effect.flip(buildFrom(MemorySource.of(Buffer.concat(parts)))), ({ _tag }) => _tag)

const text = (value: string) => new TextEncoder().encode(value)

/** Layer III of 128 kbit/s and 44.1 kHz: 417 bytes, of which 0xff is one that begins nothing. */
const mp3Frame = (): Uint8Array => {
  const frame = new Uint8Array(417).fill(0x55)
  frame.set([0xff, 0xfb, 0x90, 0x00])
  frame[100] = 0xff
  return frame
}

/** AAC LC, 44.1 kHz, stereo. */
const adtsFrame = (length: number): Uint8Array => {
  const size = length + 7
  const frame = new Uint8Array(size).fill(0x55)
  frame.set([0xff, 0xf1, 0x50, 0x80 | (size >> 11), (size >> 3) & 0xff, ((size & 7) << 5) | 0x1f, 0xfc])
  return frame
}

const id3 = (length: number): Uint8Array => {
  const size = [21, 14, 7, 0].map((shift) => (length >> shift) & 127)
  return Buffer.concat([text("ID3"), Uint8Array.of(4, 0, 0, ...size), new Uint8Array(length).fill(0xff)])
}

const opusHead = Buffer.concat([text("OpusHead"), Uint8Array.of(1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0)])

/** A page of Ogg; each packet is shorter than 255 bytes, or goes on behind the page. */
const page = (granule: number, packets: ReadonlyArray<Uint8Array>, isContinued = false): Uint8Array => {
  const head = new DataView(new ArrayBuffer(27))
  head.setUint32(0, 0x4f67_6753)
  head.setUint8(5, isContinued ? 1 : 0)
  head.setBigInt64(6, BigInt(granule), true)
  head.setUint32(14, 7, true)
  head.setUint8(26, packets.length)
  const lengths = Uint8Array.from(packets, ({ length }) => length)
  return Buffer.concat([new Uint8Array(head.buffer), lengths, ...packets])
}

/** Opus of 20 ms. */
const opusPacket = (length: number) => new Uint8Array(length).fill(1 << 3)

describe("The index of sound alone", () => {
  it.effect("finds every frame of MP3 between tags, and passes over damage", () =>
    Effect.gen(function* () {
      const frames = Array.from({ length: 3 }, mp3Frame)
      const tag = Buffer.concat([text("TAG"), new Uint8Array(125).fill(0xff)])
      const { index, offsets, sizes } = yield* read(id3(300), ...frames, new Uint8Array(50).fill(0xff), ...frames, tag)
      assert.deepStrictEqual(offsets, [310, 727, 1144, 1611, 2028, 2445])
      assert.deepStrictEqual(new Set(sizes), new Set([417]))
      assert.deepStrictEqual([index.tracks[0]?.sampleRate, index.tracks[0]?.channels], [44_100, 2])
      assert.closeTo(index.durationSeconds, (6 * 1152) / 44_100, 1e-9)
    })
  )

  it.effect("leaves out the frame that tells of the others", () =>
    Effect.gen(function* () {
      const tag = mp3Frame()
      tag.set(text("Info"), 36)
      const { offsets } = yield* read(tag, mp3Frame(), mp3Frame())
      assert.deepStrictEqual(offsets, [417, 834])
    })
  )

  it.effect("takes the heads off frames of ADTS", () =>
    Effect.gen(function* () {
      const { index, offsets, sizes } = yield* read(id3(10), adtsFrame(100), adtsFrame(200), adtsFrame(50))
      assert.deepStrictEqual(
        [offsets, sizes],
        [
          [27, 134, 341],
          [100, 200, 50]
        ]
      )
      assert.deepStrictEqual([index.tracks[0]?.codecString, index.tracks[0]?.sampleRate], ["mp4a.40.2", 44_100])
    })
  )

  it.effect("reads Opus by pages, with comments that fill several, and takes the padding off its end", () =>
    Effect.gen(function* () {
      const comments = [page(0, [new Uint8Array(255)]), page(0, [new Uint8Array(255), new Uint8Array(9)], true)]
      const { index, sizes } = yield* read(
        page(0, [opusHead]),
        ...comments,
        page(1920, [opusPacket(20), opusPacket(30)]),
        page(2500, [opusPacket(40)])
      )
      assert.deepStrictEqual(sizes, [20, 30, 40])
      assert.deepStrictEqual([...(index.tracks[0]?.samples.dts ?? [])], [0, 960, 1920, 2500])
      assert.strictEqual(index.tracks[0]?.shift, -312)
    })
  )

  it.effect("refuses packets of sound that lie in pieces, and Ogg without Opus", () =>
    Effect.gen(function* () {
      const head = [page(0, [opusHead]), page(0, [text("OpusTags")])]
      const pieces = [page(0, [new Uint8Array(255)]), page(960, [new Uint8Array(9)], true)]
      assert.strictEqual(yield* failureOf(...head, ...pieces), "UnreadableMedia")
      assert.strictEqual(yield* failureOf(page(0, [text("\u0001vorbis")])), "UnreadableMedia")
    })
  )

  it.effect("refuses megabytes without a frame, and gives no track where there is none", () =>
    Effect.gen(function* () {
      const noise = new Uint8Array(6 * 2 ** 20).fill(0xff)
      const { index } = yield* read(id3(10), noise)
      assert.strictEqual(index.tracks.length, 0)
      assert.strictEqual((yield* read(id3(10))).index.tracks.length, 0)
      const info = Buffer.concat([text("fLaC"), Uint8Array.of(0x80, 0, 0, 34), new Uint8Array(34).fill(0x0f)])
      const silent = Buffer.concat([info, new Uint8Array(6 * 2 ** 20)])
      assert.strictEqual((yield* read(silent)).index.tracks.length, 0)
      assert.strictEqual(yield* failureOf(info.subarray(0, 20)), "UnreadableMedia")
    })
  )
})

describeWith(["ffmpeg"], "The index of a recording", () => {
  for (const name of ["constant.mp3", "aac.aac", "flac-24.flac", "opus.opus"] as const) {
    it.effect(`is made of ${name} by reading it about once, and of as much of it as there is`, () =>
      Effect.gen(function* () {
        const file = readFileSync(yield* SegmentCorpus.file(name))
        const whole = yield* read(file)
        const bytes = whole.source.reads.reduce((sum, { end, start }) => sum + end - start, 0)
        assert.isAtMost(bytes, file.length + 80 * 2 ** 10)
        assert.isAtMost(whole.source.reads.length, 8 + file.length / 2 ** 20)
        for (let length = 40_000; length < file.length; length += 7_919) {
          const { offsets, sizes } = yield* read(file.subarray(0, length))
          const complete = offsets.filter((offset, i) => offset + (sizes[i] ?? 0) < length - 16)
          assert.isAbove(complete.length, 0)
          assert.deepStrictEqual(complete, whole.offsets.slice(0, complete.length), String(length))
        }
      })
    )
  }
})
