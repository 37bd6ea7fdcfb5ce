import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

import {
  type EncodeCall,
  encodeArgs,
  type GenerateCall,
  generateArgs,
  isolationPrefix,
  type MediaCall,
  mediaArgs,
  pipesOf,
  probeLimits,
  type RunLimits,
  transformLimits
} from "./FfmpegArgs.ts"
import { diagnose, diagnoseFile } from "./FfmpegDiagnosis.ts"
import { spawnTool, ToolFailure } from "./FfmpegProcess.ts"
import { type FfmpegOptions, type FfmpegTool, type FfmpegTools, find } from "./FfmpegTools.ts"
import * as LoopbackReader from "./LoopbackReader.ts"
import { FfmpegMissing, GenerateFailed, type MediaError, MediaResourceExceeded, MediaTimeout } from "./MediaError.ts"
import type { Served } from "./Served.ts"

/** One call of a tool. There is no way to name a file or an address instead of what it is to read. */
export interface MediaRun {
  /** For errors: what the call is for. */
  readonly step: string
  readonly input: Served
  readonly call: MediaCall
  readonly limits?: Partial<RunLimits> | undefined
  /** Most bytes that may be read of the input. Default: four times its length and 64 MiB. */
  readonly budgetBytes?: number | undefined
}

/** A call that makes a file. It takes as long as it takes, so that each has limits of its own. */
export interface EncodeRun {
  readonly step: string
  readonly input: Served
  readonly call: EncodeCall
  readonly limits: RunLimits
  readonly progress: (seconds: number) => Effect.Effect<void>
}

export class Ffmpeg extends Context.Service<
  Ffmpeg,
  {
    /** What was found at start. */
    readonly tools: FfmpegTools
    /** What the tool writes to standard output, as it comes. The process is killed when the stream is given up. */
    readonly stream: (run: MediaRun) => Stream.Stream<Uint8Array, MediaError>
    /** What the tool writes to standard output, whole. */
    readonly run: (run: MediaRun) => Effect.Effect<Uint8Array, MediaError>
    /** As `run`, and what it makes in the same pass (`also`), in that order. */
    readonly runAll: (run: MediaRun) => Effect.Effect<ReadonlyArray<Uint8Array>, MediaError>
    /** Makes a file of the input. `progress` hears now and then how many seconds of it are there. */
    readonly encode: (run: EncodeRun) => Effect.Effect<void, MediaError>
    /** Makes a file out of nothing: samples, test media. Never of anything that somebody else wrote. */
    readonly generate: (call: GenerateCall) => Effect.Effect<void, FfmpegMissing | GenerateFailed>
  }
>()("@joy/media/Ffmpeg") {}

const present = (tool: FfmpegTool | FfmpegMissing): Effect.Effect<FfmpegTool, FfmpegMissing> =>
  tool instanceof FfmpegMissing ? Effect.fail(tool) : Effect.succeed(tool)

const make = Effect.fnUntraced(function* (options: FfmpegOptions) {
  const reader = yield* LoopbackReader.LoopbackReader
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const tools = yield* find(options)
  const spawn = (command: ReadonlyArray<string>, pipes?: ReadonlyArray<number>) =>
    spawnTool(command, pipes).pipe(Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner))

  const open = Effect.fnUntraced(function* ({ step, input, call, ...run }: MediaRun) {
    const limits = { ...(call.tool === "ffprobe" ? probeLimits : transformLimits), ...run.limits }
    const tool = yield* present(tools[call.tool])
    const served = yield* reader.serve(input, { step, budgetBytes: run.budgetBytes })
    const command = [...isolationPrefix(tools.isolation, limits), tool.path, ...mediaArgs(call, served.url, limits)]
    const { outputs, exit } = yield* spawn(command, pipesOf(call))

    let written = 0
    const counted = outputs.map(
      Stream.tap((chunk) => {
        written += chunk.length
        return written > limits.outputBytes
          ? Effect.fail(new MediaResourceExceeded({ step, resource: "output" }))
          : Effect.void
      })
    )
    const check = Effect.gen(function* () {
      const ended = yield* exit
      if (ended.code === 0) return
      // A tool that was cut off from its object complains about the object.
      const cutOff = yield* served.failure
      return yield* cutOff ?? diagnose(step, ended)
    })
    return { outputs: counted, check, seconds: limits.wallSeconds }
  })

  const stream = (run: MediaRun): Stream.Stream<Uint8Array, MediaError> =>
    Stream.unwrap(
      Effect.map(open(run), ({ check, outputs, seconds }) => {
        const all = Stream.concat(outputs[0] ?? Stream.empty, Stream.fromEffectDrain(check))
        if (!Number.isFinite(seconds)) return all
        const limit = Effect.andThen(
          Effect.sleep(`${seconds} seconds`),
          Effect.fail(new MediaTimeout({ step: run.step, seconds }))
        )
        return Stream.interruptWhen(all, limit)
      })
    ).pipe(Stream.catchTag("ToolFailure", (failure) => Stream.fail(diagnose(run.step, failure))))

  const runAll = Effect.fn("Ffmpeg.runAll")(
    function* (run: MediaRun) {
      const { check, outputs, seconds } = yield* open(run)
      const read = Effect.forEach(outputs, Stream.mkUint8Array, { concurrency: "unbounded" })
      return yield* Effect.tap(read, check).pipe(
        Effect.timeoutOrElse({
          duration: `${seconds} seconds`,
          orElse: () => new MediaTimeout({ step: run.step, seconds })
        })
      )
    },
    Effect.scoped,
    (effect, { step }) => Effect.catchTag(effect, "ToolFailure", (failure) => Effect.fail(diagnose(step, failure)))
  )

  const encode = Effect.fn("Ffmpeg.encode")(
    function* ({ call, input, limits, progress, step }: EncodeRun) {
      const tool = yield* present(tools.ffmpeg)
      const served = yield* reader.serve(input, { step })
      const prefix = isolationPrefix(tools.isolation, limits, { fileBytes: limits.outputBytes })
      const { exit, outputs } = yield* spawn([...prefix, tool.path, ...encodeArgs(call, served.url, limits)])
      yield* (outputs[0] ?? Stream.empty).pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.runForEach((line) => {
          const micros = /^out_time_us=(\d+)$/.exec(line)?.[1]
          return micros === undefined ? Effect.void : progress(Number(micros) / 1e6)
        })
      )
      const ended = yield* exit
      if (ended.code === 0) return
      return yield* (yield* served.failure) ?? diagnoseFile(step, ended)
    },
    Effect.scoped,
    (effect, { limits, step }) =>
      effect.pipe(
        Effect.timeoutOrElse({
          duration: `${limits.wallSeconds} seconds`,
          orElse: () => new MediaTimeout({ step, seconds: limits.wallSeconds })
        }),
        Effect.catchTag("ToolFailure", (failure) => Effect.fail(diagnose(step, failure)))
      )
  )

  const generate = Effect.fn("Ffmpeg.generate")(
    function* (call: GenerateCall) {
      const tool = yield* present(tools.ffmpeg)
      const { exit } = yield* spawn([tool.path, ...generateArgs(call)])
      const ended = yield* exit
      if (ended.code !== 0) return yield* new ToolFailure(ended)
    },
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: "2 minutes",
      orElse: () => new GenerateFailed({ reason: "it took more than 2 minutes" })
    }),
    Effect.catchTag("ToolFailure", ({ stderr }) => new GenerateFailed({ reason: stderr.trim().slice(-300) }))
  )

  return Ffmpeg.of({
    tools,
    stream,
    run: Effect.fn("Ffmpeg.run")((run: MediaRun) => Stream.mkUint8Array(stream(run))),
    runAll,
    encode,
    generate
  })
})

/** Looks the tools up when it is built. */
export const layerNoDeps = (
  options: FfmpegOptions = {}
): Layer.Layer<
  Ffmpeg,
  never,
  LoopbackReader.LoopbackReader | ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem
> => Layer.effect(Ffmpeg, make(options))

export const layer = (
  options: FfmpegOptions = {}
): Layer.Layer<Ffmpeg, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
  Layer.provide(layerNoDeps(options), LoopbackReader.layer)
