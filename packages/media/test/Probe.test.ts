import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

import { Probe } from "../src/Probe.ts"
import { ProbeResult } from "../src/ProbeResult.ts"
import { hasFfmpeg, Library, needsFfmpeg } from "./Fixtures.ts"
import { everything, layerOptions, probeByFfprobe, probeWithoutFfmpeg } from "./TestLayers.ts"

class ByFfprobe extends Context.Service<ByFfprobe, Probe["Service"]>()("@joy/media/test/ByFfprobe") {}
class WithoutFfmpeg extends Context.Service<WithoutFfmpeg, Probe["Service"]>()("@joy/media/test/WithoutFfmpeg") {}

const others = Layer.mergeAll(
  Layer.effect(ByFfprobe, Effect.map(Probe, ByFfprobe.of)).pipe(Layer.provide(probeByFfprobe)),
  Layer.effect(WithoutFfmpeg, Effect.map(Probe, WithoutFfmpeg.of)).pipe(Layer.provide(probeWithoutFfmpeg))
)

const probe = Effect.fnUntraced(function* (name: string) {
  const library = yield* Library
  const { probe } = yield* Probe
  return yield* probe(library.store, yield* library.object(name))
})

const expected: ReadonlyArray<readonly [name: string, expectation: Partial<ProbeResult>]> = [
  [
    "h264.mp4",
    {
      type: "video",
      container: "mp4",
      width: 320,
      height: 180,
      frameRate: 25,
      frameRateFraction: "25/1",
      videoCodec: "h264",
      audioCodec: "aac",
      capturedAt: "2024-05-06T07:08:09.000Z",
      tags: { title: "Title" },
      pictures: [],
      orientation: null
    }
  ],
  ["end.mp4", { type: "video", container: "mp4", frameRateFraction: "30000/1001", frameRate: 30_000 / 1001 }],
  ["end.mov", { type: "video", container: "mov", frameRateFraction: "30000/1001", videoCodec: "h264" }],
  ["fragmented.mp4", { type: "video", container: "mp4", videoCodec: "h264", audioCodec: "aac", frameRate: 25 }],
  ["h264.mkv", { type: "video", container: "matroska", videoCodec: "h264", audioCodec: "aac", frameRate: 25 }],
  ["hevc.mp4", { type: "video", container: "mp4", videoCodec: "hevc", audioCodec: "aac", frameRate: 25 }],
  ["vp9.webm", { type: "video", container: "webm", videoCodec: "vp9", audioCodec: "opus", frameRate: 25 }],
  ["av1.mp4", { type: "video", container: "mp4", videoCodec: "av1", audioCodec: null, frameRate: 25 }],
  ["rotated.mp4", { type: "video", width: 180, height: 320 }],
  ["anamorphic.mp4", { type: "video", width: 427, height: 180 }],
  ["h264.avi", { type: "video", container: "avi", videoCodec: "mpeg4", audioCodec: "mp3", width: 320 }],
  ["h264.ts", { type: "video", container: "mpegts", videoCodec: "h264", audioCodec: "aac", width: 320 }],
  ["wmv2.wmv", { type: "video", container: "asf", videoCodec: "wmv2", audioCodec: "wmav2", width: 320 }],
  ["mpeg4.mp4", { type: "video", container: "mp4", videoCodec: "mpeg4", audioCodec: null }],
  ["theora.ogv", { type: "video", container: "ogg", videoCodec: "theora", audioCodec: null }],
  ["single.mp4", { type: "video", videoCodec: "h264", width: 320, height: 180 }],
  [
    "mp3.mp3",
    {
      type: "audio",
      container: "mp3",
      audioCodec: "mp3",
      videoCodec: null,
      tags: { title: "Song", artist: "Band", album: "Disk", track: "3" },
      pictures: []
    }
  ],
  [
    "cover.mp3",
    { type: "audio", container: "mp3", videoCodec: null, pictures: [{ kind: "other", mimeType: "image/png" }] }
  ],
  ["aac.m4a", { type: "audio", container: "mp4", audioCodec: "aac", tags: { title: "Song", artist: "Band" } }],
  [
    "cover.m4a",
    {
      type: "audio",
      container: "mp4",
      audioCodec: "aac",
      videoCodec: null,
      pictures: [{ kind: "front", mimeType: "image/png" }]
    }
  ],
  ["flac.flac", { type: "audio", container: "flac", audioCodec: "flac", tags: { title: "Song", artist: "Band" } }],
  ["opus.opus", { type: "audio", container: "ogg", audioCodec: "opus", tags: { title: "Song", artist: "Band" } }],
  ["vorbis.ogg", { type: "audio", container: "ogg", audioCodec: "vorbis", tags: { title: "Song" } }],
  ["pcm.wav", { type: "audio", container: "wav", audioCodec: "pcm_s16le", tags: { title: "Song" } }],
  ["aac.aac", { type: "audio", container: "aac", audioCodec: "aac" }],
  [
    "exif.jpg",
    {
      type: "image",
      container: "jpeg",
      width: 360,
      height: 640,
      orientation: 6,
      capturedAt: "2024-05-06T05:08:09.000Z",
      tags: { make: "Joy", model: "Kunga 1" },
      durationSeconds: null,
      streams: []
    }
  ],
  ["alpha.png", { type: "image", container: "png", width: 640, height: 360, orientation: null }],
  ["picture.webp", { type: "image", container: "webp", width: 640, height: 360 }],
  ["picture.gif", { type: "image", container: "gif", width: 100, height: 56 }],
  ["picture.avif", { type: "image", container: "avif", width: 640, height: 360 }],
  ["picture.tiff", { type: "image", container: "tiff", width: 640, height: 360 }]
]

/** Read in process and by ffprobe, these must come to the same. */
const common = (
  "h264.mp4 end.mp4 end.mov h264.mkv ten.mkv hevc.mp4 vp9.webm av1.mp4 rotated.mp4 anamorphic.mp4 h264.avi " +
  "pq.mp4 hlg.mkv bt601.mp4 fields.mp4 uneven.mp4 gop.mp4 gop.mkv tracks.mkv " +
  "mp3.mp3 cover.mp3 aac.m4a cover.m4a flac.flac opus.opus vorbis.ogg pcm.wav aac.aac surround.m4a surround.opus"
).split(" ")

/** Without what the two know differently well. */
const comparable = (result: ProbeResult) => ({
  ...result,
  durationSeconds: null,
  bitrate: null,
  frameRate: null,
  frameRateFraction: result.streams[0]?.isVariableFrameRate === true ? null : result.frameRateFraction,
  // FFmpeg knows one demuxer for both.
  container: result.container === "webm" ? "matroska" : result.container,
  // The muxer's name is not everywhere among what mediabunny tells.
  tags: { ...result.tags, software: null },
  streams: result.streams.map((stream) => ({
    ...stream,
    bitrate: null,
    codecString: null,
    isDefault: null,
    // Of uneven frames FFmpeg has several averages.
    frameRate: null,
    frameRateFraction: stream.isVariableFrameRate === true ? null : stream.frameRateFraction,
    // ffprobe would have to read all of the object for these, and has no level of VP9.
    keyframes: null,
    level: stream.codec === "vp9" ? null : stream.level,
    // Only ffprobe looks into the sound's frames for these.
    profile: stream.type === "audio" ? null : stream.profile,
    bitDepth: stream.type === "audio" ? null : stream.bitDepth
  }))
})

const near = (name: string, what: string, a: number | null, b: number | null, tolerance: number) =>
  assert.isAtMost(Math.abs((a ?? 0) - (b ?? 0)), tolerance, `${name}: ${what} ${a} and ${b}`)

describe.skipIf(!hasFfmpeg)(`Probe${needsFfmpeg}`, () => {
  layer(
    Layer.provideMerge(others, everything),
    layerOptions
  )((it) => {
    for (const [name, expectation] of expected) {
      it.effect(`tells what is inside ${name}`, () =>
        Effect.gen(function* () {
          const result = yield* probe(name)
          const json: unknown = JSON.parse(JSON.stringify(result))
          assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(ProbeResult)(json), result)
          for (const [key, value] of Object.entries(expectation)) {
            assert.deepStrictEqual(Object.entries(result).find(([name]) => name === key)?.[1], value, key)
          }
          const isShort = name === "single.mp4" || name === "av1.mp4"
          if (result.type !== "image") near(name, "duration", result.durationSeconds, isShort ? 0.2 : 2, 0.25)
        })
      )
    }

    for (const name of common) {
      it.effect(`agrees with ffprobe about ${name}`, () =>
        Effect.gen(function* () {
          const library = yield* Library
          const theirs = yield* (yield* ByFfprobe).probe(library.store, yield* library.object(name))
          const ours = yield* probe(name)
          assert.deepStrictEqual(comparable(ours), comparable(theirs))
          near(name, "duration", ours.durationSeconds, theirs.durationSeconds, 0.1)
          near(name, "bitrate", ours.bitrate, theirs.bitrate, (theirs.bitrate ?? 0) * 0.05)
        })
      )
    }

    it.effect("gives codec strings, profiles and pixel formats", () =>
      Effect.gen(function* () {
        const table = [
          ["h264.mp4", /^avc1\.42c0/, "Constrained Baseline", "yuv420p"],
          ["ten.mkv", /^avc1\.6e/, "High 10", "yuv420p10le"],
          ["hevc.mp4", /^hvc1\.1\./, "Main", "yuv420p"],
          ["vp9.webm", /^vp09\.00\./, "Profile 0", "yuv420p"],
          ["av1.mp4", /^av01\.0\./, "Main", "yuv420p"]
        ] as const
        for (const [name, codecString, profile, pixelFormat] of table) {
          const [stream] = (yield* probe(name)).streams
          assert.match(stream?.codecString ?? "", codecString)
          assert.deepStrictEqual([stream?.profile, stream?.pixelFormat], [profile, pixelFormat])
        }
      })
    )

    it.effect("tells subtitles and chapters, and codec strings with them", () =>
      Effect.gen(function* () {
        const matroska = yield* probe("chapters.mkv")
        assert.deepStrictEqual(
          matroska.chapters.map(({ title, startSeconds }) => [title, startSeconds]),
          [
            ["One", 0],
            ["Two", 1]
          ]
        )
        const subtitle = matroska.streams.find(({ type }) => type === "subtitle")
        assert.deepInclude(subtitle, { index: 2, codec: "subrip", language: "eng" })
        assert.match(matroska.streams[0]?.codecString ?? "", /^avc1\./)
        const mp4 = yield* probe("subtitled.mp4")
        assert.deepInclude(mp4.streams[2], { type: "subtitle", codec: "mov_text", language: "deu" })
        assert.strictEqual(mp4.streams[0]?.rotation, 0)
      })
    )

    it.effect("turns what is to be turned", () =>
      Effect.gen(function* () {
        const { streams, width, height } = yield* probe("rotated.mp4")
        // As ffmpeg 5.1 understands "rotate=90": counter-clockwise.
        assert.deepStrictEqual([streams[0]?.rotation, width, height], [270, 180, 320])
      })
    )

    it.effect("reads the common formats without ffmpeg, and says what to install for the others", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const { probe } = yield* WithoutFfmpeg
        const ask = Effect.fnUntraced(function* (name: string) {
          return yield* probe(library.store, yield* library.object(name))
        })
        for (const name of ["h264.mp4", "vp9.webm", "mp3.mp3", "exif.jpg", "chapters.mkv"]) {
          assert.isNotNull((yield* ask(name)).container)
        }
        const error = yield* Effect.flip(ask("h264.avi"))
        assert.strictEqual(error._tag, "FfmpegMissing")
        assert.match(error.message, /install ffmpeg.*FFPROBE_PATH/)
      })
    )
  })
})
