import { execFileSync } from "node:child_process"

import { assert, describe, layer } from "@effect/vitest"
import type { MediaStream } from "@joy/domain/MediaStream"
import * as Effect from "effect/Effect"

import * as Media from "../src/Media.ts"
import { Probe } from "../src/Probe.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import { box, inSampleEntry } from "./Mp4Boxes.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const probe = Effect.fnUntraced(function* (name: string) {
  const library = yield* Library
  const { probe } = yield* Probe
  return yield* probe(library.store, yield* library.object(name))
})

const firstStream = (name: string) => Effect.map(probe(name), ({ streams }) => streams[0])

const screen = {
  red: { x: 0.68, y: 0.32 },
  green: { x: 0.265, y: 0.69 },
  blue: { x: 0.15, y: 0.06 },
  whitePoint: { x: 0.3127, y: 0.329 },
  minLuminance: 0.005,
  maxLuminance: 1000
}

const expected: ReadonlyArray<readonly [name: string, what: string, expectation: Partial<MediaStream>]> = [
  ["h264.mp4", "its level, aspect and cadence", { level: "1.2", sampleAspectRatio: "1:1", interlacing: "progressive" }],
  ["hevc.mp4", "its level", { level: "2.0", codecString: "hvc1.1.6.L60.90", interlacing: "progressive" }],
  ["vp9.webm", "its level", { level: "1.1", interlacing: "progressive" }],
  ["av1.mp4", "its level", { level: "2.0", bitDepth: 8, interlacing: "progressive" }],
  ["end.mp4", "its rate as a fraction", { frameRateFraction: "30000/1001", isVariableFrameRate: false }],
  ["uneven.mp4", "that its frames last differently", { isVariableFrameRate: true }],
  ["uneven.mkv", "that its frames last differently", { isVariableFrameRate: true }],
  ["fields.mp4", "its fields", { interlacing: "bottom-field-first" }],
  [
    "anamorphic.mp4",
    "its sizes",
    { width: 320, height: 180, displayWidth: 427, displayHeight: 180, sampleAspectRatio: "4:3" }
  ],
  ["rotated.mp4", "its sizes", { width: 320, height: 180, displayWidth: 180, displayHeight: 320, rotation: 270 }],
  [
    "bt601.mp4",
    "its color",
    {
      sampleAspectRatio: "16:11",
      color: {
        dynamicRange: "sdr",
        range: "full",
        space: "smpte170m",
        transfer: "smpte170m",
        primaries: "smpte170m",
        masteringDisplay: null,
        contentLight: null,
        dolbyVision: null
      }
    }
  ],
  [
    "pq.mp4",
    "the screen that only its pictures tell",
    {
      color: {
        dynamicRange: "hdr10",
        range: "limited",
        space: "bt2020nc",
        transfer: "smpte2084",
        primaries: "bt2020",
        masteringDisplay: screen,
        contentLight: { maxContent: 1000, maxFrameAverage: 400 },
        dolbyVision: null
      }
    }
  ],
  ["surround.m4a", "its channels", { channels: 6, channelLayout: "5.1" }],
  ["mp3.mp3", "its channels", { channels: 1, channelLayout: "mono" }]
]

/** Boxes that lie behind the codec's configuration in a sample entry. */
const u16 = (...values: ReadonlyArray<number>) =>
  Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 255])))
const u32 = (...values: ReadonlyArray<number>) =>
  Buffer.concat(values.map((value) => u16(value >>> 16, value & 0xffff)))
const mdcv = box("mdcv", u16(13_250, 34_500, 7_500, 3_000, 34_000, 16_000, 15_635, 16_450), u32(10_000_000, 50))
const clli = box("clli", u16(1000, 400))
/** Profile 8, level 6, compatible with HDR10. */
const dvvC = box("dvvC", Buffer.from([1, 0, (8 << 1) | 0, (6 << 3) | 5, 1 << 4]), Buffer.alloc(19))

describe.skipIf(!hasFfmpeg)(`What a player needs to choose${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    for (const [name, what, expectation] of expected) {
      it.effect(`tells of ${name} ${what}`, () =>
        Effect.gen(function* () {
          const stream = yield* firstStream(name)
          for (const [key, value] of Object.entries(expectation)) {
            assert.deepStrictEqual(Object.entries(stream ?? {}).find(([name]) => name === key)?.[1], value, key)
          }
        })
      )
    }

    it.effect("reads the screen, the light and Dolby Vision where the container has them", () =>
      Effect.gen(function* () {
        const bytes = yield* bytesOf("pq.mp4")
        yield* put("graded.mp4", inSampleEntry(bytes, mdcv, clli))
        const graded = yield* firstStream("graded.mp4")
        assert.deepInclude(graded?.color, {
          dynamicRange: "hdr10",
          masteringDisplay: screen,
          contentLight: { maxContent: 1000, maxFrameAverage: 400 }
        })
        yield* put("vision.mp4", inSampleEntry(bytes, mdcv, dvvC))
        assert.deepInclude((yield* firstStream("vision.mp4"))?.color, {
          dynamicRange: "dolby-vision",
          dolbyVision: { profile: 8, level: 6, compatibility: 1 }
        })
        assert.strictEqual((yield* firstStream("hlg.mkv"))?.color?.dynamicRange, "hlg")
      })
    )

    for (const name of ["gop.mp4", "gop.mkv"]) {
      it.effect(`tells how far the keyframes of ${name} are apart, as counting its packets does`, () =>
        Effect.gen(function* () {
          const { folder } = yield* Library
          const { keyframes } = (yield* firstStream(name)) ?? {}
          const packets = execFileSync(
            "ffprobe",
            "-v error -select_streams v -show_entries packet=pts_time,flags -of csv=p=0".split(" ").concat(name),
            { cwd: folder, encoding: "utf8" }
          )
          const times = [...packets.matchAll(/^([\d.]+),K/gm)].map(([, time]) => Number(time))
          const gaps = [...times, 6].slice(1).map((time, i) => time - (times[i] ?? 0))
          assert.isAtLeast(gaps.length, 4)
          assert.closeTo(keyframes?.longestSeconds ?? 0, Math.max(...gaps), 0.01)
          assert.closeTo(keyframes?.averageSeconds ?? 0, 6 / gaps.length, 0.01)
        })
      )
    }

    it.effect("tells languages, titles and what tracks are for", () =>
      Effect.gen(function* () {
        const { streams } = yield* probe("tracks.mkv")
        assert.deepStrictEqual(
          streams.map(({ dispositions, isDefault, isForced, language, title, type }) => [
            type,
            language,
            title,
            isDefault,
            isForced,
            dispositions
          ]),
          [
            ["video", null, null, true, false, []],
            ["audio", "eng", null, true, false, ["original"]],
            ["audio", "fra", "Comments", false, false, ["comment", "visual_impaired"]],
            ["subtitle", "deu", null, false, true, ["hearing_impaired"]]
          ]
        )
      })
    )

    it.effect("keeps no place unless it is told to [M10]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        assert.isNull((yield* probe("place.jpg")).location)
        assert.isNull((yield* probe("located.mov")).location)
        yield* Effect.gen(function* () {
          const { probe } = yield* Probe
          const picture = yield* probe(library.store, yield* library.object("place.jpg"))
          assert.deepStrictEqual(picture.location, { latitude: -33.856856, longitude: 151.215, altitude: null })
          assert.strictEqual(picture.tags["make"], "Joy")
          const film = yield* probe(library.store, yield* library.object("located.mov"))
          assert.deepStrictEqual(film.location, { latitude: 48.8577, longitude: 2.295, altitude: 35 })
        }).pipe(Effect.provide(Media.layer({ keepLocation: true }), { local: true }))
      })
    )
  })
})
