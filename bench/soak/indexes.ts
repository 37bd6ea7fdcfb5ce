/**
 * Damaged files of every container through the index builder and the packager, in memory: `npm run soak -- indexes [count] [seed] [first]`,
 * a million and 1 if not said. Each has to end in an index that holds together, or in a failure of ours; nothing may be read
 * outside the object, and memory has to stay flat. What breaks a rule is told with its number, so that
 * `npm run soak -- indexes 1 <seed> <number>` does that one alone.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

import { examine } from "@joy/testing/IndexMutants"
import { mutant } from "@joy/testing/Mutants"
import * as Effect from "effect/Effect"

import { atMost, figure, percentile, print, progress } from "../lib/Figures.ts"
import { withFolder } from "../lib/Folder.ts"
import { ffmpeg } from "../lib/Media.ts"
import { rssMiB } from "../lib/Processes.ts"

const [count = 1_000_000, seed = 1, first = 0] = process.argv.slice(2).map(Number)

const video = "-f lavfi -i testsrc2=size=64x36:rate=25:duration=1"
const sound = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=1"
const x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10"
const fragmented = "-c copy -movflags +frag_keyframe+empty_moov+delay_moov+default_base_moof"

const formats: Readonly<Record<string, string>> = {
  "end.mp4": `${video} ${sound} ${x264} -bf 2 -c:a aac`,
  "start.mp4": "-i end.mp4 -c copy -movflags +faststart",
  "fragments.mp4": `-i end.mp4 ${fragmented}`,
  "sidx.mp4": `-i end.mp4 ${fragmented}+global_sidx`,
  "end.mov": "-i end.mp4 -c copy",
  "hevc.mp4": `${video} -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1`,
  "languages.mp4": `${video} ${sound} ${sound} -map 0 -map 1 -map 2 ${x264} -c:a aac`,
  "mp3.mp4": `${video} ${sound} ${x264} -c:a libmp3lame`,
  "vp9.mp4": `${video} ${sound} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus`,
  "flac.mp4": `${sound} -c:a flac -strict -2`,
  "sound.m4a": `${sound} -c:a aac`,
  "end.mkv": "-i end.mp4 -c copy",
  "live.mkv": "-i end.mp4 -c copy -live 1",
  "languages.mkv": "-i languages.mp4 -map 0 -c copy",
  "mp3.mkv": "-i mp3.mp4 -c copy",
  "vp9.webm": "-i vp9.mp4 -c copy",
  "flac.mka": "-i flac.mp4 -c copy",
  "sound.mp3": `${sound} -c:a libmp3lame`,
  "sound.aac": "-i sound.m4a -c copy",
  "sound.flac": "-i flac.mp4 -c copy",
  "sound.opus": `${sound} -c:a libopus`
}

const results = new Map<string, number>()
const broken: Array<string> = []
const millis: Array<number> = []
let mostMiB = 0

await withFolder(async (folder) => {
  progress("Making the files")
  const files = new Map(
    Object.entries(formats).map(([name, args]) => {
      const words = args.split(" ").map((word) => (/^\w+\.\w+$/.test(word) ? join(folder, word) : word))
      ffmpeg([...words, join(folder, name)])
      return [name, readFileSync(join(folder, name))]
    })
  )
  const done = async (number: number) => {
    const made = mutant(files, seed, number)
    const began = performance.now()
    const outcome = await Effect.runPromise(examine(made.bytes))
    millis.push(performance.now() - began)
    results.set(outcome.result, (results.get(outcome.result) ?? 0) + 1)
    if (outcome.broken !== null) broken.push(`${number} (${made.name}): ${outcome.broken}`)
  }
  for (let number = first; number < first + count; number++) {
    await done(number)
    if (number % 1_000 === 0) mostMiB = Math.max(mostMiB, rssMiB(process.pid))
    if ((number - first + 1) % 50_000 === 0)
      progress(`${number - first + 1} of ${count}, ${broken.length} broke a rule`)
  }
  for (const [result, times] of results) figure(result, [times], "files")
  figure("a file, half of them within", [percentile(millis, 0.5)], "ms")
  const slowest = percentile(millis, 1)
  figure(`the slowest file, number ${first + millis.indexOf(slowest)}`, [slowest], "ms")
  figure("memory of the process at most (RSS)", [mostMiB], "MiB", atMost(768))
  figure("files that broke a rule", [broken.length], "", atMost(0))
  for (const line of broken.slice(0, 100)) console.error(line)
  print(`indexes: ${count} damaged files of ${files.size} kinds, seed ${seed}`)
  if (broken.length > 0) process.exitCode = 1
})
