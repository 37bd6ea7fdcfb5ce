import { execFile } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"

import { assert, it, layer } from "@effect/vitest"
import type { MediaItemId } from "@joy/domain/Ids"
import type { Playback } from "@joy/domain/Playback"
import { ffprobe } from "@joy/testing/Executables"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import { ready } from "./LibraryItems.ts"

const play = Effect.fnUntraced(function* (id: MediaItemId) {
  const { admin } = yield* JoyUp.JoyUp
  return yield* Effect.orDie(admin.client.playback.prepare({ params: { id } }))
})

const prepared = (id: MediaItemId) =>
  Joy.until(play(id), ({ status }) => status !== "preparing", { what: "a rendition", seconds: 60 })

const Probed = Schema.fromJsonString(
  Schema.Struct({
    streams: Schema.Array(
      Schema.Struct({
        codec_name: Schema.String,
        pix_fmt: Schema.optionalKey(Schema.String),
        width: Schema.optionalKey(Schema.Int)
      })
    ),
    format: Schema.Struct({ duration: Schema.String })
  })
)

/** What ffprobe finds behind a URL. */
const probe = Effect.fnUntraced(function* (url: string) {
  const output = yield* Effect.callback<string>((resume) => {
    const args = ["-v", "error", "-of", "json", "-show_streams", "-show_format", url]
    const child = execFile(ffprobe() ?? "ffprobe", args, (error, stdout, stderr) =>
      resume(error === null && stderr === "" ? Effect.succeed(stdout) : Effect.die(error ?? new Error(stderr)))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })
  const { format, streams } = yield* Effect.orDie(Schema.decodeEffect(Probed)(output))
  return {
    codecs: streams.map(({ codec_name, pix_fmt }) => (pix_fmt === undefined ? codec_name : `${codec_name} ${pix_fmt}`)),
    seconds: Math.round(Number(format.duration))
  }
})

describeWith(["ffmpeg"], "What browsers don't play", () => {
  layer(JoyUp.JoyUp.layer({ RATE_LIMITS: "off" }), { excludeTestServices: true, timeout: "180 seconds" })(
    "of a library",
    (it) => {
      it.effect("is made playable when somebody wants to play it, and not before", () =>
        Effect.gen(function* () {
          const { address, dataDir, request } = yield* JoyUp.JoyUp
          const film = { container: "avi", videoCodec: "mpeg4", audioCodec: "ac3", seconds: 12 }
          const { id, s3Key } = yield* ready("film.avi", yield* TestMedia.video(film))
          const files = () => readdirSync(join(dataDir, "derived"), { recursive: true, encoding: "utf8" })
          assert.deepStrictEqual(
            files().filter((name) => name.endsWith("rendition.mp4")),
            []
          )
          const [first] = yield* Effect.all([play(id), play(id), play(id)], { concurrency: 3 })
          assert.deepInclude(first, { status: "preparing", hls: null })
          assert.isBelow(first.preparedPercent, 100)
          assert.deepInclude(first.progressive, { direct: false, mimeType: "video/x-msvideo" })

          const { hls, preparedPercent, progressive, status } = yield* prepared(id)
          assert.deepStrictEqual([status, preparedPercent], ["ready", 100])
          assert.deepInclude(progressive, { direct: true, mimeType: "video/mp4" })
          assert.match(progressive.url, /\/rendition\.mp4$/)
          const expected = { codecs: ["h264 yuv420p", "aac"], seconds: 12 }
          assert.deepStrictEqual(yield* probe(address + progressive.url), expected)
          assert.deepStrictEqual(yield* probe(address + (hls?.url ?? "")), expected)
          const part = yield* request(progressive.url, { headers: { range: "bytes=4-7" } })
          assert.deepStrictEqual([part.status, part.text], [206, "ftyp"])
          // Its index is in front: players begin without the end of the file.
          const whole = yield* request(progressive.url)
          assert.isBelow(whole.bytes.indexOf("moov"), whole.bytes.indexOf("mdat"))
          const original = yield* request(progressive.url.replace("rendition.mp4", "content"))
          assert.strictEqual(original.bytes.subarray(8, 11).toString(), "AVI", String(s3Key))
          assert.lengthOf(
            files().filter((name) => name.endsWith("rendition.mp4")),
            1
          )
        })
      )

      it.effect("keeps what browsers do play of it, and ends the grants of what is replaced", () =>
        Effect.gen(function* () {
          const { address, request } = yield* JoyUp.JoyUp
          const tenBits = { container: "mkv", seconds: 4, extra: ["-pix_fmt", "yuv420p10le"] }
          const { id } = yield* ready("ten bits.mkv", yield* TestMedia.video(tenBits))
          yield* play(id)
          const { hls } = yield* prepared(id)
          assert.deepStrictEqual((yield* probe(address + (hls?.url ?? ""))).codecs, ["h264 yuv420p", "aac"])

          const song = yield* ready("song.m4a", yield* TestMedia.audio({ container: "m4a", extra: ["-c:a", "alac"] }))
          yield* play(song.id)
          const { progressive } = yield* prepared(song.id)
          assert.deepInclude(progressive, { direct: true, mimeType: "audio/mp4" })
          assert.deepStrictEqual((yield* probe(address + progressive.url)).codecs, ["aac"])

          yield* ready("ten bits.mkv", yield* TestMedia.video({ ...tenBits, seconds: 5 }))
          yield* Joy.until(request(hls?.url ?? ""), ({ status }) => status === 410)
          const again = yield* play(id)
          assert.strictEqual(again.status, "preparing")
          const { progressive: other } = yield* prepared(id)
          assert.strictEqual((yield* probe(address + other.url)).seconds, 5)
        })
      )
    }
  )

  it.live(
    "is made all the same when joy is killed at it",
    () =>
      Effect.gen(function* () {
        const folder = yield* Joy.folder
        const library = join(folder, "library")
        mkdirSync(library)
        const film = { container: "avi", videoCodec: "mpeg4", seconds: 30, width: 1280, height: 720 }
        copyFileSync(yield* TestMedia.video(film), join(library, "film.avi"))
        const running = yield* JoyUp.up(folder, { MEDIA_DIR: library })
        const playing = ({ signIn }: JoyUp.Up, holds: (playback: Playback) => boolean) =>
          Effect.gen(function* () {
            const { client } = yield* signIn("admin", running.password ?? "")
            const { items } = yield* Joy.until(
              Effect.orDie(client.media.list({ query: {} })),
              ({ items }) => items[0]?.status === "ready"
            )
            const id = items[0]?.id ?? (yield* Effect.die(new Error("There is no item")))
            const asked = Effect.orDie(client.playback.prepare({ params: { id } }))
            return yield* Joy.until(asked, holds, { seconds: 120 })
          })
        const before = yield* playing(running, ({ preparedPercent }) => preparedPercent > 0)
        assert.strictEqual(before.status, "preparing")
        yield* Joy.nothingLeft(running.dataDir, yield* running.joy.kill)

        const again = yield* JoyUp.up(folder, { MEDIA_DIR: library })
        const ready = yield* playing(again, ({ status }) => status !== "preparing")
        assert.strictEqual(ready.status, "ready")
        assert.strictEqual((yield* probe(again.address + ready.progressive.url)).seconds, 30)
      }).pipe(Effect.scoped),
    240_000
  )
})
