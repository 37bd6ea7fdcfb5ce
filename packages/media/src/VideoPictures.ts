import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"

import { openContainer } from "./Containers.ts"
import type { Demuxer } from "./Demuxer.ts"
import type { Ffmpeg } from "./Ffmpeg.ts"
import type { MediaError } from "./MediaError.ts"
import { contrast, type Picture, pictureOfPixels, thumbnailSize } from "./Pictures.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import type { Served } from "./Served.ts"
import { turns } from "./StoryboardPlan.ts"

/** A picture whose pixels differ less than this (standard deviation, 0 to 127) shows nothing: black, white, a fade. */
const enoughContrast = 8
/** Shorter clips are decoded up to the wanted time; in longer ones the keyframe before it will do. */
const accurateSeconds = 30
/** A keyframe closer to the beginning is the beginning. */
const beginningSeconds = 0.04
/** One keyframe of the largest pictures, and the index before it. */
const keyframeBytes = 32 * 2 ** 20

/** Where to look for a frame, as parts of the whole: the beginning is often black, the end often credits. */
const parts = [0.1, 0.3, 0.5] as const

export interface Tools {
  readonly ffmpeg: Ffmpeg["Service"]
  readonly demuxer: Demuxer["Service"]
}

interface Size {
  readonly width: number
  readonly height: number
}

const draw = Effect.fnUntraced(function* (
  { ffmpeg }: Tools,
  step: string,
  input: Served,
  size: Size,
  options: {
    readonly seekSeconds?: number
    readonly input?: ReadonlyArray<string>
    readonly stream: number
    readonly filters: ReadonlyArray<string>
  }
) {
  const length = size.width * size.height * 3
  const pixels = yield* ffmpeg.run({
    step,
    input,
    call: {
      tool: "ffmpeg",
      seekSeconds: options.seekSeconds,
      input: options.input,
      output: [
        ..."-an -sn -dn -frames:v 1 -pix_fmt rgb24 -c:v rawvideo -map".split(" "),
        `0:${options.stream}`,
        "-vf",
        [...options.filters, `scale=${size.width}:${size.height}:flags=bicubic`].join(",")
      ],
      format: "rawvideo"
    },
    limits: { outputBytes: length }
  })
  // A time behind the last frame gives nothing, which is no failure.
  return pixels.length === length ? pictureOfPixels(pixels, size) : null
})

/**
 * A keyframe that shows something, and is not the first one: taken out of the object here, so that ffmpeg has one frame to
 * open instead of a film. `null` when there is none, or none that can be taken out.
 */
const byKeyframe = Effect.fnUntraced(function* (
  tools: Tools,
  step: string,
  store: ObjectStore,
  object: StoredObject,
  probe: ProbeResult,
  size: Size
) {
  const { bytes, kind } = yield* openContainer(store, object, { step })
  if (kind === null) return null
  const rotation = probe.streams.find(({ type }) => type === "video")?.rotation ?? 0
  let before = beginningSeconds
  for (const part of parts) {
    const seconds = [part * (probe.durationSeconds ?? 0)]
    const taken = yield* tools.demuxer.frames(bytes, kind, { seconds, mostBytes: keyframeBytes })
    const [found] = taken?.seconds ?? []
    if (taken === null || found === undefined || found <= before) continue
    before = found
    const filters = turns[rotation] ?? []
    const picture = yield* draw(tools, step, { bytes: taken.bytes }, size, { stream: 0, filters })
    if (picture !== null && (yield* contrast(step, picture)) >= enoughContrast) return picture
  }
  return null
}, Effect.scoped)

/** The frame that shows most of those looked at by ffmpeg alone. */
const byFfmpeg = Effect.fnUntraced(function* (
  tools: Tools,
  step: string,
  store: ObjectStore,
  object: StoredObject,
  probe: ProbeResult,
  size: Size
) {
  const stream = probe.streams.find(({ type }) => type === "video")?.index ?? 0
  const duration = probe.durationSeconds
  const input = (duration ?? 0) > accurateSeconds ? ["-noaccurate_seek"] : []
  let best: { readonly picture: Picture; readonly contrast: number } | null = null
  for (const seekSeconds of duration === null ? [0] : [...parts, 0].map((part) => part * duration)) {
    // ffmpeg turns it by itself.
    const options = { seekSeconds, input, stream, filters: [] }
    const picture = yield* draw(tools, step, { store, object }, size, options)
    if (picture === null) continue
    const found = { picture, contrast: yield* contrast(step, picture) }
    if (best === null || found.contrast > best.contrast) best = found
    if (found.contrast >= enoughContrast) break
  }
  return best === null ? null : best.picture
})

/** The picture that stands for a video; `null` when nothing in it can be shown. */
export const videoPicture = Effect.fnUntraced(function* (
  tools: Tools,
  step: string,
  store: ObjectStore,
  object: StoredObject,
  probe: ProbeResult
): Effect.fn.Return<Picture | null, MediaError> {
  const size = thumbnailSize(probe)
  if (size === null) return null
  const found = yield* byKeyframe(tools, step, store, object, probe, size).pipe(
    // What is damaged for one way of reading it may not be for the other.
    Effect.catchTag(["Undecided", "UnreadableMedia", "MediaTimeout", "MediaResourceExceeded"], () =>
      Effect.succeed(null)
    )
  )
  return found ?? (yield* byFfmpeg(tools, step, store, object, probe, size))
})
