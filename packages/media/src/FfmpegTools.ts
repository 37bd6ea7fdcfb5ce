import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

import { type Isolation, isolationPrefix, probeLimits } from "./FfmpegArgs.ts"
import { FfmpegMissing } from "./MediaError.ts"

/** A tool as it was found at start. */
export interface FfmpegTool {
  readonly name: "ffmpeg" | "ffprobe"
  readonly path: string
  /** As it says itself, for example `5.1.9-0+deb12u1`. */
  readonly version: string
}

/** What is there, for `joy doctor`. */
export interface FfmpegTools {
  readonly ffmpeg: FfmpegTool | FfmpegMissing
  readonly ffprobe: FfmpegTool | FfmpegMissing
  readonly isolation: Isolation
}

export interface FfmpegOptions {
  /** Path of ffmpeg; looked up on PATH when absent. */
  readonly ffmpegPath?: string | undefined
  /** Path of ffprobe; looked up on PATH when absent. */
  readonly ffprobePath?: string | undefined
}

/** Nothing of ours is inherited: the environment holds secrets. */
export const toolEnvironment = { LC_ALL: "C" }

const minimum = { major: 5, minor: 1 }

/** What a command prints in its first 10 seconds, `null` when it doesn't start or fails. */
const outputOf = Effect.fnUntraced(
  function* (command: string, args: ReadonlyArray<string>) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(
      ChildProcess.make(command, args, {
        env: toolEnvironment,
        stdin: "ignore",
        stderr: "ignore",
        killSignal: "SIGKILL",
        forceKillAfter: "1 second"
      })
    )
    const output = yield* handle.stdout.pipe(Stream.decodeText(), Stream.mkString)
    return (yield* handle.exitCode) === ChildProcessSpawner.ExitCode(0) ? output : null
  },
  Effect.scoped,
  Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.succeed(null) }),
  Effect.orElseSucceed(() => null)
)

const searchPath = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Config.String("PATH").pipe(Effect.orElseSucceed(() => ""))
  // Where they are for people whose service manager gives a bare PATH.
  const folders = [...path.split(":"), "/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin"]
  for (const folder of folders.filter((folder) => folder.startsWith("/"))) {
    const candidate = `${folder}/${name}`
    if (yield* fs.exists(candidate).pipe(Effect.orElseSucceed(() => false))) return candidate
  }
  return null
})

const findTool = Effect.fnUntraced(function* (name: "ffmpeg" | "ffprobe", configured: string | undefined) {
  const path = configured ?? (yield* searchPath(name))
  if (path === null) return new FfmpegMissing({ tool: name, reason: "was not found on PATH" })
  const output = yield* outputOf(path, ["-hide_banner", "-version"])
  const version = output === null ? null : /version (\S+)/.exec(output)
  if (version?.[1] === undefined) return new FfmpegMissing({ tool: name, reason: `does not run (${path})` })
  const numbers = /^n?(\d+)\.(\d+)/.exec(version[1])
  // A version without numbers is a build of the day (`N-12345-g…`), newer than any release here.
  const tooOld =
    numbers !== null &&
    (Number(numbers[1]) < minimum.major || (Number(numbers[1]) === minimum.major && Number(numbers[2]) < minimum.minor))
  if (tooOld) return new FfmpegMissing({ tool: name, reason: `${version[1]} is too old (${path})` })
  return { name, path, version: version[1] } satisfies FfmpegTool
})

/** The strongest isolation under which the tool still starts: containers take away more or less of it. */
const findIsolation = Effect.fnUntraced(function* (toolPath: string) {
  const isRoot = process.getuid?.() === 0
  const setpriv = isRoot ? yield* searchPath("setpriv") : null
  const prlimit = yield* searchPath("prlimit")
  const candidates: ReadonlyArray<Isolation> = [
    { setpriv, prlimit },
    { setpriv: null, prlimit },
    { setpriv, prlimit: null }
  ]
  for (const isolation of candidates) {
    const [command, ...args] = [...isolationPrefix(isolation, probeLimits), toolPath, "-version"]
    if (command === undefined || command === toolPath) continue
    if ((yield* outputOf(command, args)) !== null) return isolation
  }
  return { setpriv: null, prlimit: null } satisfies Isolation
})

/** Looks for the tools and for what can lower their privileges. Their absence is an answer, not a failure. */
export const find = Effect.fn("FfmpegTools.find")(function* (options: FfmpegOptions) {
  const [ffmpeg, ffprobe] = yield* Effect.all(
    [findTool("ffmpeg", options.ffmpegPath), findTool("ffprobe", options.ffprobePath)],
    { concurrency: 2 }
  )
  const some = ffmpeg instanceof FfmpegMissing ? ffprobe : ffmpeg
  const isolation = some instanceof FfmpegMissing ? { setpriv: null, prlimit: null } : yield* findIsolation(some.path)
  return { ffmpeg, ffprobe, isolation } satisfies FfmpegTools
})
