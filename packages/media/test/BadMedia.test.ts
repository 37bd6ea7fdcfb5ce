import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { crc32 } from "node:zlib"

import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { Ffmpeg } from "../src/Ffmpeg.ts"
import { show } from "../src/FfprobeOutput.ts"
import { Probe } from "../src/Probe.ts"
import { Thumbnails } from "../src/Thumbnails.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import { box } from "./Mp4Boxes.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const probe = Effect.fnUntraced(function* (name: string) {
  const library = yield* Library
  const { probe } = yield* Probe
  return yield* probe(library.store, yield* library.object(name))
})

/** An MP4 that declares this many tracks and nothing about them. */
const manyTracks = (count: number): Uint8Array => {
  const handler = box("hdlr", Buffer.from("\0\0\0\0\0\0\0\0soun\0\0\0\0\0\0\0\0\0\0\0\0\0", "latin1"))
  const tracks = Array.from({ length: count }, () => box("trak", box("mdia", handler)))
  return Buffer.concat([box("ftyp", Buffer.from("isom\0\0\0\0", "latin1")), box("moov", ...tracks)])
}

/** A chunk of PNG. */
const chunk = (type: string, body: Buffer) => {
  const data = Buffer.concat([Buffer.from(type, "latin1"), body])
  const whole = Buffer.alloc(data.length + 8)
  whole.writeUInt32BE(body.length)
  data.copy(whole, 4)
  whole.writeUInt32BE(crc32(data), data.length + 4)
  return whole
}

/** A PNG of a few bytes that declares these pixels. */
const declaredPng = (width: number, height: number): Uint8Array => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1")
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", Buffer.alloc(0)),
    chunk("IEND", Buffer.alloc(0))
  ])
}

/** Seven bits a byte. */
const id3Size = (n: number): Uint8Array => Buffer.from([(n >> 21) & 127, (n >> 14) & 127, (n >> 7) & 127, n & 127])

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

const hls = (target: string) => `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${target}\n#EXT-X-ENDLIST\n`

const disguises: ReadonlyArray<readonly [name: string, text: (url: string, file: string) => string]> = [
  ["an HLS playlist of an address", (url) => hls(url)],
  ["an HLS playlist of a file", (_, file) => hls(file)],
  ["an HLS playlist of a file: address", (_, file) => hls(`file://${file}`)],
  ["an HLS playlist through concat:", (url, file) => hls(`concat:${url}|${file}`)],
  ["an HLS playlist through subfile", (_, file) => hls(`subfile,,start,0,end,1000,,:${file}`)],
  [
    "an HLS key at an address",
    (url, file) => hls(file).replace("#EXTINF", `#EXT-X-KEY:METHOD=AES-128,URI="${url}"\n#EXTINF`)
  ],
  ["an ffconcat script", (_, file) => `ffconcat version 1.0\nfile '${file}'\n`],
  ["an ffconcat script of an address", (url) => `ffconcat version 1.0\nfile '${url}'\n`],
  [
    "a DASH manifest",
    (url) =>
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><BaseURL>${url}</BaseURL><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><SegmentList duration="2"><Initialization sourceURL="init.mp4"/><SegmentURL media="${url}"/></SegmentList></Representation></AdaptationSet></Period></MPD>`
  ],
  [
    "an SDP description",
    () =>
      "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
  ],
  [
    "an SVG with a picture",
    (url, file) =>
      `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="${url}"/><image xlink:href="file://${file}"/></svg>`
  ],
  ["an M3U list", (url) => `#EXTM3U\n${url}\n`]
]

describe.skipIf(!hasFfmpeg)(`Bad media${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    const refused = (name: string, make: Effect.Effect<Uint8Array | string, never, Library>, message: RegExp) =>
      it.effect(`refuses ${name} [M3]`, () =>
        Effect.gen(function* () {
          const file = `${name.replaceAll(/\W/g, "-")}.mp4`
          yield* put(file, yield* make)
          const error = yield* Effect.flip(probe(file))
          assert.strictEqual(error._tag, "UnreadableMedia")
          assert.match(error.message, message)
          assert.notMatch(error.message, /127\.0\.0\.1|http|0x/)
        })
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
    refused("a container of 10,000 streams", Effect.succeed(manyTracks(10_000)), /declares more than 1000 streams/)
    refused(
      "a picture of 65,535 by 65,535",
      Effect.succeed(declaredPng(65_535, 65_535)),
      /declares more than 268402689/
    )
    refused(
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

    it.effect("comes to an end with whatever is damaged, and lives on [M4]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const { probe } = yield* Probe
        // A generator of our own (Numerical Recipes' constants), so that a failure can be repeated.
        let seed = 42
        const random = (below: number) => {
          seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32
          return Math.floor((seed / 2 ** 32) * below)
        }
        const outcomes = new Map<string, number>()
        for (const name of ["h264.mp4", "h264.mkv", "mp3.mp3", "opus.opus", "flac.flac", "exif.jpg"]) {
          const original = yield* bytesOf(name)
          for (let mutant = 0; mutant < 12; mutant++) {
            const bytes = Buffer.from(original)
            // Most of what is decisive stands at the beginning.
            for (let i = 0; i < 20; i++) bytes[random(mutant % 2 === 0 ? 2_000 : bytes.length)] = random(256)
            const outcome = yield* Effect.result(probe(library.store, yield* put("mutant.bin", bytes)))
            const tag = outcome._tag === "Success" ? "Success" : outcome.failure._tag
            outcomes.set(tag, (outcomes.get(tag) ?? 0) + 1)
          }
        }
        for (const tag of outcomes.keys()) {
          assert.include(["Success", "UnreadableMedia", "MediaResourceExceeded", "MediaTimeout"], tag)
        }
        assert.strictEqual((yield* probe(library.store, yield* library.object("h264.mp4"))).videoCodec, "h264")
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
          // oxlint-disable-next-line no-control-regex
          assert.notMatch(tags["title"] ?? "", /[\u0000-\u0009]/)
          if (title.length < 100 && !title.includes("\u0000")) assert.strictEqual(tags["title"], title)
        }
      })
    )
  })
})
