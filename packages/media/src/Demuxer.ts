import * as os from "node:os"
import { Worker } from "node:worker_threads"

import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

import type {
  DemuxAnswer,
  DemuxCover,
  DemuxFrames,
  DemuxKind,
  DemuxReport,
  DemuxRequest,
  DemuxTiles
} from "./demux/DemuxMessages.ts"
import { type MediaResourceExceeded, type StoreFailure, UnreadableMedia } from "./MediaError.ts"
import type { ObjectBytes } from "./ObjectBytes.ts"

/** Reading in process came to no end: an unknown kind, damage, or too much time, memory or bytes. FFmpeg may know more. */
export class Undecided extends Data.TaggedError("Undecided")<{ readonly reason: string }> {}

/** Takes containers apart in threads of this process, which costs a hundredth of starting ffprobe. */
export class Demuxer extends Context.Service<
  Demuxer,
  {
    readonly probe: (
      bytes: ObjectBytes,
      kind: DemuxKind
    ) => Effect.Effect<DemuxReport, Undecided | UnreadableMedia | StoreFailure>
    /** Some keyframes of the first video; `null` when there is none that can be taken out. */
    readonly frames: (
      bytes: ObjectBytes,
      kind: DemuxKind,
      wanted: { readonly seconds: ReadonlyArray<number>; readonly mostBytes: number }
    ) => Effect.Effect<DemuxFrames | null, Undecided | UnreadableMedia | StoreFailure>
    /** The picture in a HEIC file; `null` when it is not made of HEVC. */
    readonly tiles: (bytes: ObjectBytes) => Effect.Effect<DemuxTiles | null, Undecided | UnreadableMedia | StoreFailure>
    /** The picture that an audio file carries, if any. */
    readonly cover: (
      bytes: ObjectBytes,
      kind: DemuxKind
    ) => Effect.Effect<DemuxCover | null, Undecided | UnreadableMedia | StoreFailure>
  }
>()("@joy/media/Demuxer") {}

export interface DemuxerOptions {
  /** Longest one object may take, in seconds, its reads included. Default 10. */
  readonly limitSeconds?: number | undefined
}

// Bundled, the thread's code is a file of its own beside this one.
const entry = new URL(import.meta.url.endsWith(".ts") ? "./demux/DemuxWorker.ts" : "./demux-thread.js", import.meta.url)

const startWorker: Effect.Effect<Worker, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const worker = new Worker(entry, {
      env: {},
      execArgv: ["--no-warnings"],
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 }
    })
    // Whoever talks to it hears of its end as well; this one only keeps an idle one's end from being an uncaught error.
    worker.on("error", () => {})
    return worker
  }),
  (worker) => Effect.promise(() => worker.terminate())
)

type Heard = DemuxAnswer | { readonly type: "died"; readonly reason: string }

const listen = Effect.fnUntraced(function* (worker: Worker) {
  const inbox = yield* Queue.unbounded<Heard>()
  const onMessage = (message: DemuxAnswer) => void Queue.offerUnsafe(inbox, message)
  const onError = (error: Error) => void Queue.offerUnsafe(inbox, { type: "died", reason: error.message })
  const onExit = () => void Queue.offerUnsafe(inbox, { type: "died", reason: "the thread ended" })
  yield* Effect.acquireRelease(
    Effect.sync(() => worker.on("message", onMessage).on("error", onError).on("exit", onExit)),
    () => Effect.sync(() => worker.off("message", onMessage).off("error", onError).off("exit", onExit))
  )
  return inbox
})

type Final = Exclude<DemuxAnswer, { readonly type: "read" | "refused" | "unknown" }>

/** Asks one thing, and serves the reads it takes to answer it. */
const converse = Effect.fnUntraced(function* (worker: Worker, bytes: ObjectBytes, request: DemuxRequest) {
  const inbox = yield* listen(worker)
  const tell = (message: DemuxRequest, transfer: ReadonlyArray<ArrayBuffer> = []) =>
    Effect.sync(() => worker.postMessage(message, transfer))
  yield* tell(request)
  while (true) {
    const heard = yield* Queue.take(inbox)
    if (heard.type === "died") return yield* new Undecided({ reason: heard.reason })
    if (heard.type !== "read") return heard
    const part = yield* bytes.read(heard.start, heard.end)
    yield* tell({ type: "bytes", id: heard.id, bytes: part }, part.buffer instanceof ArrayBuffer ? [part.buffer] : [])
  }
}, Effect.scoped)

const make = Effect.fnUntraced(function* (options: DemuxerOptions) {
  const seconds = options.limitSeconds ?? 10
  const threads = yield* Pool.makeWithTTL({
    acquire: startWorker,
    min: 0,
    max: Math.max(2, Math.min(4, os.availableParallelism())),
    timeToLive: "1 minute"
  })

  const ask = Effect.fnUntraced(
    function* (
      bytes: ObjectBytes,
      request: DemuxRequest,
      seconds: number
    ): Effect.fn.Return<Final, Undecided | UnreadableMedia | StoreFailure | MediaResourceExceeded, Scope.Scope> {
      const worker = yield* Pool.get(threads)
      const answer = yield* converse(worker, bytes, request).pipe(
        Effect.timeoutOrElse({
          duration: `${seconds} seconds`,
          orElse: () => new Undecided({ reason: `it took more than ${seconds} seconds` })
        }),
        // A thread that still works on something, or is dead, is of no use to the next one.
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Pool.invalidate(threads, worker)))
      )
      if (answer.type === "refused") return yield* new UnreadableMedia({ step: "probe", reason: answer.reason })
      if (answer.type === "unknown") return yield* new Undecided({ reason: answer.reason })
      return answer
    },
    Effect.scoped,
    Effect.catchTag("MediaResourceExceeded", ({ message }) => new Undecided({ reason: message }))
  )

  return Demuxer.of({
    probe: Effect.fn("Demuxer.probe")(function* (bytes: ObjectBytes, kind: DemuxKind) {
      const answer = yield* ask(bytes, { type: "probe", kind, sizeBytes: bytes.sizeBytes }, seconds)
      return answer.type === "report" ? answer.report : yield* new Undecided({ reason: "the thread lost its thread" })
    }),
    frames: Effect.fn("Demuxer.frames")(function* (
      bytes: ObjectBytes,
      kind: DemuxKind,
      wanted: { readonly seconds: ReadonlyArray<number>; readonly mostBytes: number }
    ) {
      // Each frame is a read of its own.
      const longest = seconds + wanted.seconds.length
      const answer = yield* ask(bytes, { type: "frames", kind, sizeBytes: bytes.sizeBytes, ...wanted }, longest)
      return answer.type === "frames" ? answer.frames : yield* new Undecided({ reason: "the thread lost its thread" })
    }),
    tiles: Effect.fn("Demuxer.tiles")(function* (bytes: ObjectBytes) {
      const answer = yield* ask(bytes, { type: "tiles", sizeBytes: bytes.sizeBytes }, seconds)
      return answer.type === "tiles" ? answer.tiles : yield* new Undecided({ reason: "the thread lost its thread" })
    }),
    cover: Effect.fn("Demuxer.cover")(function* (bytes: ObjectBytes, kind: DemuxKind) {
      const answer = yield* ask(bytes, { type: "cover", kind, sizeBytes: bytes.sizeBytes }, seconds)
      return answer.type === "cover" ? answer.cover : yield* new Undecided({ reason: "the thread lost its thread" })
    })
  })
})

export const layer = (options: DemuxerOptions = {}): Layer.Layer<Demuxer> => Layer.effect(Demuxer, make(options))
