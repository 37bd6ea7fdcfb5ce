import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

import { openContainer } from "./Containers.ts"
import * as Demuxer from "./Demuxer.ts"
import * as Ffmpeg from "./Ffmpeg.ts"
import type { FfmpegOptions } from "./FfmpegTools.ts"
import type { MediaError } from "./MediaError.ts"
import { pictureOfImage, render, type Thumbnails as Made } from "./Pictures.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { sniff } from "./Sniff.ts"
import { stillPicture } from "./StillPictures.ts"
import { videoPicture } from "./VideoPictures.ts"

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

const coverBytes = 64 * 2 ** 20

const make = Effect.gen(function* () {
  const ffmpeg = yield* Ffmpeg.Ffmpeg
  const demuxer = yield* Demuxer.Demuxer

  const ofVideo = Effect.fnUntraced(function* (store: ObjectStore, object: StoredObject, probe: ProbeResult) {
    const picture = yield* videoPicture({ ffmpeg, demuxer }, step, store, object, probe)
    return picture === null ? nothing : yield* render(step, picture)
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
    const { bytes, kind } = yield* openContainer(store, object, { step, budgetBytes: coverBytes })
    if (kind === null) return yield* coverByFfmpeg(store, object)
    const found = yield* demuxer.cover(bytes, kind).pipe(Effect.catchTag("Undecided", () => Effect.succeed(null)))
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
