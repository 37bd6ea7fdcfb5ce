import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"

import { noExif, parseExif } from "./Exif.ts"
import { maxPixels, readImage, withSharp } from "./Images.ts"
import { type MediaError, UnreadableMedia } from "./MediaError.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import type { ImageKind } from "./Sniff.ts"

/** Reads a picture's header. Nothing is decoded. */
export const probeImage = Effect.fnUntraced(function* (
  store: ObjectStore,
  object: StoredObject,
  format: ImageKind
): Effect.fn.Return<ProbeResult, MediaError> {
  const bytes = yield* readImage(store, object, "probe")
  const metadata = yield* withSharp("probe", bytes, (image) => image.metadata())
  const { width, height, orientation } = metadata
  if (width * height > maxPixels) {
    return yield* new UnreadableMedia({ step: "probe", reason: `declares more than ${maxPixels} pixels` })
  }
  const isTurned = orientation !== undefined && orientation >= 5
  const exif = metadata.exif === undefined ? noExif : parseExif(metadata.exif)
  // Milliseconds of each frame of an animation.
  const millis = (metadata.delay ?? []).reduce((sum, delay) => sum + delay, 0)
  return {
    type: "image",
    container: format,
    durationSeconds: millis > 0 ? millis / 1000 : null,
    width: isTurned ? height : width,
    height: isTurned ? width : height,
    frameRate: null,
    frameRateFraction: null,
    videoCodec: null,
    audioCodec: null,
    bitrate: null,
    capturedAt: exif.capturedAt,
    streams: [],
    chapters: [],
    tags: exif.tags,
    pictures: [],
    location: exif.location,
    orientation: orientation ?? null
  }
})
