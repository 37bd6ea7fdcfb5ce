/**
 * Damaged files of every format, through probe, thumbnails and, where they are read, storyboard and subtitles.
 *
 * `npm run soak -- media [count] [seed]`, 10,000 and 1 if not said. Bits flipped, numbers stretched, files cut, spliced,
 * repeated and cleared: each has to end in a result or a failure of ours within the limits of its steps, the process has
 * to live on within its memory, and nothing may be left running. What breaks a rule is told with its number, so that
 * `npm run soak -- media 1 <seed> <number>` does that one alone.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import * as NodeServices from "@effect/platform-node/NodeServices"
import { ObjectKey } from "@joy/domain/StoredObject"
import * as Media from "@joy/media/Media"
import { Probe } from "@joy/media/Probe"
import { Storyboards } from "@joy/media/Storyboards"
import { Subtitles } from "@joy/media/Subtitles"
import { Thumbnails } from "@joy/media/Thumbnails"
import * as FolderStore from "@joy/storage/FolderStore"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import { type Mutant, mutant } from "@joy/testing/Mutants"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { atMost, figure, percentile, print, progress } from "../lib/Figures.ts"
import { withFolder } from "../lib/Folder.ts"
import { ffmpeg } from "../lib/Media.ts"
import { rssMiB, tree } from "../lib/Processes.ts"

const [count = 10_000, seed = 1, first = 0] = process.argv.slice(2).map(Number)
const concurrency = 4
/** A probe in process and by ffprobe, up to four frames, a storyboard: as long as their limits allow together. */
const longestSeconds = 30 + 10 + 4 * 60 + 60
const typed = new Set([
  "UnreadableMedia",
  "MediaTimeout",
  "MediaResourceExceeded",
  "FfmpegMissing",
  "ObjectChanged",
  "ObjectNotFound",
  "StoreUnavailable"
])

const video = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=1"
const sound = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=1"
const x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 12"

/** A file of every format, none larger than needed: what is damaged is to matter. */
const formats: Readonly<Record<string, string>> = {
  "h264.mp4": `${video} ${sound} ${x264} -c:a aac -metadata title=Title`,
  "start.mp4": `${video} ${sound} ${x264} -c:a aac -movflags +faststart`,
  "fragments.mp4": `${video} ${sound} ${x264} -c:a aac -movflags frag_keyframe+empty_moov`,
  "h264.mov": `${video} ${x264} -movflags use_metadata_tags`,
  "hevc.mp4": `${video} -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1`,
  "av1.mp4": `-f lavfi -i testsrc2=size=160x90:rate=25:duration=0.2 -c:v libaom-av1 -cpu-used 8 -usage realtime`,
  "mpeg4.avi": `${video} ${sound} -c:v mpeg4 -c:a libmp3lame`,
  "h264.mkv": `${video} ${sound} ${x264} -c:a aac`,
  "vp9.webm": `${video} ${sound} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus`,
  "vp8.webm": `${video} ${sound} -c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis`,
  "h264.ts": `${video} ${sound} ${x264} -c:a aac`,
  "mpeg2.mpg": `${video} ${sound} -c:v mpeg2video -c:a mp2`,
  "wmv2.wmv": `${video} ${sound} -c:v wmv2 -c:a wmav2`,
  "flv1.flv": `${video} ${sound} -c:v flv1 -c:a libmp3lame`,
  "theora.ogv": `${video} ${sound} -c:v libtheora -c:a libvorbis`,
  "tone.mp3": `${sound} -c:a libmp3lame -metadata title=Title -metadata artist=Artist`,
  "tone.m4a": `${sound} -c:a aac -metadata title=Title`,
  "tone.flac": `${sound} -c:a flac -metadata title=Title`,
  "tone.opus": `${sound} -c:a libopus -metadata title=Title`,
  "tone.ogg": `${sound} -c:a libvorbis -metadata title=Title`,
  "tone.wav": `${sound} -c:a pcm_s16le -metadata title=Title`,
  "tone.aac": `${sound} -c:a aac`,
  "tone.aiff": `${sound} -c:a pcm_s16be`,
  "tone.wma": `${sound} -c:a wmav2`,
  "picture.jpg": "-f lavfi -i testsrc2=size=320x180:rate=1 -frames:v 1",
  "picture.png": "-f lavfi -i testsrc2=size=320x180:rate=1 -frames:v 1",
  "picture.gif": "-f lavfi -i testsrc2=size=160x90:rate=10:duration=0.5",
  "picture.webp": "-f lavfi -i testsrc2=size=320x180:rate=1 -frames:v 1",
  "picture.tiff": "-f lavfi -i testsrc2=size=160x90:rate=1 -frames:v 1",
  "subtitled.mkv": `${video} -i sub.srt -map 0 -map 1 -map 1 ${x264} -c:s srt`,
  "covered.mp3": "-i tone.mp3 -i picture.png -map 0 -map 1 -c copy -disposition:v attached_pic"
}

const makeFormats = (folder: string): ReadonlyMap<string, Buffer> => {
  writeFileSync(join(folder, "sub.srt"), "1\n00:00:00,000 --> 00:00:00,500\nHello\n")
  return new Map(
    Object.entries(formats).map(([name, args]) => {
      const words = args.split(" ").map((word) => (/^[\w-]+\.\w+$/.test(word) ? join(folder, word) : word))
      ffmpeg([...words, join(folder, name)])
      return [name, readFileSync(join(folder, name))]
    })
  )
}

const outcomes = new Map<string, number>()
const broken: Array<string> = []
const seconds: Array<number> = []
let mostMiB = 0

const examine = Effect.fnUntraced(function* (store: ObjectStore, key: ObjectKey) {
  const probe = yield* Probe
  const object = yield* store.head(key)
  const found = yield* probe.probe(store, object)
  const drawn = yield* (yield* Thumbnails).make(store, object, found)
  yield* (yield* Storyboards).make(store, object, found)
  yield* (yield* Subtitles).embedded(store, object, found)
  return drawn.images.length > 0 ? "read, with a picture" : "read, without a picture"
})

const one = Effect.fnUntraced(function* (store: ObjectStore, folder: string, number: number, made: Mutant) {
  const name = `mutant-${number}.bin`
  writeFileSync(join(folder, name), made.bytes)
  const began = performance.now()
  const outcome = yield* examine(store, ObjectKey.make(name)).pipe(
    Effect.catch((error) => Effect.succeed(typed.has(error._tag) ? error._tag : `untyped ${error._tag}`)),
    Effect.catchCause((cause) => Effect.succeed(`untyped ${Cause.pretty(cause)}`))
  )
  rmSync(join(folder, name))
  const took = (performance.now() - began) / 1000
  seconds.push(took)
  outcomes.set(outcome.split("\n")[0] ?? outcome, (outcomes.get(outcome.split("\n")[0] ?? outcome) ?? 0) + 1)
  if (outcome.startsWith("untyped")) broken.push(`${number} (${made.name}): ${outcome}`)
  if (took > longestSeconds) broken.push(`${number} (${made.name}) took ${took.toFixed(0)} s`)
  mostMiB = Math.max(mostMiB, rssMiB(process.pid))
  if (seconds.length % 500 === 0) progress(`${seconds.length} of ${count}`)
})

await withFolder(async (folder) => {
  progress("Making a file of every format")
  const files = makeFormats(folder)
  const library = join(folder, "mutants")
  mkdirSync(library)
  await Effect.gen(function* () {
    const store = yield* FolderStore.make({ root: library, readOnly: true })
    const numbers = Array.from({ length: count }, (_, i) => first + i)
    yield* Effect.forEach(numbers, (number) => one(store, library, number, mutant(files, seed, number)), {
      concurrency,
      discard: true
    })
    // And it still does its work.
    writeFileSync(join(library, "good.mp4"), files.get("h264.mp4") ?? "")
    const good = yield* examine(store, ObjectKey.make("good.mp4"))
    if (good !== "read, with a picture") broken.push(`a good file gave ${good}`)
  }).pipe(Effect.scoped, Effect.provide(Media.layer().pipe(Layer.provideMerge(NodeServices.layer))), Effect.runPromise)
  const left = tree(process.pid).length - 1
  if (left > 0) broken.push(`${left} processes are left: ${spawnSync("ps", ["-ef"], { encoding: "utf8" }).stdout}`)

  for (const [outcome, times] of [...outcomes].toSorted((a, b) => b[1] - a[1])) figure(outcome, [times], "files")
  figure("a file, half of them within", seconds, "s")
  figure("a file, 99 of 100 within", [percentile(seconds, 0.99)], "s")
  figure("the slowest file", [Math.max(...seconds)], "s", atMost(longestSeconds))
  figure("memory of the process at most (RSS)", [mostMiB], "MiB", atMost(1024))
  figure("files that broke a rule", [broken.length], "", atMost(0))
  for (const line of broken) console.error(line)
  print(`media: ${count} damaged files of ${files.size} formats, seed ${seed}`)
  if (broken.length > 0) process.exitCode = 1
})
