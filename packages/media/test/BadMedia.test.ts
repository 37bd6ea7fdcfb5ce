import { assert, describe, layer } from "@effect/vitest"
import { mutant } from "@joy/testing/Mutants"
import * as Effect from "effect/Effect"

import { Probe } from "../src/Probe.ts"
import { Thumbnails } from "../src/Thumbnails.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import { declaredPng, id3Size, manyEntries, manyTracks } from "./HostileFiles.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const probe = Effect.fnUntraced(function* (name: string) {
  const library = yield* Library
  const { probe } = yield* Probe
  return yield* probe(library.store, yield* library.object(name))
})

describe.skipIf(!hasFfmpeg)(`Bad media${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    const refusal = Effect.fnUntraced(function* (name: string, bytes: Uint8Array | string, message: RegExp) {
      const file = `${name.replaceAll(/\W/g, "-")}.mp4`
      yield* put(file, bytes)
      const error = yield* Effect.flip(probe(file))
      assert.strictEqual(error._tag, "UnreadableMedia")
      assert.match(error.message, message)
      assert.notMatch(error.message, /127\.0\.0\.1|http|0x/)
    })
    type Bytes = Effect.Effect<Uint8Array | string, never, Library>
    const refused = (name: string, make: Bytes, message: RegExp) =>
      it.effect(`refuses ${name} [M3]`, () => Effect.flatMap(make, (bytes) => refusal(name, bytes, message)))
    const refusedBySize = (name: string, make: Bytes, message: RegExp) =>
      it.effect(`refuses ${name} by what it declares [M5]`, () =>
        Effect.flatMap(make, (bytes) => refusal(name, bytes, message))
      )

    refused("an empty file", Effect.succeed(""), /is empty/)
    refused("a file of one byte", Effect.succeed("x"), /is not a media container/)
    refused("a text named .mp4", Effect.succeed("Dear diary,\n".repeat(100)), /is not a media container/)
    refused(
      "noise",
      Effect.succeed(Buffer.alloc(20_000, Buffer.from([1, 200, 3, 77, 9, 250]))),
      /can.t be read|can be read/
    )
    refused(
      "an MP4 that ends before its index",
      Effect.map(bytesOf("end.mp4"), (bytes) => bytes.subarray(0, bytes.length / 2)),
      /is cut short: its index \(moov\) is missing/
    )
    refused(
      "an MP4 that ends in its index",
      Effect.map(bytesOf("h264.mp4"), (bytes) => bytes.subarray(0, bytes.indexOf("moov") + 100)),
      /is cut short: its index \(moov\) is incomplete/
    )
    refusedBySize(
      "a container of 10,000 streams",
      Effect.succeed(manyTracks(10_000)),
      /declares more than 1000 streams/
    )
    refusedBySize(
      "a Matroska file of 10,000 streams",
      Effect.succeed(manyEntries(10_000)),
      /declares more than 1000 streams/
    )
    refusedBySize(
      "a video of 65,535 by 65,535",
      Effect.map(bytesOf("end.mp4"), (bytes) => {
        const at = bytes.indexOf("avc1", bytes.indexOf("stsd")) + 28
        bytes.writeUInt16BE(65_535, at)
        bytes.writeUInt16BE(65_535, at + 2)
        return bytes
      }),
      /declares more than 268402689/
    )
    refusedBySize(
      "a picture of 65,535 by 65,535",
      Effect.succeed(declaredPng(65_535, 65_535)),
      /declares more than 268402689/
    )
    refusedBySize(
      "a picture of 20,000 by 20,000",
      Effect.succeed(declaredPng(20_000, 20_000)),
      /declares more than 268402689/
    )

    it.effect("refuses to make thumbnails of a picture that is cut short", () =>
      Effect.gen(function* () {
        const bytes = yield* bytesOf("exif.jpg")
        const object = yield* put("cut.jpg", bytes.subarray(0, bytes.length / 2))
        const { store } = yield* Library
        const result = yield* (yield* Probe).probe(store, object)
        const error = yield* Effect.flip((yield* Thumbnails).make(store, object, result))
        assert.strictEqual(error._tag, "UnreadableMedia")
      })
    )

    it.effect(
      "comes to an end with 200 damaged files of every format, and lives on [M4]",
      () =>
        Effect.gen(function* () {
          const library = yield* Library
          const { probe } = yield* Probe
          const thumbnails = yield* Thumbnails
          const names = (
            "h264.mp4 fragmented.mp4 end.mov hevc.mp4 h264.mkv vp9.webm h264.avi h264.ts wmv2.wmv theora.ogv mp3.mp3 " +
            "cover.mp3 aac.m4a flac.flac opus.opus pcm.wav aac.aac exif.jpg alpha.png picture.gif picture.webp picture.tiff"
          ).split(" ")
          const files = new Map(
            yield* Effect.forEach(names, (name) => Effect.map(bytesOf(name), (bytes) => [name, bytes] as const))
          )
          const outcome = Effect.fnUntraced(function* (number: number) {
            const { bytes, name } = mutant(files, 42, number)
            const object = yield* put(`mutant-${number}.bin`, bytes)
            const result = yield* Effect.result(
              Effect.flatMap(probe(library.store, object), (found) => thumbnails.make(library.store, object, found))
            )
            return { name, number, tag: result._tag === "Success" ? "Success" : result.failure._tag }
          })
          const numbers = Array.from({ length: 200 }, (_, i) => i)
          const outcomes = yield* Effect.forEach(numbers, outcome, { concurrency: 4 })
          const allowed = new Set(["Success", "UnreadableMedia", "MediaResourceExceeded", "MediaTimeout"])
          assert.deepStrictEqual(
            outcomes.filter(({ tag }) => !allowed.has(tag)),
            []
          )
          assert.isAtLeast(outcomes.filter(({ tag }) => tag !== "Success").length, 20)
          assert.strictEqual((yield* probe(library.store, yield* library.object("h264.mp4"))).videoCodec, "h264")
        }),
      { timeout: 240_000 }
    )

    it.effect("refuses a cover of 65,535 by 65,535, and takes its song for a song [M5]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const picture = declaredPng(65_535, 65_535)
        const body = Buffer.concat([Buffer.from("\0image/png\0\x03\0", "latin1"), picture])
        const apic = Buffer.concat([Buffer.from("APIC"), id3Size(body.length), Buffer.from([0, 0]), body])
        const tag = Buffer.concat([Buffer.from("ID3\u0004\u0000\u0000"), id3Size(apic.length), apic])
        const object = yield* put("huge-cover.mp3", Buffer.concat([tag, yield* bytesOf("mp3.mp3")]))
        const found = yield* (yield* Probe).probe(library.store, object)
        assert.lengthOf(found.pictures, 1)
        const made = yield* (yield* Thumbnails).make(library.store, object, found)
        assert.deepStrictEqual(made, { images: [], thumbhash: null })
      })
    )
  })
})
