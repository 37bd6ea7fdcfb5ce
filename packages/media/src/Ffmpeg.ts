import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

import {
  type GenerateCall,
  generateArgs,
  isolationPrefix,
  type MediaCall,
  mediaArgs,
  probeLimits,
  type RunLimits,
  transformLimits
} from "./FfmpegArgs.ts"
import { diagnose } from "./FfmpegDiagnosis.ts"
import { spawnTool, ToolFailure } from "./FfmpegProcess.ts"
import { type FfmpegOptions, type FfmpegTool, type FfmpegTools, find } from "./FfmpegTools.ts"
import * as LoopbackReader from "./LoopbackReader.ts"
import { FfmpegMissing, GenerateFailed, type MediaError, MediaResourceExceeded, MediaTimeout } from "./MediaError.ts"

/** One call of a tool on one version of an object. There is no way to name a file or an address instead. */
export interface MediaRun {
  /** For errors: what the call is for. */
  readonly step: string
  readonly store: ObjectStore
  readonly object: StoredObject
  readonly call: MediaCall
  readonly limits?: Partial<RunLimits> | undefined
  /** Most bytes that may be read of the object. Default: four times its length and 64 MiB. */
  readonly budgetBytes?: number | undefined
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
  const spawn = (command: ReadonlyArray<string>) =>
    spawnTool(command).pipe(Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner))

  const open = Effect.fnUntraced(function* ({ step, store, object, call, ...run }: MediaRun) {
    const limits = { ...(call.tool === "ffprobe" ? probeLimits : transformLimits), ...run.limits }
    const tool = yield* present(tools[call.tool])
    const served = yield* reader.serve(store, object, { step, budgetBytes: run.budgetBytes })
    const command = [...isolationPrefix(tools.isolation, limits), tool.path, ...mediaArgs(call, served.url, limits)]
    const { stdout, exit } = yield* spawn(command)

    let written = 0
    const output = stdout.pipe(
      Stream.tap((chunk) => {
        written += chunk.length
        return written > limits.outputBytes
          ? Effect.fail(new MediaResourceExceeded({ step, resource: "output" }))
          : Effect.void
      }),
      Stream.catchTag("ToolFailure", (failure) => Stream.fail(diagnose(step, failure)))
    )
    const check = Effect.gen(function* () {
      const ended = yield* exit
      if (ended.code === 0) return
      // A tool that was cut off from its object complains about the object.
      const cutOff = yield* served.failure
      return yield* cutOff ?? diagnose(step, ended)
    })
    const all = Stream.concat(output, Stream.fromEffectDrain(check))
    if (!Number.isFinite(limits.wallSeconds)) return all
    const seconds = limits.wallSeconds
    return Stream.interruptWhen(
      all,
      Effect.andThen(Effect.sleep(`${seconds} seconds`), Effect.fail(new MediaTimeout({ step, seconds })))
    )
  })

  const stream = (run: MediaRun): Stream.Stream<Uint8Array, MediaError> =>
    Stream.unwrap(open(run)).pipe(Stream.catchTag("ToolFailure", (failure) => Stream.fail(diagnose(run.step, failure))))

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
