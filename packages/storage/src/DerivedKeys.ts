import type { MediaItemId } from "@joy/domain/Ids"
import { type ETag, ObjectKey } from "@joy/domain/StoredObject"

/**
 * Where derivatives lie in the derived store: below the item and the version of the object that they were made from, so
 * that those of a replaced object are never taken for those of the new one.
 */

/** An ETag as one part of a key: what S3 compatible stores put in one stays within a path. */
const version = (etag: ETag) => encodeURIComponent(etag)

export type ThumbnailFormat = "webp" | "jpeg"

/** Where the samples of the object are: what segments are cut by. */
export const containerIndex = (item: MediaItemId, etag: ETag): ObjectKey =>
  ObjectKey.make(`${item}/${version(etag)}/container.index`)

/** What browsers play instead of the object. */
export const rendition = (item: MediaItemId, etag: ETag): ObjectKey =>
  ObjectKey.make(`${item}/${version(etag)}/rendition.mp4`)

/** Where the samples of one making of a rendition are. */
export const renditionIndex = (rendition: ObjectKey, etag: ETag): ObjectKey =>
  ObjectKey.make(`${rendition}.${version(etag)}.index`)

/** The WebVTT thumbnails track, and the sheets that it names. */
export const storyboard = (item: MediaItemId, etag: ETag): ObjectKey =>
  ObjectKey.make(`${item}/${version(etag)}/storyboard.vtt`)

export const storyboardSheet = (item: MediaItemId, etag: ETag, number: number): ObjectKey =>
  ObjectKey.make(`${item}/${version(etag)}/storyboard-${number}.webp`)

export const subtitle = (item: MediaItemId, etag: ETag, number: number): ObjectKey =>
  ObjectKey.make(`${item}/${version(etag)}/subtitle-${number}.vtt`)

export const thumbnail = (item: MediaItemId, etag: ETag, width: number, format: ThumbnailFormat): ObjectKey =>
  ObjectKey.make(`${item}/${version(etag)}/thumbnail-${width}.${format}`)
