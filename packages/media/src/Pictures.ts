import * as Effect from "effect/Effect"
import sharp, { type Sharp } from "sharp"
import { rgbaToThumbHash } from "thumbhash"

import { decodeWithSharp } from "./Images.ts"
import { type MediaResourceExceeded, UnreadableMedia } from "./MediaError.ts"

/** Pixels in memory: red, green, blue and, with four channels, alpha; not premultiplied. At most 1280 wide. */
export interface Picture {
  readonly pixels: Uint8Array
  readonly width: number
  readonly height: number
  readonly channels: 3 | 4
}

export interface ThumbnailImage {
  /** Pixels. */
  readonly width: number
  readonly height: number
  readonly format: "webp" | "jpeg"
  readonly bytes: Uint8Array
}

export interface Thumbnails {
  /** Every width in both formats. Never wider than the source: of a narrow one there are fewer. */
  readonly images: ReadonlyArray<ThumbnailImage>
  /** Base64; a picture of about 25 bytes to show while the thumbnail loads. */
  readonly thumbhash: string | null
}

export const thumbnailWidths: ReadonlyArray<number> = [320, 640, 1280]
const widest = 1280
/** A strip of pixels a thousand times as high as wide is no reason to decode it at that height. */
const highest = 4096

/** The size that the largest thumbnail of something displayed so large is made from. */
export const thumbnailSize = (shown: { readonly width: number | null; readonly height: number | null }) => {
  const { height, width } = shown
  if (width === null || height === null) return null
  const target = Math.min(width, widest)
  return { width: target, height: Math.max(1, Math.min(highest, Math.round((target * height) / width))) }
}

export const pictureOfPixels = (
  pixels: Uint8Array,
  size: { readonly width: number; readonly height: number }
): Picture => ({ pixels, ...size, channels: 3 })

/** Degrees clockwise by EXIF's numbers; no camera writes the mirrored ones. */
const rotations: Readonly<Record<number, number>> = { 3: 180, 6: 90, 8: 270 }

/**
 * Decodes an image, no larger than the largest thumbnail, turned as its EXIF says; where it has none, as `orientation`
 * of the file that it was taken from.
 */
export const pictureOfImage = Effect.fnUntraced(function* (
  step: string,
  bytes: Uint8Array,
  orientation: number | null = null
): Effect.fn.Return<Picture, UnreadableMedia | MediaResourceExceeded> {
  const { data, info } = yield* decodeWithSharp(step, bytes, (image, { orientation: own }) =>
    (own === undefined ? image.rotate(rotations[orientation ?? 1] ?? 0) : image.autoOrient())
      .resize({ width: widest, withoutEnlargement: true })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true })
  )
  if (info.channels !== 3 && info.channels !== 4) {
    return yield* new UnreadableMedia({ step, reason: `is a picture of ${info.channels} channels` })
  }
  return { pixels: data, width: info.width, height: info.height, channels: info.channels }
})

const open = ({ pixels, width, height, channels }: Picture): Sharp =>
  sharp(pixels, { raw: { width, height, channels } })

const attempt = <A>(step: string, use: () => Promise<A>): Effect.Effect<A, UnreadableMedia> =>
  Effect.tryPromise({
    try: use,
    catch: (error) =>
      new UnreadableMedia({
        step,
        reason: `gives a picture that can't be written: ${error instanceof Error ? error.message : "no reason given"}`
      })
  })

/** How much the brightness differs over the picture: the standard deviation, 0 (one colour) to 127. */
export const contrast = (step: string, picture: Picture): Effect.Effect<number, UnreadableMedia> =>
  attempt(step, async () => {
    const small = await open(picture).resize({ width: 64, height: 64, fit: "fill" }).greyscale().toBuffer()
    const mean = small.reduce((sum, value) => sum + value, 0) / small.length
    return Math.sqrt(small.reduce((sum, value) => sum + (value - mean) ** 2, 0) / small.length)
  })

const thumbhash = async (picture: Picture): Promise<string> => {
  const { data, info } = await open(picture)
    .resize({ width: 100, height: 100, fit: "inside", withoutEnlargement: true })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return Buffer.from(rgbaToThumbHash(info.width, info.height, data)).toString("base64")
}

const encode = async (picture: Picture, width: number, format: "webp" | "jpeg"): Promise<ThumbnailImage> => {
  const image = open(picture).resize({ width })
  const { data, info } = await (
    format === "webp"
      ? // A third of the default effort's time, for three in a hundred more bytes.
        image.webp({ quality: 78, effort: 2 })
      : // JPEG has no transparency: white behind it, as on paper.
        image.flatten({ background: "white" }).jpeg({ quality: 80 })
  ).toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, format, bytes: data }
}

/** All sizes and formats of a picture, one after the other: what runs side by side is decided by who calls. */
export const render = (step: string, picture: Picture): Effect.Effect<Thumbnails, UnreadableMedia> =>
  attempt(step, async () => {
    const widths = new Set(thumbnailWidths.map((width) => Math.min(width, picture.width)))
    const images: Array<ThumbnailImage> = []
    for (const width of widths) {
      images.push(await encode(picture, width, "webp"), await encode(picture, width, "jpeg"))
    }
    return { images, thumbhash: await thumbhash(picture) }
  })

/** A sheet of tiles as WebP; cut or filled up to its size, where fewer tiles were made. */
export const encodeSheet = (
  step: string,
  pixels: Uint8Array,
  size: { readonly width: number; readonly height: number }
): Effect.Effect<Uint8Array, UnreadableMedia> =>
  attempt(step, async () => {
    const whole = new Uint8Array(size.width * size.height * 3)
    whole.set(pixels.subarray(0, whole.length))
    return open(pictureOfPixels(whole, size)).webp({ quality: 70, effort: 2 }).toBuffer()
  })
