import { copyFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import * as Browser from "@joy/testing/Browser"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as PlayerPage from "@joy/testing/PlayerPage"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const State = Schema.Struct({
  time: Schema.Finite,
  duration: Schema.Finite,
  ended: Schema.Boolean,
  width: Schema.Finite,
  height: Schema.Finite,
  frames: Schema.Finite,
  gaps: Schema.Finite,
  sounds: Schema.Array(Schema.String),
  texts: Schema.Array(Schema.String),
  error: Schema.NullOr(Schema.String),
  /** Of hls.js. */
  errors: Schema.Array(Schema.String)
})

const seconds = 24

/** A joy whose answers the page of the player may read. */
class World extends Context.Service<
  World,
  {
    /** Puts a film into the library and gives how it is played, by whole URLs. */
    readonly play: (
      key: string,
      path: string,
      tracks?: number
    ) => Effect.Effect<{ readonly hls: string; readonly file: string }>
    readonly origin: string
    readonly library: string
  }
>()("@joy/server/test/PlayerWorld") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function* () {
      const origin = yield* PlayerPage.serve
      const folder = yield* Joy.folder
      const library = join(folder, "library")
      mkdirSync(library)
      const up = yield* JoyUp.up(folder, { CORS_ORIGINS: origin, MEDIA_DIR: library })
      const { client } = yield* up.signIn("admin", up.password ?? "")
      const play = Effect.fnUntraced(function* (key: string, path: string, tracks = 0) {
        copyFileSync(path, join(library, key))
        const item = yield* Joy.until(
          Effect.map(client.media.list({ query: { limit: 200 } }), ({ items }) =>
            items.find(({ s3Key, status }) => String(s3Key) === key && status === "ready")
          ),
          (found) => found !== undefined,
          { what: key }
        )
        if (item === undefined) return yield* Effect.die(new Error(key))
        const { hls, progressive } = yield* Joy.until(
          client.playback.prepare({ params: { id: item.id } }),
          ({ subtitles }) => subtitles.length === tracks
        )
        return { hls: `${up.address}${hls?.url ?? ""}`, file: `${up.address}${progressive.url}` }
      }, Effect.orDie)
      return { play, origin, library }
    })
  )
}

/** Begins, jumps forth and back, and reaches the end. */
const watch = Effect.fnUntraced(function* (name: string, start: string) {
  const { origin } = yield* World
  const { open } = yield* Browser.Browser
  const tab = yield* open(origin)
  yield* tab.run(start)
  yield* tab.picture(name)
  for (const at of [18, 3.3, 11.9, 0, 20.2]) yield* tab.run(`seek(${at})`)
  yield* tab.run("toTheEnd()")
  const state = yield* Effect.orDie(Schema.decodeUnknownEffect(State)(yield* tab.run("look()")))
  assert.deepStrictEqual(
    { complaints: tab.complaints(), errors: state.errors, error: state.error, ended: state.ended },
    { complaints: [], errors: [], error: null, ended: true },
    name
  )
  assert.approximately(state.duration, seconds, 0.1)
  assert.approximately(state.time, state.duration, 0.1)
  return { tab, state }
})

const twoSounds = ["-map", "0:v", "-map", "1:a", "-map", "1:a"]
const languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra"]

describeWith(["chromium", "ffmpeg"], "a player in Chromium", () => {
  layer(Layer.merge(World.layer, Browser.Browser.layer), { excludeTestServices: true, timeout: "120 seconds" })(
    "on a page of its own",
    (it) => {
      for (const [name, options] of [
        ["H.264 and AAC", {}],
        ["H.264 and AAC with its index first", { extra: ["-movflags", "+faststart"] }],
        ["H.264 without sound", { audioCodec: null }],
        ["H.264 and MP3", { audioCodec: "libmp3lame" }],
        ["H.264 with five seconds between keyframes", { gop: 125 }],
        [
          "VP9 and Opus",
          { videoCodec: "libvpx-vp9", audioCodec: "libopus", extra: ["-cpu-used", "8", "-deadline", "realtime"] }
        ],
        ["H.264 and AAC of Matroska", { container: "mkv" }],
        ["reordered H.264 of a recording without cues", { container: "mkv", extra: ["-bf", "3", "-live", "1"] }],
        ["H.264 and MP3 of Matroska", { container: "mkv", audioCodec: "libmp3lame" }],
        [
          "VP9 and Opus of WebM",
          {
            container: "webm",
            videoCodec: "libvpx-vp9",
            audioCodec: "libopus",
            extra: ["-cpu-used", "8", "-deadline", "realtime"]
          }
        ]
      ] as const) {
        it.effect(`plays ${name} by HLS: begins, seeks to five points, and reaches the end without a stall`, () =>
          Effect.gen(function* () {
            const { play } = yield* World
            const film: TestMedia.VideoOptions = { seconds, ...options }
            const { hls } = yield* play(`${name}.${film.container ?? "mp4"}`, yield* TestMedia.video(film))
            const { state } = yield* watch(name, `playHls(${JSON.stringify(hls)})`)
            assert.deepStrictEqual([state.width, state.height], [320, 180])
            assert.isAbove(state.frames, 10)
          })
        )
      }

      for (const [name, options] of [
        ["MP3", { container: "mp3" }],
        ["AAC in ADTS", { container: "aac" }],
        [
          "FLAC of 24 bits",
          { container: "flac", extra: ["-sample_fmt", "s32", "-bits_per_raw_sample", "24", "-ar", "96000"] }
        ],
        ["Opus in Ogg", { container: "opus" }]
      ] as const) {
        it.effect(`plays ${name} by HLS from beginning to end`, () =>
          Effect.gen(function* () {
            const { play } = yield* World
            const { hls } = yield* play(`${name}.${options.container}`, yield* TestMedia.audio({ seconds, ...options }))
            yield* watch(name, `playHls(${JSON.stringify(hls)})`)
          })
        )
      }

      it.effect("changes the language of what is heard, and shows what is read", () =>
        Effect.gen(function* () {
          const { library, play } = yield* World
          const { open } = yield* Browser.Browser
          const { origin } = yield* World
          writeFileSync(join(library, "languages.de.srt"), `1\n00:00:00,000 --> 00:00:${seconds},000\nGuten Tag\n`)
          const film = yield* TestMedia.video({ seconds, extra: [...twoSounds, ...languages] })
          const { hls } = yield* play("languages.mp4", film, 1)
          const tab = yield* open(origin)
          yield* tab.run(`playHls(${JSON.stringify(hls)})`)
          yield* tab.run("hear(1)")
          yield* tab.run("seek(12)")
          yield* tab.run("hear(0)")
          assert.deepStrictEqual(yield* tab.run("read(0)"), ["Guten Tag"])
          yield* tab.picture("languages")
          yield* tab.run("toTheEnd()")
          const state = yield* Schema.decodeUnknownEffect(State)(yield* tab.run("look()"))
          assert.deepStrictEqual(
            { errors: state.errors, sounds: state.sounds, texts: state.texts },
            { errors: [], sounds: ["en", "fr"], texts: ["de"] }
          )
        })
      )

      it.effect("plays the object itself, by ranges", () =>
        Effect.gen(function* () {
          const { play } = yield* World
          const { file } = yield* play("file.mp4", yield* TestMedia.video({ seconds }))
          yield* watch("file", `playFile(${JSON.stringify(file)})`)
        })
      )
    }
  )
})
