import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { openContainer } from "./Containers.ts"
import * as Demuxer from "./Demuxer.ts"
import * as Ffmpeg from "./Ffmpeg.ts"
import type { MediaError } from "./MediaError.ts"
import { encodeSheet } from "./Pictures.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import type { Served } from "./Served.ts"
import { type Plan, planOf, tileFilters, type TileTimes, vttOf } from "./StoryboardPlan.ts"

/** What people see when they drag along the time line. */
export interface Storyboard {
  /** WebP, up to 100 tiles each. */
  readonly sheets: ReadonlyArray<Uint8Array>
  /** The WebVTT thumbnails track; it names the sheets `storyboard-0.webp`, `storyboard-1.webp`... */
  readonly vtt: string
}

/** Makes sheets of small pictures of a video's keyframes. */
export class Storyboards extends Context.Service<
  Storyboards,
  {
    /** `null` for what has no moving picture, no known length, or nothing to be decoded. */
    readonly make: (
      store: ObjectStore,
      object: StoredObject,
      probe: ProbeResult
    ) => Effect.Effect<Storyboard | null, MediaError>
  }
>()("@joy/media/Storyboards") {}

const step = "storyboard"

/** Keyframes of one sheet, and with them what is held in memory. */
const sheetBytes = 64 * 2 ** 20
/** The keyframes of all sheets, their index, and the blocks around them. */
const readBytes = 2 * 2 ** 30
/** Containers that only FFmpeg knows are read whole: not beyond this. */
const wholeBytes = 4 * 2 ** 30
const wholeLimits = { wallSeconds: 1800, cpuSeconds: 600 }

interface Sheet {
  readonly bytes: Uint8Array
  readonly times: TileTimes
}

const make = Effect.gen(function* () {
  const ffmpeg = yield* Ffmpeg.Ffmpeg
  const demuxer = yield* Demuxer.Demuxer

  const draw = (
    input: Served,
    plan: Plan,
    options: {
      readonly stream: number
      readonly tileSeconds: number
      readonly rotation: number
      readonly sheets: number
    }
  ) =>
    ffmpeg.run({
      step,
      input,
      call: {
        tool: "ffmpeg",
        input: ["-skip_frame", "nokey"],
        output: [
          ..."-an -sn -dn -pix_fmt rgb24 -c:v rawvideo -frames:v".split(" "),
          String(options.sheets),
          "-map",
          `0:${options.stream}`,
          "-vf",
          tileFilters(plan, options)
        ],
        format: "rawvideo"
      },
      limits: "bytes" in input ? {} : wholeLimits,
      budgetBytes: "bytes" in input ? undefined : input.object.sizeBytes + 64 * 2 ** 20
    })

  /** The keyframes that are wanted are taken out here, a sheet at a time, and nothing else of the object is read. */
  const byKeyframes = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject, plan: Plan) {
    const { bytes, kind } = yield* openContainer(store, object, { step, budgetBytes: readBytes })
    if (kind === null) return null
    const sheets: Array<Sheet> = []
    for (const seconds of plan.sheets) {
      const taken = yield* demuxer
        .frames(bytes, kind, { seconds, mostBytes: sheetBytes })
        .pipe(Effect.catchTag("Undecided", () => Effect.succeed(null)))
      if (taken === null) break
      // One second of this video is one tile.
      const video = { stream: 0, tileSeconds: 1, rotation: plan.rotation, sheets: 1 }
      const pixels = yield* draw({ bytes: taken.bytes }, plan, video)
      if (pixels.length === 0) break
      sheets.push({ bytes: yield* encodeSheet(step, pixels, plan.sheetSize), times: taken.seconds })
    }
    return sheets.length === 0 ? null : sheets
  }, Effect.scoped)

  const byFfmpeg = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject, plan: Plan) {
    if (object.sizeBytes > wholeBytes) return null
    const { sheets: planned, stream, tileSeconds } = plan
    const pixels = yield* draw({ store, object }, plan, { stream, tileSeconds, rotation: 0, sheets: planned.length })
    const length = plan.sheetSize.width * plan.sheetSize.height * 3
    const sheets: Array<Sheet> = []
    for (const [i, times] of planned.entries()) {
      if ((i + 1) * length > pixels.length) break
      const part = pixels.subarray(i * length, (i + 1) * length)
      sheets.push({ bytes: yield* encodeSheet(step, part, plan.sheetSize), times })
    }
    return sheets.length === 0 ? null : sheets
  })

  return Storyboards.of({
    make: Effect.fn("Storyboards.make")(function* (store: ObjectStore, object: StoredObject, probe: ProbeResult) {
      const plan = planOf(probe)
      if (plan === null) return null
      const sheets = (yield* byKeyframes(store, object, plan)) ?? (yield* byFfmpeg(store, object, plan))
      if (sheets === null) return null
      return {
        sheets: sheets.map(({ bytes }) => bytes),
        vtt: vttOf(
          plan,
          sheets.map(({ times }) => times)
        )
      }
    })
  })
})

export const layerNoDeps: Layer.Layer<Storyboards, never, Ffmpeg.Ffmpeg | Demuxer.Demuxer> = Layer.effect(
  Storyboards,
  make
)
