import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

import * as Demuxer from "./Demuxer.ts"
import * as Ffmpeg from "./Ffmpeg.ts"
import type { FfmpegOptions } from "./FfmpegTools.ts"
import type { MediaError } from "./MediaError.ts"
import * as ObjectBytes from "./ObjectBytes.ts"
import {
  contrast,
  type Picture,
  pictureOfImage,
  pictureOfPixels,
  render,
  thumbnailSize,
  type Thumbnails as Made
} from "./Pictures.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { sniff, sniffBytes } from "./Sniff.ts"
import { stillPicture } from "./StillPictures.ts"

/** Makes the small pictures that stand for an item. */
export class Thumbnails extends Context.Service<
  Thumbnails,
  {
    /** Nothing (no images, `null`) for sound without a cover and for pictures that only their maker can read. */
    readonly make: (store: ObjectStore, object: StoredObject, probe: ProbeResult) => Effect.Effect<Made, MediaError>
  }
>()("@joy/media/Thumbnails") {}

const step = "thumbnails"
const widest = 1280
const nothing: Made = { images: [], thumbhash: null }

/** A picture whose pixels differ less than this (standard deviation, 0 to 255) shows nothing: black, white, a fade. */
const enoughContrast = 8
/** Shorter clips are decoded up to the wanted time; in longer ones the keyframe before it will do. */
const accurateSeconds = 30
const coverBytes = 64 * 2 ** 20

/** Where to look for a frame, in seconds: the beginning is often black, the end often credits. */
const candidates = (durationSeconds: number | null): ReadonlyArray<number> =>
  durationSeconds === null ? [0] : [0.1, 0.3, 0.5, 0].map((part) => part * durationSeconds)

const make = Effect.gen(function* () {
  const ffmpeg = yield* Ffmpeg.Ffmpeg
  const demuxer = yield* Demuxer.Demuxer

  const frameAt = Effect.fnUntraced(function* (
    store: ObjectStore,
    object: StoredObject,
    probe: ProbeResult,
    size: { readonly width: number; readonly height: number },
    seconds: number
  ) {
    const stream = probe.streams.find(({ type }) => type === "video")?.index ?? 0
    const pixels = yield* ffmpeg.run({
      step,
      input: { store, object },
      call: {
        tool: "ffmpeg",
        seekSeconds: seconds,
        input: (probe.durationSeconds ?? 0) > accurateSeconds ? ["-noaccurate_seek"] : [],
        // Rotation is applied by ffmpeg before the filters, so that the size is the one that is displayed.
        output: [
          ..."-an -sn -dn -frames:v 1 -pix_fmt rgb24 -c:v rawvideo".split(" "),
          "-map",
          `0:${stream}`,
          "-vf",
          `scale=${size.width}:${size.height}:flags=bicubic`
        ],
        format: "rawvideo"
      },
      limits: { outputBytes: size.width * size.height * 3 }
    })
    // A time behind the last frame gives nothing, which is no failure.
    return pixels.length === size.width * size.height * 3 ? pictureOfPixels(pixels, size) : null
  })

  const ofVideo = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject, probe: ProbeResult) {
    const size = thumbnailSize(probe)
    if (size === null) return nothing
    let best: { picture: Picture; contrast: number } | null = null
    for (const seconds of candidates(probe.durationSeconds)) {
      const picture = yield* frameAt(store, object, probe, size, seconds)
      if (picture === null) continue
      const found = { picture, contrast: yield* contrast(step, picture) }
      if (best === null || found.contrast > best.contrast) best = found
      if (found.contrast >= enoughContrast) break
    }
    return best === null ? nothing : yield* render(step, best.picture)
  })

  const coverByFfmpeg = (store: ObjectStore, object: StoredObject) =>
    ffmpeg.run({
      step,
      input: { store, object },
      call: {
        tool: "ffmpeg",
        output: [
          "-map",
          "0:v:0",
          "-frames:v",
          "1",
          "-vf",
          `scale='min(${widest},iw)':-2`,
          "-c:v",
          "mjpeg",
          "-q:v",
          "2"
        ],
        format: "image2pipe"
      }
    })

  const cover = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject) {
    const bytes = yield* ObjectBytes.open(store, object, { step, budgetBytes: coverBytes })
    const kind = sniff(yield* bytes.read(0, sniffBytes))
    if (kind.type !== "container") return yield* coverByFfmpeg(store, object)
    const found = yield* demuxer.cover(bytes, kind.kind).pipe(Effect.catchTag("Undecided", () => Effect.succeed(null)))
    return found === null ? null : found.bytes
  }, Effect.scoped)

  const ofAudio = Effect.fnUntraced(
    function* (store: ObjectStore, object: StoredObject, probe: ProbeResult) {
      const bytes = probe.pictures.length > 0 ? yield* cover(store, object) : null
      if (bytes === null || sniff(bytes).type !== "image") return nothing
      return yield* render(step, yield* pictureOfImage(step, bytes))
    },
    // A song with a broken cover is still a song.
    Effect.catchTag(["UnreadableMedia", "MediaResourceExceeded", "FfmpegMissing"], () => Effect.succeed(nothing))
  )

  const ofImage = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject, probe: ProbeResult) {
    const picture = yield* stillPicture(step, store, object, probe, { ffmpeg, demuxer })
    return picture === null ? nothing : yield* render(step, picture)
  })

  return Thumbnails.of({
    make: Effect.fn("Thumbnails.make")(function* (store: ObjectStore, object: StoredObject, probe: ProbeResult) {
      switch (probe.type) {
        case "video":
          return yield* ofVideo(store, object, probe)
        case "audio":
          return yield* ofAudio(store, object, probe)
        case "image":
          return yield* ofImage(store, object, probe)
      }
    })
  })
})

export const layerNoDeps: Layer.Layer<Thumbnails, never, Ffmpeg.Ffmpeg | Demuxer.Demuxer> = Layer.effect(
  Thumbnails,
  make
)

export const layer = (
  options: FfmpegOptions = {}
): Layer.Layer<Thumbnails, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
  Layer.provide(layerNoDeps, Layer.merge(Ffmpeg.layer(options), Demuxer.layer()))
