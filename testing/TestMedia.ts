import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, renameSync } from "node:fs"
import { join } from "node:path"

import * as Effect from "effect/Effect"
import { inject } from "vitest"

import { ffmpeg } from "./Executables.ts"

/**
 * Media made by ffmpeg, once per run and set of options: small, seconds long, and the same on every machine up to the
 * encoder's version. For tests inside of `describeWith(["ffmpeg"], …)`.
 */
export const make = (extension: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const folder = join(inject("runFolder"), "media")
    const path = join(folder, `${createHash("sha256").update(args.join("\0")).digest("hex").slice(0, 16)}.${extension}`)
    if (existsSync(path)) return resume(Effect.succeed(path))
    mkdirSync(folder, { recursive: true })
    // Another test file may be making the same one.
    const partial = join(folder, `partial-${process.pid}-${performance.now()}.${extension}`)
    const common = ["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    const child = execFile(ffmpeg() ?? "ffmpeg", [...common, ...args, partial], (error) => {
      if (error !== null) return resume(Effect.die(error))
      renameSync(partial, path)
      resume(Effect.succeed(path))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Options without spaces in them, written as on a command line. */
const words = (text: string) => text.split(" ")

const metadata = (tags: Readonly<Record<string, string>> | undefined) =>
  Object.entries(tags ?? {}).flatMap(([name, value]) => ["-metadata", `${name}=${value}`])

export interface VideoOptions {
  /** The file's extension, which decides the container: `mp4`, `mkv`, `webm`, `mov`, `ts`… */
  readonly container?: string | undefined
  readonly seconds?: number | undefined
  readonly width?: number | undefined
  readonly height?: number | undefined
  readonly fps?: number | undefined
  /** Frames between keyframes. */
  readonly gop?: number | undefined
  /** Names of ffmpeg's encoders; `null` for no such track. */
  readonly videoCodec?: string | undefined
  readonly audioCodec?: string | null | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Further options of the output, such as `["-movflags", "+faststart"]`. */
  readonly extra?: ReadonlyArray<string> | undefined
}

/** A test picture that moves, with a tone: H.264 and AAC in MP4, 2 s of 320×180 at 25 fps, a keyframe every second. */
export const video = (options: VideoOptions = {}): Effect.Effect<string> => {
  const { audioCodec = "aac", fps = 25, gop = fps, height = 180, seconds = 2, width = 320 } = options
  const videoCodec = options.videoCodec ?? "libx264"
  const sound = `sine=frequency=440:sample_rate=48000:duration=${seconds}`
  return make(options.container ?? "mp4", [
    ...words(`-f lavfi -i testsrc2=size=${width}x${height}:rate=${fps}:duration=${seconds}`),
    ...(audioCodec === null ? [] : words(`-f lavfi -i ${sound}`)),
    ...words(`-c:v ${videoCodec} -pix_fmt yuv420p -g ${gop}`),
    ...(videoCodec === "libx264" ? words("-preset ultrafast -sc_threshold 0") : []),
    ...(audioCodec === null ? [] : words(`-c:a ${audioCodec} -ac 2`)),
    ...metadata(options.tags),
    ...(options.extra ?? [])
  ])
}

export interface AudioOptions {
  /** The file's extension, which decides the format: `mp3`, `m4a`, `flac`, `ogg`, `opus`, `wav`… */
  readonly container?: string | undefined
  readonly seconds?: number | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly extra?: ReadonlyArray<string> | undefined
}

/** A tone: 2 s of stereo in MP3. */
export const audio = (options: AudioOptions = {}): Effect.Effect<string> =>
  make(options.container ?? "mp3", [
    ...words(`-f lavfi -i sine=frequency=440:sample_rate=48000:duration=${options.seconds ?? 2} -ac 2`),
    ...metadata(options.tags),
    ...(options.extra ?? [])
  ])

export interface ImageOptions {
  /** The file's extension: `jpg`, `png`, `webp`, `gif`… */
  readonly format?: string | undefined
  readonly width?: number | undefined
  readonly height?: number | undefined
  readonly extra?: ReadonlyArray<string> | undefined
}

/** A test picture: 320×180 in JPEG. */
export const image = (options: ImageOptions = {}): Effect.Effect<string> =>
  make(options.format ?? "jpg", [
    ...words(
      `-f lavfi -i testsrc2=size=${options.width ?? 320}x${options.height ?? 180}:rate=1:duration=1 -frames:v 1`
    ),
    ...(options.extra ?? [])
  ])
