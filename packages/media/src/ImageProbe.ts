import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import type { Metadata } from "sharp"

import { type ExifData, noExif, parseExif } from "./Exif.ts"
import { maxPixels, readImage, withSharp } from "./Images.ts"
import { type MediaError, UnreadableMedia } from "./MediaError.ts"
import type { ObjectBytes } from "./ObjectBytes.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { maxPreviewBytes, type RawFile, readRawFile } from "./RawFile.ts"
import type { ImageKind } from "./Sniff.ts"

const step = "probe"
/** EXIF stands near the beginning of a raw file. */
const rawExifBytes = 512 * 2 ** 10

interface Facts {
  readonly width: number
  readonly height: number
  readonly orientation: number | null
  readonly durationSeconds: number | null
  readonly exif: ExifData
}

const resultOf = Effect.fnUntraced(function* (
  container: string,
  { durationSeconds, exif, height, orientation, width }: Facts
): Effect.fn.Return<ProbeResult, UnreadableMedia> {
  if (width * height > maxPixels) {
    return yield* new UnreadableMedia({ step, reason: `declares more than ${maxPixels} pixels` })
  }
  const isTurned = orientation !== null && orientation >= 5
  return {
    type: "image",
    container,
    durationSeconds,
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
    orientation
  }
})

const exifOf = ({ exif }: Metadata) => (exif === undefined ? noExif : parseExif(exif))

/** The header of the largest preview that has one. */
const previewMetadata = Effect.fnUntraced(function* (bytes: ObjectBytes, raw: RawFile) {
  for (const { length, offset } of raw.previews) {
    if (length > maxPreviewBytes) continue
    const jpeg = yield* bytes.read(offset, offset + length)
    const metadata = yield* Effect.result(withSharp(step, jpeg, (image) => image.metadata()))
    if (metadata._tag === "Success") return metadata.success
  }
  return yield* new UnreadableMedia({ step, reason: "is a raw picture without a preview that can be read here" })
})

/** A camera's own format is shown by the preview that it holds. */
const ofRaw = Effect.fnUntraced(function* (bytes: ObjectBytes, raw: RawFile) {
  const metadata = yield* previewMetadata(bytes, raw)
  const own = parseExif(yield* bytes.read(0, rawExifBytes))
  return yield* resultOf("raw", {
    width: raw.width ?? metadata.width,
    height: raw.height ?? metadata.height,
    orientation: raw.orientation ?? metadata.orientation ?? null,
    durationSeconds: null,
    exif: own.capturedAt === null ? exifOf(metadata) : own
  })
})

/** Reads a picture's header. Nothing is decoded. */
export const probeImage = Effect.fnUntraced(function* (
  store: ObjectStore,
  object: StoredObject,
  bytes: ObjectBytes,
  format: ImageKind
): Effect.fn.Return<ProbeResult, MediaError> {
  const raw = format === "raw" || format === "tiff" ? yield* readRawFile(bytes) : null
  if (raw !== null) return yield* ofRaw(bytes, raw)
  const metadata = yield* withSharp(step, yield* readImage(store, object, step), (image) => image.metadata())
  // Milliseconds of each frame of an animation.
  const millis = (metadata.delay ?? []).reduce((sum, delay) => sum + delay, 0)
  return yield* resultOf(format, {
    width: metadata.width,
    height: metadata.height,
    orientation: metadata.orientation ?? null,
    durationSeconds: millis > 0 ? millis / 1000 : null,
    exif: exifOf(metadata)
  })
})
