import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { MediaItemId, UserId } from "./Ids.ts"
import { Chapter, MediaStream, SubtitleTrack } from "./MediaStream.ts"
import { ETag, ObjectKey } from "./StoredObject.ts"
import { Timestamp } from "./Timestamp.ts"

export const MediaType = Schema.Literals(["video", "audio", "image"]).annotate({ identifier: "MediaType" })
export type MediaType = typeof MediaType.Type

/**
 * `pending`: seen, nothing known yet. `processing`: being probed. `ready`: can be played. `failed`: see `failure`.
 * `missing`: its object was gone at the last scan; it comes back with the object.
 */
export const MediaStatus = Schema.Literals(["pending", "processing", "ready", "failed", "missing"]).annotate({
  identifier: "MediaStatus"
})
export type MediaStatus = typeof MediaStatus.Type

/** `private`: for its owner (and curators). `shared`: for everybody with `media:read`. */
export const Visibility = Schema.Literals(["private", "shared"]).annotate({ identifier: "Visibility" })
export type Visibility = typeof Visibility.Type

export const Thumbnail = Schema.Struct({
  /** Pixels. */
  width: Schema.Finite,
  height: Schema.Finite,
  /** Signed: works without an `Authorization` header for about an hour. */
  url: Schema.String
}).annotate({ identifier: "Thumbnail" })
export type Thumbnail = typeof Thumbnail.Type

/** Why an item is `failed`. */
export const MediaFailure = Schema.Struct({
  /** The step of ingest that failed: `list`, `probe`, `thumbnails`, `publish`. */
  step: Schema.String,
  /** In general words, but for the owner and who has `media:write`. */
  message: Schema.String,
  /** How often it was tried. */
  attempts: Schema.Finite
}).annotate({ identifier: "MediaFailure" })
export type MediaFailure = typeof MediaFailure.Type

export const MediaItem = Schema.Struct({
  id: MediaItemId,
  /** What the object holds; until it was probed, what its name says. */
  type: MediaType,
  title: Schema.String,
  description: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  status: MediaStatus,
  ownerId: Schema.NullOr(UserId),
  visibility: Visibility,
  /** `null` but for the owner and who has `media:write`. */
  s3Key: Schema.NullOr(ObjectKey),
  sizeBytes: Schema.Finite,
  etag: ETag,
  container: Schema.NullOr(Schema.String),
  durationSeconds: Schema.NullOr(Schema.Finite),
  /** Pixels as displayed: rotation and sample aspect ratio are applied. */
  width: Schema.NullOr(Schema.Finite),
  height: Schema.NullOr(Schema.Finite),
  /** Frames per second. */
  frameRate: Schema.NullOr(Schema.Finite),
  videoCodec: Schema.NullOr(Schema.String),
  audioCodec: Schema.NullOr(Schema.String),
  /** Bits per second. */
  bitrate: Schema.NullOr(Schema.Finite),
  capturedAt: Schema.NullOr(Timestamp),
  metadata: Schema.Unknown.annotate({
    description: "What else the object says about itself: tags, orientation, pictures, location"
  }),
  thumbnails: Schema.Array(Thumbnail),
  /** A tiny picture to show while the thumbnail loads (thumbhash, base64). */
  thumbhash: Schema.NullOr(Schema.String),
  failure: Schema.NullOr(MediaFailure),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** Grows with every change. */
  version: Schema.Finite
}).annotate({ identifier: "MediaItem" })
export type MediaItem = typeof MediaItem.Type

/** One way to play an item. */
export const Rendition = Schema.Struct({
  id: Schema.String,
  mimeType: Schema.String,
  url: Schema.String
}).annotate({ identifier: "Rendition" })

export const MediaItemDetail = Schema.Struct({
  ...MediaItem.fields,
  /** In the container's order, subtitles listed, without the pictures that are covers. Empty for images. */
  streams: Schema.Array(MediaStream),
  chapters: Schema.Array(Chapter),
  /** The text tracks that can be shown, those of files beside the item's too. They come soon after it is ready. */
  subtitles: Schema.Array(SubtitleTrack),
  /** Whether there are small pictures for the time line. They come soon after it is ready. */
  hasStoryboard: Schema.Boolean,
  renditions: Schema.Array(Rendition)
}).annotate({ identifier: "MediaItemDetail" })
export type MediaItemDetail = typeof MediaItemDetail.Type

export const MediaSort = Schema.Literals([
  "-createdAt",
  "createdAt",
  "title",
  "-durationSeconds",
  "relevance"
]).annotate({
  identifier: "MediaSort"
})
export type MediaSort = typeof MediaSort.Type

export class MediaItemNotFound extends HttpApiError.Problem<MediaItemNotFound>()("MediaItemNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such item"
}) {}

export class ContentUnavailable extends HttpApiError.Problem<ContentUnavailable>()("ContentUnavailable", {
  type: "urn:joy:content-unavailable",
  status: 404,
  title: "The item's object is not in the store at the moment"
}) {}

export class ThumbnailNotFound extends HttpApiError.Problem<ThumbnailNotFound>()("ThumbnailNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "This item has no thumbnail"
}) {}
