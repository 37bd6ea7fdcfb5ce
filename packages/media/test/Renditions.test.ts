import { existsSync, readFileSync } from "node:fs"

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it as pure, layer } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { encodeArgs, transformLimits } from "../src/FfmpegArgs.ts"
import { diagnoseFile } from "../src/FfmpegDiagnosis.ts"
import * as Media from "../src/Media.ts"
import { Probe } from "../src/Probe.ts"
import { Renditions } from "../src/Renditions.ts"
import * as MemoryStore from "./MemoryStore.ts"

const services = Media.layer().pipe(Layer.provide(NodeServices.layer))

/** The file that is made of bytes, as it was probed; what was said of progress; and where it was. */
const made = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const store = MemoryStore.make()
  const object = store.put("object", bytes, "etag")
  const found = yield* (yield* Probe).probe(store, object)
  const shares: Array<number> = []
  const path = yield* (yield* Renditions).make(store, object, found, (share) => Effect.sync(() => shares.push(share)))
  const copy = store.put("made", readFileSync(path), "etag")
  return { probe: yield* (yield* Probe).probe(store, copy), shares, path }
})

describeWith(["ffmpeg"], "Renditions", () => {
  layer(services, { excludeTestServices: true, timeout: "120 seconds" })("of real files", (it) => {
    for (const [name, options, size] of [
      ["MPEG-4 ASP and AC-3 in AVI", { container: "avi", videoCodec: "mpeg4", audioCodec: "ac3" }, [320, 180]],
      [
        "MPEG-2 and MP2 in a program stream",
        { container: "mpg", videoCodec: "mpeg2video", audioCodec: "mp2" },
        [320, 180]
      ],
      ["WMV and WMA", { container: "wmv", videoCodec: "wmv2", audioCodec: "wmav2" }, [320, 180]],
      ["H.264 of ten bits", { container: "mkv", extra: ["-pix_fmt", "yuv420p10le"] }, [320, 180]],
      ["H.264 and AC-3 in Matroska", { container: "mkv", audioCodec: "ac3" }, [320, 180]],
      ["H.264 and AAC in a transport stream", { container: "ts" }, [320, 180]],
      ["pictures without sound", { container: "avi", videoCodec: "mpeg4", audioCodec: null }, [320, 180]],
      [
        "more pixels than Full HD",
        { container: "avi", videoCodec: "mpeg4", width: 2000, height: 2500, seconds: 1 },
        [1080, 1350]
      ]
    ] as const) {
      it.effect(`are H.264 and AAC in MP4: ${name}`, () =>
        Effect.gen(function* () {
          const { path, probe, shares } = yield* Effect.scoped(made(readFileSync(yield* TestMedia.video(options))))
          assert.deepInclude(probe, { container: "mp4", videoCodec: "h264" })
          assert.strictEqual(probe.audioCodec, "audioCodec" in options && options.audioCodec === null ? null : "aac")
          assert.strictEqual(probe.streams[0]?.pixelFormat, "yuv420p")
          assert.deepStrictEqual([probe.width, probe.height], [...size])
          assert.approximately(probe.durationSeconds ?? 0, "seconds" in options ? options.seconds : 2, 0.2)
          assert.isAbove(shares.at(-1) ?? 0, 0.8)
          assert.isFalse(existsSync(path), "it is gone with the scope")
        })
      )
    }

    it.effect("leave pictures as they are coded where only the sound is at fault", () =>
      Effect.gen(function* () {
        const path = yield* TestMedia.video({ container: "mkv", audioCodec: "ac3", gop: 75, seconds: 6 })
        const { probe } = yield* Effect.scoped(made(readFileSync(path)))
        // Encoded anew, they would have one every two seconds.
        assert.strictEqual(probe.streams[0]?.keyframes?.longestSeconds, 3)
      })
    )

    it.effect("are cut every two seconds where they are encoded", () =>
      Effect.gen(function* () {
        const path = yield* TestMedia.video({ container: "avi", videoCodec: "mpeg4", gop: 250, seconds: 6 })
        const { probe } = yield* Effect.scoped(made(readFileSync(path)))
        assert.strictEqual(probe.streams[0]?.keyframes?.longestSeconds, 2)
      })
    )

    it.effect("are not made of what can't be decoded, nor of an object that was replaced meanwhile", () =>
      Effect.gen(function* () {
        const renditions = yield* Renditions
        const film = readFileSync(yield* TestMedia.video({ container: "avi", videoCodec: "mpeg4", audioCodec: null }))
        const store = MemoryStore.make()
        const object = store.put("object", film, "etag")
        const found = yield* (yield* Probe).probe(store, object)
        const make = Effect.flip(Effect.scoped(renditions.make(store, object, found, () => Effect.void)))
        store.put("object", Buffer.alloc(film.length, "no film "), "etag")
        assert.strictEqual((yield* make)._tag, "UnreadableMedia")
        store.put("object", film, "other")
        assert.strictEqual((yield* make)._tag, "ObjectChanged")
        const still = yield* Effect.flip(
          Effect.scoped(renditions.make(store, object, { ...found, streams: [] }, () => Effect.void))
        )
        assert.strictEqual(still._tag, "UnreadableMedia")
      })
    )
  })
})

const said = (stderr: string) => diagnoseFile("rendition", { code: 1, signal: null, stderr })

describe("What ffmpeg says of a file that it can't write", () => {
  pure("is no fault of the object, unless it is too large", () => {
    assert.deepInclude(said("av_interleaved_write_frame(): No space left on device"), { isFull: true })
    assert.deepInclude(said("file:/tmp/x/rendition.mp4: Permission denied"), {
      _tag: "StoreUnavailable",
      isFull: false
    })
    assert.strictEqual(said("File too large")._tag, "MediaResourceExceeded")
    assert.strictEqual(said("Invalid data found")._tag, "UnreadableMedia")
  })

  pure("can be nothing but the one file: its input is the object alone", () => {
    const call = { path: "/tmp/x/rendition.mp4", output: ["-c", "copy"], format: "mp4" }
    const args = encodeArgs(call, "http://127.0.0.1:1/s/media", transformLimits)
    const input = args.indexOf("-i")
    assert.strictEqual(args.lastIndexOf("-i"), input)
    assert.include(args.slice(0, input).join(" "), "-protocol_whitelist http,tcp -format_whitelist")
    assert.include(args.slice(input).join(" "), "-protocol_whitelist file,pipe -f mp4 file:/tmp/x/rendition.mp4")
  })
})
