import { execFile } from "node:child_process"
import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { ffmpeg } from "@joy/testing/Executables"
import * as HlsValidator from "@joy/testing/HlsValidator"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"

/** Puts a file into the library and gives its playback once all that can come has come. */
const play = Effect.fnUntraced(function* (key: string, path: string, tracks = 0) {
  const { admin, library } = yield* JoyUp.JoyUp
  copyFileSync(path, join(library, key))
  const item = yield* Joy.until(
    Effect.map(Effect.orDie(admin.client.media.list({ query: { limit: 200 } })), ({ items }) =>
      items.find(({ s3Key, status }) => String(s3Key) === key && status === "ready")
    ),
    (found) => found !== undefined,
    { what: key }
  )
  if (item === undefined) return yield* Effect.die(new Error(key))
  const playback = yield* Joy.until(
    Effect.orDie(admin.client.playback.prepare({ params: { id: item.id } })),
    ({ subtitles }) => subtitles.length === tracks
  )
  return { item, ...playback, hls: playback.hls?.url ?? "" }
})

/** As a player resolves it. */
const resolve = (uri: string, base: string) => new URL(uri, `http://joy${base}`).pathname

const problem = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type}`)

/** What ffmpeg warns of when it plays a URL to its end, but for what it says of every text track. */
const complaints = (url: string) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const args = [
      "-nostdin",
      "-hide_banner",
      "-loglevel",
      "warning",
      "-i",
      url,
      "-map",
      "0:v?",
      "-map",
      "0:a?",
      "-f",
      "null",
      "-"
    ]
    const child = execFile(ffmpeg() ?? "ffmpeg", args, (error, _, stderr) => {
      const lines = stderr.split("\n").filter((line) => line !== "" && !/subtitle|webvtt/i.test(line))
      resume(Effect.succeed(error === null ? lines : [error.message, ...lines]))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const settings = { RATE_LIMITS: "off" }

describeWith(["ffmpeg"], "HLS by a grant", () => {
  layer(JoyUp.JoyUp.layer(settings), { excludeTestServices: true, timeout: "120 seconds" })("of a library", (it) => {
    it.effect("leads from one URL to everything there is to play, and each may be kept", () =>
      Effect.gen(function* () {
        const { address, library, request } = yield* JoyUp.JoyUp
        writeFileSync(join(library, "film.en.srt"), "1\n00:00:00,500 --> 00:00:01,500\nHello\n")
        writeFileSync(join(library, "film.de.forced.srt"), "1\n00:00:00,500 --> 00:00:01,500\nHallo\n")
        const { hls } = yield* play("film.mp4", yield* TestMedia.video({ seconds: 15 }), 2)

        const main = yield* request(hls)
        assert.strictEqual(main.headers["content-type"], "application/vnd.apple.mpegurl")
        // Its text tracks may come later.
        assert.strictEqual(main.headers["cache-control"], "private, no-cache")
        const { media, mistakes, variants } = HlsValidator.validateMultivariant(main.text)
        assert.deepStrictEqual(mistakes, [])
        assert.deepStrictEqual(
          media.map((attributes) => attributes["LANGUAGE"]),
          ["de", "en"]
        )
        for (const { URI } of media) {
          const track = yield* request(resolve(URI ?? "", hls))
          const { segments } = HlsValidator.validateMedia(track.text)
          const text = yield* request(resolve(segments[0]?.uri ?? "", resolve(URI ?? "", hls)))
          assert.match(text.text, /^WEBVTT/)
        }

        const index = resolve(variants[0]?.uri ?? "", hls)
        const playlist = yield* request(index)
        const { map, mistakes: others, segments } = HlsValidator.validateMedia(playlist.text)
        assert.deepStrictEqual(others, [])
        assert.isAbove(segments.length, 1)
        const urls = [map ?? "", ...segments.map(({ uri }) => uri)].map((uri) => resolve(uri, index))
        for (const url of [index, ...urls]) {
          const part = yield* request(url)
          assert.strictEqual(part.status, 200, url)
          assert.match(String(part.headers["cache-control"]), /^private, max-age=\d+, immutable$/)
          if (url !== index) assert.strictEqual(part.headers["content-type"], "video/mp4")
          const head = yield* request(url, { method: "HEAD" })
          assert.deepInclude(head.headers, { etag: part.headers.etag, "content-length": String(part.bytes.length) })
          const again = yield* request(url, { headers: { "if-none-match": String(part.headers.etag) } })
          assert.strictEqual(again.status, 304)
          // The same bytes every time, and whole ones.
          const ranged = yield* request(url, { headers: { range: "bytes=0-9" } })
          assert.strictEqual(ranged.status, 200)
          assert.isTrue(ranged.bytes.equals(part.bytes))
        }
        const other = yield* request(urls[1] ?? "", { headers: { "if-match": '"another"' } })
        assert.strictEqual(yield* problem(other), "412 urn:joy:precondition-failed")
        assert.deepStrictEqual(yield* complaints(address + hls), [])
      })
    )

    it.effect("keeps languages apart, and sends MP3 as it is", () =>
      Effect.gen(function* () {
        const { address, request } = yield* JoyUp.JoyUp
        const two = yield* play(
          "languages.mp4",
          yield* TestMedia.video({
            seconds: 12,
            extra: [
              "-map",
              "0:v",
              "-map",
              "1:a",
              "-map",
              "1:a",
              "-metadata:s:a:0",
              "language=eng",
              "-metadata:s:a:1",
              "language=fra"
            ]
          })
        )
        const { media } = HlsValidator.validateMultivariant((yield* request(two.hls)).text)
        assert.deepStrictEqual(
          media.map((attributes) => attributes["LANGUAGE"]),
          ["en", "fr"]
        )
        const sound = yield* request(resolve("audio-1/0.m4s", two.hls))
        assert.strictEqual(sound.headers["content-type"], "audio/mp4")
        assert.deepStrictEqual(yield* complaints(address + two.hls), [])

        const song = yield* play("song.mp4", yield* TestMedia.video({ seconds: 12, audioCodec: "libmp3lame" }))
        assert.strictEqual(song.status, "ready")
        const packed = yield* request(resolve("audio-0/0.mp3", song.hls))
        assert.strictEqual(packed.headers["content-type"], "audio/mpeg")
        // A part has one name.
        for (const uri of ["audio-0/0.m4s", "main/0.mp3", "audio-0/init.mp4"]) {
          assert.strictEqual(yield* problem(yield* request(resolve(uri, song.hls))), "404 urn:joy:not-found", uri)
        }
      })
    )

    it.effect("has nothing under names and numbers that it did not tell", () =>
      Effect.gen(function* () {
        const { request } = yield* JoyUp.JoyUp
        const { hls } = yield* play("named.mp4", yield* TestMedia.video())
        const folder = hls.replace("main.m3u8", "")
        for (const [rest, expected] of [
          ["main/1.m4s", 404],
          ["main/999999999.m4s", 404],
          ["main/9999999999.m4s", 400],
          ["main/-1.m4s", 400],
          ["main/0x0.m4s", 400],
          ["main/00.m4s", 400],
          ["main/0.ts", 404],
          ["other/index.m3u8", 404],
          ["subtitles-0/index.m3u8", 404],
          ["__proto__/init.mp4", 404],
          ["constructor/0.m4s", 404],
          ["..%2fmain/0.m4s", 404],
          ["%2e%2e/index.m3u8", 404],
          [`${"r".repeat(600)}/index.m3u8`, 404],
          ["%00/init.mp4", 404],
          ["main%5c..%5c/0.m4s", 404]
        ] as const) {
          const answer = yield* request(folder + rest)
          assert.strictEqual(answer.status, expected, rest)
          yield* JoyHttp.decode(JoyHttp.Problem, answer)
        }
        const wrong = yield* request(folder.replace("/play/", "/play/A") + "main/0.m4s")
        assert.strictEqual(yield* problem(wrong), "401 urn:joy:invalid-grant")
      })
    )

    it.effect("is not offered for what browsers can't play, or have no segments for", () =>
      Effect.gen(function* () {
        const { admin } = yield* JoyUp.JoyUp
        for (const [key, path, status, direct] of [
          ["scan.tiff", yield* TestMedia.image({ format: "tiff" }), "unplayable", false],
          ["picture.jpg", yield* TestMedia.image(), "ready", true],
          ["tone.wav", yield* TestMedia.audio({ container: "wav" }), "ready", true]
        ] as const) {
          const { item } = yield* play(key, path)
          const playback = yield* Effect.orDie(admin.client.playback.prepare({ params: { id: item.id } }))
          assert.deepStrictEqual(
            { key, status: playback.status, hls: playback.hls, direct: playback.progressive.direct },
            { key, status, hls: null, direct }
          )
        }
      })
    )

    it.effect(
      "mixes no two versions: after a change old segments are gone, and asking again leads to new ones [G3]",
      () =>
        Effect.gen(function* () {
          const { library, request } = yield* JoyUp.JoyUp
          const { hls, item } = yield* play("changes.mp4", yield* TestMedia.video({ seconds: 12 }))
          const segment = resolve("main/0.m4s", hls)
          assert.strictEqual((yield* request(segment)).status, 200)
          writeFileSync(join(library, "changes.mp4"), readFileSync(yield* TestMedia.video({ seconds: 13 })))
          // Whether or not a scan has seen it.
          assert.strictEqual(yield* problem(yield* request(segment)), "410 urn:joy:content-changed")
          const { admin } = yield* JoyUp.JoyUp
          const now = yield* Joy.until(
            Effect.orDie(admin.client.playback.prepare({ params: { id: item.id } })),
            (playback) => playback.hls !== null && playback.hls.url !== hls && playback.status === "ready"
          )
          assert.strictEqual((yield* request(resolve("main/0.m4s", now.hls?.url ?? ""))).status, 200)
          assert.strictEqual(yield* problem(yield* request(hls)), "410 urn:joy:content-changed")
        })
    )
  })
})
