import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"

import type { DemuxKind } from "./demux/DemuxMessages.ts"
import * as Demuxer from "./Demuxer.ts"
import { enrich, toProbeResult as fromReport } from "./DemuxResult.ts"
import * as Ffmpeg from "./Ffmpeg.ts"
import type { FfmpegOptions } from "./FfmpegTools.ts"
import { FfprobeFrames, lacksScreen, showFrame, withFrame } from "./FfprobeColor.ts"
import { FfprobeOutput, show, toProbeResult as fromFfprobe } from "./FfprobeOutput.ts"
import { probeImage } from "./ImageProbe.ts"
import { maxPixels } from "./Images.ts"
import { FfmpegMissing, type MediaError, UnreadableMedia } from "./MediaError.ts"
import * as ObjectBytes from "./ObjectBytes.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { sniff, sniffBytes } from "./Sniff.ts"

/** Finds out what is inside an object. Reads its index and a little more, never all of a video. */
export class Probe extends Context.Service<
  Probe,
  {
    readonly probe: (store: ObjectStore, object: StoredObject) => Effect.Effect<ProbeResult, MediaError>
  }
>()("@joy/media/Probe") {}

export interface ProbeOptions {
  /** Longest an ffprobe may run, in seconds by the clock. Default 30. */
  readonly limitSeconds?: number | undefined
  /** Whether to tell where something was taken. Default: no. */
  readonly keepLocation?: boolean | undefined
}

const step = "probe"
/** What reading in process may cost; ffprobe has a budget of its own. */
const inProcessBytes = 64 * 2 ** 20
const ffprobeBytes = 512 * 2 ** 20

const unreadable = (reason: string) => new UnreadableMedia({ step, reason })
const noMedium = "is not a media container that can be read"

const make = Effect.fnUntraced(function* (options: ProbeOptions) {
  const ffmpeg = yield* Ffmpeg.Ffmpeg
  const demuxer = yield* Demuxer.Demuxer

  const byFfprobe = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject) {
    const ask = <A>(show: ReadonlyArray<string>, answer: Schema.Codec<A, string>) =>
      ffmpeg
        .run({
          step,
          input: { store, object },
          call: { tool: "ffprobe", show },
          limits: options.limitSeconds === undefined ? {} : { wallSeconds: options.limitSeconds },
          budgetBytes: ffprobeBytes
        })
        .pipe(
          Effect.flatMap((output) => Schema.decodeEffect(answer)(Buffer.from(output).toString("utf8"))),
          Effect.catchTag("SchemaError", () => unreadable(noMedium))
        )
    const output = yield* ask(show, FfprobeOutput)
    const result = fromFfprobe(output) ?? (yield* unreadable("holds neither picture nor sound"))
    if (!lacksScreen(result)) return result
    return withFrame(result, yield* ask(showFrame, FfprobeFrames))
  })

  const byDemuxer = Effect.fnUntraced(function* (
    store: ObjectStore,
    object: StoredObject,
    bytes: ObjectBytes.ObjectBytes,
    kind: DemuxKind
  ) {
    const report = yield* demuxer.probe(bytes, kind).pipe(Effect.catchTag("Undecided", () => Effect.succeed(null)))
    const result = report === null ? null : fromReport(report, object.sizeBytes)
    if (report === null || result === null) return yield* byFfprobe(store, object)
    if (!report.isPartial) return result
    // Without ffprobe an item lacks its subtitles and chapters, which is better than lacking the item.
    if (ffmpeg.tools.ffprobe instanceof FfmpegMissing) return result
    return enrich(yield* byFfprobe(store, object), report)
  })

  const probe = Effect.fn("Probe.probe")(function* (
    store: ObjectStore,
    object: StoredObject
  ): Effect.fn.Return<ProbeResult, MediaError> {
    if (object.sizeBytes === 0) return yield* unreadable("is empty")
    const result = yield* Effect.scoped(
      Effect.gen(function* () {
        const bytes = yield* ObjectBytes.open(store, object, { step, budgetBytes: inProcessBytes })
        const sniffed = sniff(yield* bytes.read(0, sniffBytes))
        switch (sniffed.type) {
          case "text":
            return yield* unreadable(noMedium)
          case "image":
            return yield* probeImage(store, object, bytes, sniffed.format)
          case "container":
            return yield* byDemuxer(store, object, bytes, sniffed.kind)
          case "other":
            return yield* byFfprobe(store, object)
        }
      })
    )
    const isHuge = result.streams.some(({ height, width }) => (width ?? 0) * (height ?? 0) > maxPixels)
    if (isHuge) return yield* unreadable(`declares more than ${maxPixels} pixels`)
    return options.keepLocation === true ? result : { ...result, location: null }
  })

  return Probe.of({ probe })
})

export const layerNoDeps = (options: ProbeOptions = {}): Layer.Layer<Probe, never, Ffmpeg.Ffmpeg | Demuxer.Demuxer> =>
  Layer.effect(Probe, make(options))

export const layer = (
  options: ProbeOptions & FfmpegOptions = {}
): Layer.Layer<Probe, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
  Layer.provide(layerNoDeps(options), Layer.merge(Ffmpeg.layer(options), Demuxer.layer()))
