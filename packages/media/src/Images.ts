import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import sharp, { type Metadata, type Sharp } from "sharp"

import { type MediaError, MediaResourceExceeded, UnreadableMedia } from "./MediaError.ts"
import * as ObjectBytes from "./ObjectBytes.ts"

// libvips reads many kinds of file, some through libraries that follow references (SVG) or are seldom fuzzed. Ours are the
// ones that `Sniff` knows, from memory only. Holds for the whole process, like sharp itself.
sharp.block({ operation: ["VipsForeignLoad"] })
sharp.unblock({
  operation: [
    "VipsForeignLoadJpegBuffer",
    "VipsForeignLoadPngBuffer",
    "VipsForeignLoadWebpBuffer",
    "VipsForeignLoadNsgifBuffer",
    "VipsForeignLoadHeifBuffer",
    "VipsForeignLoadTiffBuffer"
  ]
})
// Threads of one image; several images are read at a time anyway.
sharp.concurrency(1)
// What was made is stored: nothing is ever asked for twice.
sharp.cache(false)

/** sharp's own default: pixels that an image may declare before it is opened. */
export const maxPixels = 268_402_689
/** A camera's largest raw-like TIFF is below it. The whole file is held in memory while it is read. */
export const maxImageBytes = 256 * 2 ** 20

const decodeSeconds = 30

/** libvips in words for a person. */
const explain = (message: string): string => {
  if (/exceeds pixel limit/i.test(message)) return `declares more than ${maxPixels} pixels`
  if (/compression format has not been built in|heif: .*[Uu]nsupported/.test(message)) {
    return "is a picture in a compression that can't be read here (HEIC)"
  }
  if (/timeout/i.test(message)) return `is a picture that takes more than ${decodeSeconds} seconds to read`
  return `is a picture that can't be read: ${message.split("\n")[0]?.slice(0, 200) ?? "no reason given"}`
}

/** One use of sharp. `pages: 1`: of an animation the first picture. */
export const withSharp = Effect.fnUntraced(function* <A>(
  step: string,
  bytes: Uint8Array,
  use: (image: Sharp) => Promise<A>
): Effect.fn.Return<A, UnreadableMedia> {
  return yield* Effect.tryPromise({
    try: () =>
      use(sharp(bytes, { failOn: "truncated", limitInputPixels: maxPixels }).timeout({ seconds: decodeSeconds })),
    catch: (error) => new UnreadableMedia({ step, reason: explain(error instanceof Error ? error.message : "") })
  })
})

/**
 * Memory that the pictures decoded at one time may take, in MiB, and what each counts for at least: two small ones at a
 * time leave threads of the pool to whoever reads files. For the whole process, like sharp itself.
 */
const decodingMiB = 768
const leastMiB = 384
const decoding = Semaphore.makeUnsafe(decodingMiB)

const sampleBytes: Record<string, number> = { uchar: 1, char: 1, ushort: 2, short: 2 }

/**
 * What libvips has to hold of a picture at once, in bytes. Most are decoded line by line; where every line is there only
 * at the end (interlaced PNG, progressive JPEG, whole frames of WebP, GIF and HEIF) two megabytes of file can stand for
 * two gigabytes of memory.
 */
const heldBytes = ({ channels, depth, format, height, isProgressive, width }: Metadata): number => {
  const isByLine = format === "tiff" || ((format === "png" || format === "jpeg") && isProgressive !== true)
  if (isByLine) return 0
  // Coefficients of a JPEG have 16 bits, whatever its samples have.
  return width * height * channels * (format === "jpeg" ? 2 : (sampleBytes[depth] ?? 4))
}

/** As `withSharp`, for what looks at the pixels: only where there is memory for them. */
export const decodeWithSharp = Effect.fnUntraced(function* <A>(
  step: string,
  bytes: Uint8Array,
  use: (image: Sharp, metadata: Metadata) => Promise<A>
): Effect.fn.Return<A, UnreadableMedia | MediaResourceExceeded> {
  const metadata = yield* withSharp(step, bytes, (image) => image.metadata())
  const needed = Math.ceil(heldBytes(metadata) / 2 ** 20)
  if (needed > decodingMiB) return yield* new MediaResourceExceeded({ step, resource: "memory" })
  return yield* decoding.withPermits(Math.max(needed, leastMiB))(
    withSharp(step, bytes, (image) => use(image, metadata))
  )
})

/** The whole image, if it is one that fits into memory. */
export const readImage = Effect.fnUntraced(function* (
  store: ObjectStore,
  object: StoredObject,
  step: string
): Effect.fn.Return<Uint8Array, MediaError> {
  if (object.sizeBytes > maxImageBytes) return yield* new MediaResourceExceeded({ step, resource: "memory" })
  return yield* ObjectBytes.readWhole(store, object, step)
})
