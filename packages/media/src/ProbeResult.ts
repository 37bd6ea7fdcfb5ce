import { MediaType } from "@joy/domain/MediaItem"
import * as Schema from "effect/Schema"

const nullable = Schema.NullOr

/** A stream of the container. */
export const MediaStream = Schema.Struct({
  /** Its place among the container's streams, as `ffmpeg -map 0:<index>` counts them. */
  index: Schema.Int,
  type: Schema.Literals(["video", "audio", "subtitle", "data"]),
  /** FFmpeg's name (`codec_name`): `h264`, `aac`, `subrip`. */
  codec: nullable(Schema.String),
  /** RFC 6381, for CODECS and `MediaSource.isTypeSupported`: `avc1.64001f`. */
  codecString: nullable(Schema.String),
  /** FFmpeg's name (`profile`): `High`, `Main 10`, `LC`. */
  profile: nullable(Schema.String),
  /** Pixels as coded, before rotation. */
  width: nullable(Schema.Int),
  height: nullable(Schema.Int),
  /** Degrees clockwise by which the picture is to be turned for display: 0, 90, 180, 270. */
  rotation: Schema.Int,
  /** FFmpeg's name (`pix_fmt`): `yuv420p10le`. */
  pixelFormat: nullable(Schema.String),
  /** Bits per sample of the picture or the sound. */
  bitDepth: nullable(Schema.Int),
  /** Frames per second on the average (`avg_frame_rate`). */
  frameRate: nullable(Schema.Finite),
  channels: nullable(Schema.Int),
  /** Hertz. */
  sampleRate: nullable(Schema.Int),
  /** As the container says it, mostly ISO 639-2: `eng`. */
  language: nullable(Schema.String),
  title: nullable(Schema.String),
  isDefault: Schema.Boolean,
  isForced: Schema.Boolean,
  /** Bits per second, where the container says it. */
  bitrate: nullable(Schema.Int)
}).annotate({ identifier: "MediaStream" })
export type MediaStream = typeof MediaStream.Type

export const Chapter = Schema.Struct({
  /** Seconds from the beginning. */
  startSeconds: Schema.Finite,
  endSeconds: Schema.Finite,
  title: nullable(Schema.String)
}).annotate({ identifier: "Chapter" })
export type Chapter = typeof Chapter.Type

/** What is inside an object. Plain JSON. */
export const ProbeResult = Schema.Struct({
  /** Decided by the content, never by the name: a picture that an audio file carries is no video. */
  type: MediaType,
  /** `mp4`, `mov`, `matroska`, `webm`, `avi`, `mpegts`, `mp3`, `flac`, `ogg`, `wav`, `jpeg`, `png`, `webp`... */
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
  /** An audio file that carries a picture. */
  hasCover: Schema.Boolean,
  /** How an image is to be turned: 1 to 8 (EXIF 2.32, tag 0x0112); `null` when it doesn't say. */
  orientation: nullable(Schema.Int)
}).annotate({ identifier: "ProbeResult" })
export type ProbeResult = typeof ProbeResult.Type
