import { randomUUID } from "node:crypto"
import { resolve } from "node:path"

import { reservedFolder } from "@joy/storage/ReservedKeys"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"

import { Ffmpeg } from "./Ffmpeg.ts"
import type { GenerateCall } from "./FfmpegArgs.ts"

/** A sample could not be made or put into the folder. */
export class SampleNotWritten extends Schema.TaggedError<SampleNotWritten>()("SampleNotWritten", {
  name: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `The sample ${JSON.stringify(this.name)} was not written: ${this.reason}`
  }
}

export interface SampleProgress {
  readonly name: string
  /** How many are there, this one included, and how many there will be. */
  readonly done: number
  readonly total: number
  /** It was there already and was left alone. */
  readonly isKept: boolean
}

const seconds = 5

const words = (line: string): ReadonlyArray<string> => line.split(" ")

const samples: ReadonlyArray<{ readonly name: string } & Omit<GenerateCall, "path">> = [
  {
    name: "Welcome to Joy.mp4",
    sources: [
      `testsrc2=size=1280x720:rate=30:duration=${seconds}`,
      `sine=frequency=330:sample_rate=48000:duration=${seconds}`
    ],
    output: [
      ...words("-c:v libx264 -preset veryfast -crf 23 -pix_fmt yuv420p -g 60"),
      ...words("-c:a aac -b:a 128k -ac 2 -af volume=0.3 -movflags +faststart"),
      "-metadata",
      "title=Welcome to Joy"
    ],
    format: "mp4"
  },
  {
    name: "First Light.mp3",
    sources: [`aevalsrc='0.12*sin(2*PI*220*t)+0.1*sin(2*PI*277.18*t)+0.1*sin(2*PI*329.63*t)':s=44100:d=${seconds}`],
    output: [
      ...words(`-af afade=in:d=0.5,afade=out:st=${seconds - 1}:d=1 -c:a libmp3lame -b:a 128k -ac 2 -id3v2_version 3`),
      ...words("-metadata album=Samples -metadata genre=Ambient"),
      "-metadata",
      "title=First Light",
      "-metadata",
      "artist=Joy Kunga Stream"
    ],
    format: "mp3"
  },
  {
    name: "A Picture.jpg",
    sources: ["mandelbrot=size=1600x1066:rate=1:start_scale=2.4"],
    output: words("-frames:v 1 -c:v mjpeg -q:v 3 -pix_fmt yuvj420p"),
    format: "mjpeg"
  }
]

const failed =
  (name: string) =>
  (error: { readonly message: string }): SampleNotWritten =>
    new SampleNotWritten({ name, reason: error.message })

/** Makes one sample where no store lists it, in the same file system, and renames it to its place. */
const writeOne = Effect.fnUntraced(function* (
  ffmpeg: Ffmpeg["Service"],
  fs: FileSystem.FileSystem,
  call: Omit<GenerateCall, "path">,
  folder: string,
  path: string
) {
  const hidden = `${folder}/${reservedFolder}`
  yield* fs.makeDirectory(hidden, { recursive: true })
  const temporary = `${hidden}${randomUUID()}.part`
  yield* ffmpeg.generate({ ...call, path: temporary }).pipe(
    Effect.andThen(fs.rename(temporary, path)),
    Effect.onError(() => Effect.ignore(fs.remove(temporary)))
  )
})

/**
 * Puts a video, a song and a picture into the folder at `path`, so that a new library has something to show. Each appears complete, by
 * a rename; what has its name already is left alone.
 */
export const writeSamples = Effect.fn("Samples.write")(function* (
  path: string,
  options: { readonly onProgress?: ((progress: SampleProgress) => Effect.Effect<void>) | undefined } = {}
) {
  const folder = resolve(path)
  const ffmpeg = yield* Ffmpeg
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(failed(folder)))
  const paths: Array<string> = []
  for (const { name, ...call } of samples) {
    const target = `${folder}/${name}`
    const isKept = yield* fs.exists(target).pipe(Effect.mapError(failed(name)))
    if (!isKept) {
      yield* writeOne(ffmpeg, fs, call, folder, target).pipe(
        Effect.catchTag(["PlatformError", "GenerateFailed"], (error) => failed(name)(error))
      )
    }
    paths.push(target)
    yield* Effect.logDebug(`Sample ${name} is there`)
    if (options.onProgress !== undefined) {
      yield* options.onProgress({ name, done: paths.length, total: samples.length, isKept })
    }
  }
  return paths
})
