import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

import { codecStringOf, fractionRate, rateFraction } from "../src/Codecs.ts"
import * as Demuxer from "../src/Demuxer.ts"
import { parseExif } from "../src/Exif.ts"
import * as ObjectBytes from "../src/ObjectBytes.ts"
import { sniff } from "../src/Sniff.ts"
import { cleanTags, cleanText, cleanTime } from "../src/Tags.ts"
import * as MemoryStore from "./MemoryStore.ts"

const latin1 = (text: string): Uint8Array => Buffer.from(text.padEnd(64, "\0"), "latin1")

describe("Sniff", () => {
  const kinds: ReadonlyArray<readonly [bytes: Uint8Array, expected: string]> = [
    [latin1("\xff\xd8\xff\xe0"), "jpeg"],
    [latin1("\x89PNG\r\n\x1a\n"), "png"],
    [latin1("GIF89a"), "gif"],
    [latin1("RIFF\0\0\0\0WEBPVP8 "), "webp"],
    [latin1("RIFF\0\0\0\0WAVEfmt "), "wav"],
    [latin1("RIFF\0\0\0\0AVI LIST"), "other"],
    [latin1("II*\0"), "tiff"],
    [latin1("\0\0\0\x18ftypisom\0\0\0\0isom"), "mp4"],
    [latin1("\0\0\0\x18ftypqt  "), "mp4"],
    [latin1("\0\0\0\x1cftypavif\0\0\0\0avifmif1"), "avif"],
    [latin1("\0\0\0\x1cftypmif1\0\0\0\0mif1avif"), "avif"],
    [latin1("\0\0\0\x1cftypheic\0\0\0\0mif1heic"), "heif"],
    [latin1("\0\0\0\x08wide\0\0\0\0mdat"), "mp4"],
    [latin1("\x1a\x45\xdf\xa3"), "matroska"],
    [latin1("fLaC"), "flac"],
    [latin1("OggS\0\x02OpusHead"), "ogg"],
    [latin1("OggS\0\x02\x80theora"), "other"],
    [latin1("ID3\x04"), "mp3"],
    [latin1("\xff\xfb\x90"), "mp3"],
    [latin1("\xff\xf1\x50"), "adts"],
    [latin1("G\x40\x00\x10"), "other"],
    [Buffer.from("#EXTM3U\n"), "text"],
    [Buffer.from("<svg/>"), "text"],
    [Buffer.from("äöü".repeat(2_000)).subarray(0, 4_095), "text"],
    [new Uint8Array(64), "other"]
  ]
  for (const [bytes, expected] of kinds) {
    it(`takes ${JSON.stringify(Buffer.from(bytes.subarray(0, 16)).toString("latin1"))} for ${expected}`, () => {
      const found = sniff(bytes)
      assert.strictEqual(
        found.type === "image" ? found.format : found.type === "container" ? found.kind : found.type,
        expected
      )
    })
  }

  it("has an answer for whatever comes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => assert.isNotEmpty(sniff(bytes).type)))
  })
})

describe("Exif", () => {
  it("comes to an end with whatever bytes", () => {
    const block = fc
      .uint8Array({ maxLength: 400 })
      .map((bytes) => Buffer.concat([Buffer.from("II*\0\x08\0\0\0"), bytes]))
    fc.assert(
      fc.property(fc.oneof(block, fc.uint8Array({ maxLength: 64 })), (bytes) => assert.isObject(parseExif(bytes).tags))
    )
  })
})

describe("Tags", () => {
  it("keeps known tags under one name, cleaned", () => {
    assert.deepStrictEqual(
      cleanTags({ TIT2: " a\0b\u0007 ", "©ART": "x\r\ny", unknown: "z", ALBUM_ARTIST: "", TPE2: "second" }),
      { title: "a b", artist: "x\ny", albumArtist: "second" }
    )
  })

  it("gives text that Postgres takes, whatever it was [M6]", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 3_000 }), (text) => {
        const clean = cleanText(text)
        assert.isTrue(clean.length <= 1_000 && clean.isWellFormed() && !clean.includes("\0"))
      })
    )
  })

  const times: ReadonlyArray<readonly [text: string | undefined, expected: string | null]> = [
    ["2024-05-06T07:08:09.000000Z", "2024-05-06T07:08:09.000Z"],
    ["2024-05-06T07:08:09+0200", "2024-05-06T05:08:09.000Z"],
    ["2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09.000Z"],
    ["2024-05-06 07:08:09", "2024-05-06T07:08:09.000Z"],
    ["1904-01-01T00:00:00Z", null],
    ["1970-01-01T00:00:00Z", null],
    ["2024-13-45T99:00:00Z", null],
    ["yesterday", null],
    [undefined, null]
  ]
  for (const [text, expected] of times) {
    it(`reads the time ${text} as ${expected}`, () => assert.strictEqual(cleanTime(text), expected))
  }
})

const of = (codec: string, profile: string | null, level: number | null) => codecStringOf({ codec, profile, level })

describe("Codecs", () => {
  const rates: ReadonlyArray<readonly [rate: number, fraction: string]> = [
    [25, "25/1"],
    [23.976, "24000/1001"],
    [29.97, "30000/1001"],
    [29.970_030_568, "30000/1001"],
    [59.94, "60000/1001"],
    [12.5, "25/2"],
    [0.2, "1/5"]
  ]
  for (const [rate, fraction] of rates) {
    it(`writes ${rate} frames per second as ${fraction}`, () => {
      assert.strictEqual(rateFraction(rate), fraction)
      assert.isAtMost(Math.abs((fractionRate(fraction) ?? 0) - rate) / rate, 0.0005)
    })
  }

  it("knows no rate in 0/0", () => assert.deepStrictEqual([fractionRate("0/0"), fractionRate(undefined)], [null, null]))

  it("gives codec strings only where it is sure", () => {
    assert.strictEqual(of("h264", "High", 31), "avc1.64001f")
    assert.strictEqual(of("h264", "Something", 31), null)
    assert.strictEqual(of("aac", "HE-AAC", null), "mp4a.40.5")
    assert.strictEqual(of("mpeg4", "Simple Profile", 1), null)
  })
})

describe("ObjectBytes", () => {
  const whole = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256)
  const open = Effect.fnUntraced(function* (options: Partial<ObjectBytes.ObjectBytesOptions> = {}) {
    const store = MemoryStore.make()
    const object = store.put("a", whole, "v1")
    return { store, ...(yield* ObjectBytes.open(store, object, { step: "test", ...options })) }
  })

  it.effect("gives the bytes that were asked for, whatever was read before", () =>
    Effect.gen(function* () {
      const { read, stats } = yield* open({ blockBytes: 1_000, cacheBytes: 5_000 })
      for (let i = 0; i < 300; i++) {
        const start = (i * 7_919) % whole.length
        const end = start + ((i * 31) % 4_000)
        assert.strictEqual(Buffer.compare(yield* read(start, end), whole.subarray(start, end)), 0)
      }
      assert.isAtMost(stats.reads, 700)
    })
  )

  it.effect("asks once for what lies together", () =>
    Effect.gen(function* () {
      const { store, read } = yield* open()
      yield* read(0, 200_000)
      for (let i = 0; i < 1_000; i++) yield* read(i * 8, i * 8 + 8)
      assert.deepStrictEqual(store.reads, ["0-262143"])
    })
  )

  it.effect("stops at its budget and notices another version", () =>
    Effect.gen(function* () {
      const { read } = yield* open({ budgetBytes: 100_000 })
      yield* read(0, 10)
      assert.strictEqual((yield* Effect.flip(read(200_000, 299_999)))._tag, "MediaResourceExceeded")
      const other = yield* open()
      other.store.put("a", whole, "v2")
      assert.strictEqual((yield* Effect.flip(other.read(0, 10)))._tag, "ObjectChanged")
    })
  )
})

describe("Demuxer", () => {
  const stuck: ObjectBytes.ObjectBytes = { sizeBytes: 1_000, read: () => Effect.never, stats: { bytes: 0, reads: 0 } }

  it.live("gives up at its limit, and works on with another thread [M4]", () =>
    Effect.gen(function* () {
      const { probe } = yield* Demuxer.Demuxer
      const given = yield* Effect.all(
        Array.from({ length: 6 }, () => Effect.flip(probe(stuck, "mp4"))),
        { concurrency: 6 }
      )
      for (const error of given) assert.strictEqual(error._tag, "Undecided")
      const store = MemoryStore.make()
      const object = store.put("a", Buffer.from("\0\0\0\x08wide"), "v1")
      const bytes = yield* ObjectBytes.open(store, object, { step: "test" })
      assert.strictEqual((yield* Effect.flip(probe(bytes, "mp4")))._tag, "UnreadableMedia")
    }).pipe(
      Effect.scoped, // Long enough for a new thread to start on a busy machine.
      Effect.provide(Demuxer.layer({ limitSeconds: 2 }))
    )
  )

  it.live("passes on why the store failed", () =>
    Effect.gen(function* () {
      const { probe } = yield* Demuxer.Demuxer
      const failing = { ...stuck, read: () => Effect.fail(MemoryStore.unavailable) }
      assert.strictEqual((yield* Effect.flip(probe(failing, "matroska")))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Demuxer.layer()))
  )
})
