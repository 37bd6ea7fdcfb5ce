import { MediaType } from "@joy/domain/MediaItem"
import { Chapter, MediaStream } from "@joy/domain/MediaStream"
import * as Schema from "effect/Schema"

const nullable = Schema.NullOr

/** A picture that a container carries beside its streams: a cover. */
export const EmbeddedPicture = Schema.Struct({
  kind: Schema.Literals(["front", "back", "other"]),
  mimeType: Schema.String
}).annotate({ identifier: "EmbeddedPicture" })
export type EmbeddedPicture = typeof EmbeddedPicture.Type

/** Where something was taken (WGS 84). Degrees, north and east positive; metres above the sea. */
export const Location = Schema.Struct({
  latitude: Schema.Finite,
  longitude: Schema.Finite,
  altitude: nullable(Schema.Finite)
}).annotate({ identifier: "Location" })
export type Location = typeof Location.Type

/** What is inside an object. Plain JSON. */
export const ProbeResult = Schema.Struct({
  /** Decided by the content, never by the name: a picture that an audio file carries is no video. */
  type: MediaType,
  /** `mp4`, `mov`, `matroska`, `webm`, `avi`, `mpegts`, `mp3`, `flac`, `ogg`, `wav`, `jpeg`, `png`, `webp`, `raw`... */
  container: Schema.String,
  /** Seconds; of an animated picture one round; `null` when nothing says it. */
  durationSeconds: nullable(Schema.Finite),
  /** Pixels as displayed: rotation and sample aspect ratio are applied. */
  width: nullable(Schema.Int),
  height: nullable(Schema.Int),
  /** Frames per second, and the same as a fraction: `30000/1001`. */
  frameRate: nullable(Schema.Finite),
  frameRateFraction: nullable(Schema.String),
  /** Of the first video and the first audio stream, by FFmpeg's names. */
  videoCodec: nullable(Schema.String),
  audioCodec: nullable(Schema.String),
  /** Bits per second of the whole object. */
  bitrate: nullable(Schema.Int),
  /** ISO 8601 in UTC. A camera that doesn't tell its time zone is taken at its word as if it stood in UTC. */
  capturedAt: nullable(Schema.String),
  /** In the container's order, without the pictures that are covers. Empty for images. */
  streams: Schema.Array(MediaStream),
  chapters: Schema.Array(Chapter),
  /** `title`, `artist`, `album`, `albumArtist`, `composer`, `genre`, `date`, `track`, `disc`, `make`, `model`...: see Tags.ts. */
  tags: Schema.Record(Schema.String, Schema.String),
  pictures: Schema.Array(EmbeddedPicture),
  /** Only where it is to be kept: `null` otherwise, and where nothing says it. */
  location: nullable(Location),
  /** How an image is to be turned: 1 to 8 (EXIF 2.32, tag 0x0112); `null` when it doesn't say. */
  orientation: nullable(Schema.Int)
}).annotate({ identifier: "ProbeResult" })
export type ProbeResult = typeof ProbeResult.Type
