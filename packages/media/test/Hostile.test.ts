import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"

import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { Ffmpeg } from "../src/Ffmpeg.ts"
import { show } from "../src/FfprobeOutput.ts"
import { Probe } from "../src/Probe.ts"
import { Storyboards } from "../src/Storyboards.ts"
import { Subtitles } from "../src/Subtitles.ts"
import { Thumbnails } from "../src/Thumbnails.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import { disguises, hls, id3Size } from "./HostileFiles.ts"
import { everything, layerOptions } from "./TestLayers.ts"

/** A server that nobody should ask, and who asked. */
const canary = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly server: http.Server; readonly port: number; readonly asked: Array<string> }>((resolve) => {
        const asked: Array<string> = []
        const server = http.createServer((request, response) => {
          asked.push(request.url ?? "")
          response.end(request.url === "/playlist" ? hls(`http://${request.headers.host}/segment.ts`) : "")
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resolve({ server, port: typeof address === "object" ? (address?.port ?? 0) : 0, asked })
        })
      })
  ),
  ({ server }) => Effect.sync(() => void server.close())
)

describe.skipIf(!hasFfmpeg)(`Hostile media${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    it.effect("follows nothing that a disguised file names [M1, M3]", () =>
      Effect.gen(function* () {
        const { server, port, asked } = yield* canary
        const library = yield* Library
        yield* library.object("h264.ts")
        const file = path.join(library.folder, "h264.ts")
        // Reading sets a time of access that lies before the change (relatime); if not, this file system keeps none.
        const untouched = new Date(0)
        const touch = () => fs.utimesSync(file, untouched, new Date())
        touch()
        fs.readFileSync(file)
        const tellsAccess = fs.statSync(file).atimeMs !== 0
        touch()
        const ffmpeg = yield* Ffmpeg
        for (const [name, text] of disguises) {
          const object = yield* put("disguise.mp4", text(`http://127.0.0.1:${port}/canary`, file))
          const error = yield* Effect.flip((yield* Probe).probe(library.store, object))
          assert.strictEqual(error._tag, "UnreadableMedia", name)
          // The probe may have refused it as text: the tools must refuse it by themselves, too.
          for (const call of [
            { tool: "ffprobe", show },
            { tool: "ffmpeg", output: ["-frames:v", "1", "-c:v", "mjpeg"], format: "image2pipe" }
          ] as const) {
            const error = yield* Effect.flip(
              ffmpeg.run({ step: "test", input: { store: library.store, object }, call })
            )
            assert.strictEqual(error._tag, "UnreadableMedia", `${name} by ${call.tool}`)
          }
          // Nor does what comes behind a probe that was deceived.
          const { probe } = yield* Probe
          const believed = yield* probe(library.store, yield* library.object("subtitled.mp4"))
          const deceived = { ...believed, container: "avi" }
          const made = yield* Effect.forEach(
            [
              Effect.asVoid((yield* Thumbnails).make(library.store, object, deceived)),
              Effect.asVoid((yield* Storyboards).make(library.store, object, deceived)),
              Effect.asVoid((yield* Subtitles).embedded(library.store, object, deceived))
            ],
            Effect.result
          )
          assert.isTrue(
            made.every((result) => result._tag === "Failure"),
            name
          )
        }
        assert.deepStrictEqual(asked, [])
        if (tellsAccess) assert.strictEqual(fs.statSync(file).atimeMs, 0)

        // And the canary does sing: the same ffprobe without our options goes where the playlist leads.
        yield* Effect.callback<void>((resume) => {
          execFile("ffprobe", [`http://127.0.0.1:${port}/playlist`], () => resume(Effect.void))
        })
        assert.isAtLeast(asked.length, 2)
        assert.isTrue(server.listening)
      })
    )

    it.effect("keeps what MP4, Matroska, Ogg and FLAC say as data, names of tracks and attachments too [M6]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const before = fs.readdirSync(library.folder)
        for (const name of ["h264.mp4", "tracks.mkv", "opus.opus", "flac.flac"]) {
          yield* library.object(name)
          for (const title of [
            "../../../tmp/joy-was-here",
            "-i",
            "-f lavfi",
            "<script>alert(1)</script>",
            "%s%n$(id)`id`"
          ]) {
            const target = `tagged${path.extname(name)}`
            const attachment = name.endsWith("mkv")
              ? ["-attach", "sub.srt", "-metadata:s:t", `filename=${title}`, "-metadata:s:t", "mimetype=text/plain"]
              : []
            execFileSync(
              "ffmpeg",
              [
                ..."-nostdin -loglevel error -y -i".split(" "),
                name,
                ...attachment,
                "-map",
                "0",
                "-c",
                "copy",
                "-metadata",
                `title=${title}`,
                "-metadata:s:a:0",
                `title=${title}`,
                target
              ],
              { cwd: library.folder }
            )
            const object = yield* library.object(target)
            const found = yield* (yield* Probe).probe(library.store, object)
            assert.strictEqual(found.tags["title"], title, name)
            yield* (yield* Thumbnails).make(library.store, object, found)
            yield* (yield* Storyboards).make(library.store, object, found)
            const tracks = yield* (yield* Subtitles).embedded(library.store, object, found)
            assert.lengthOf(tracks, name.endsWith("mkv") ? 1 : 0, name)
          }
        }
        assert.isFalse(fs.existsSync("/tmp/joy-was-here"))
        const made = fs
          .readdirSync(library.folder)
          .filter((name) => !before.includes(name) && !name.startsWith("tagged"))
        assert.isTrue(
          made.every((name) => ["h264.mp4", "tracks.mkv", "opus.opus", "flac.flac"].includes(name)),
          made.join()
        )
      })
    )

    it.effect("keeps what tags say as data [M6]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const nasty = ["../../etc/passwd", "-i", "<script>alert(1)</script>", "a\u0000b\u0007c", "x".repeat(1_000_000)]
        for (const title of nasty) {
          const frame = Buffer.concat([Buffer.from([3]), Buffer.from(title)])
          const tit2 = Buffer.concat([Buffer.from("TIT2"), id3Size(frame.length), Buffer.from([0, 0]), frame])
          const tag = Buffer.concat([Buffer.from("ID3\u0004\u0000\u0000"), id3Size(tit2.length), tit2])
          const object = yield* put("tagged.mp3", Buffer.concat([tag, yield* bytesOf("mp3.mp3")]))
          const { tags } = yield* (yield* Probe).probe(library.store, object)
          assert.isAtMost(tags["title"]?.length ?? 0, 1_000)
          // oxlint-disable-next-line no-control-regex -- these are what must not be there
          assert.notMatch(tags["title"] ?? "", /[\u0000-\u0009]/)
          if (title.length < 100 && !title.includes("\u0000")) assert.strictEqual(tags["title"], title)
        }
      })
    )
  })
})
