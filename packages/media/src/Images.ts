import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import sharp, { type Sharp } from "sharp"

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

/** The whole image, if it is one that fits into memory. */
export const readImage = Effect.fnUntraced(function* (
  store: ObjectStore,
  object: StoredObject,
  step: string
): Effect.fn.Return<Uint8Array, MediaError> {
  if (object.sizeBytes > maxImageBytes) return yield* new MediaResourceExceeded({ step, resource: "memory" })
  return yield* ObjectBytes.readWhole(store, object)
})
