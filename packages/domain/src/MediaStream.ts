import * as Schema from "effect/Schema"

const nullable = Schema.NullOr

/** A point of the CIE 1931 chromaticity diagram. */
const Chromaticity = Schema.Struct({ x: Schema.Finite, y: Schema.Finite })

/** The screen that the picture was graded on (SMPTE ST 2086). Luminance in candela per square metre. */
export const MasteringDisplay = Schema.Struct({
  red: Chromaticity,
  green: Chromaticity,
  blue: Chromaticity,
  whitePoint: Chromaticity,
  minLuminance: Schema.Finite,
  maxLuminance: Schema.Finite
}).annotate({ identifier: "MasteringDisplay" })
export type MasteringDisplay = typeof MasteringDisplay.Type

/** How bright the content gets (CTA-861.3), in candela per square metre: its brightest pixel and its brightest frame. */
export const ContentLight = Schema.Struct({
  maxContent: Schema.Finite,
  maxFrameAverage: Schema.Finite
}).annotate({ identifier: "ContentLight" })
export type ContentLight = typeof ContentLight.Type

/** The Dolby Vision configuration record. Compatibility 1 is HDR10, 2 SDR, 4 HLG, 0 none of them. */
export const DolbyVision = Schema.Struct({
  profile: Schema.Int,
  level: Schema.Int,
  compatibility: Schema.Int
}).annotate({ identifier: "DolbyVision" })
export type DolbyVision = typeof DolbyVision.Type

export const VideoColor = Schema.Struct({
  /** What a display needs to be able to do: `hdr10` for PQ, with or without static metadata. */
  dynamicRange: Schema.Literals(["sdr", "hdr10", "hlg", "dolby-vision"]),
  range: nullable(Schema.Literals(["limited", "full"])),
  /** FFmpeg's names for the codes of ITU-T H.273: `bt709`, `bt2020nc`. */
  space: nullable(Schema.String),
  /** `bt709`, `smpte2084` (PQ), `arib-std-b67` (HLG). */
  transfer: nullable(Schema.String),
  primaries: nullable(Schema.String),
  masteringDisplay: nullable(MasteringDisplay),
  contentLight: nullable(ContentLight),
  dolbyVision: nullable(DolbyVision)
}).annotate({ identifier: "VideoColor" })
export type VideoColor = typeof VideoColor.Type

/** How far keyframes are apart, by the container's index. Players seek to them, and segments begin with one. */
export const Keyframes = Schema.Struct({
  averageSeconds: Schema.Finite,
  longestSeconds: Schema.Finite
}).annotate({ identifier: "Keyframes" })
export type Keyframes = typeof Keyframes.Type

/** A stream of the container: everything that a player needs to choose. `null` is what nothing says. */
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
  /** As the codec's standard writes it: `3.1`. */
  level: nullable(Schema.String),
  /** Pixels as coded, before rotation. */
  width: nullable(Schema.Int),
  height: nullable(Schema.Int),
  /** Pixels as displayed: rotation and sample aspect ratio are applied. */
  displayWidth: nullable(Schema.Int),
  displayHeight: nullable(Schema.Int),
  /** Width to height of one sample: `1:1`, `4:3`. */
  sampleAspectRatio: nullable(Schema.String),
  /** Degrees clockwise by which the picture is to be turned for display: 0, 90, 180, 270. */
  rotation: Schema.Int,
  /** FFmpeg's name (`pix_fmt`): `yuv420p10le`. */
  pixelFormat: nullable(Schema.String),
  /** Bits per sample of the picture or the sound. */
  bitDepth: nullable(Schema.Int),
  color: nullable(VideoColor),
  /** Frames per second on the average, and the same as a fraction: `30000/1001`. */
  frameRate: nullable(Schema.Finite),
  frameRateFraction: nullable(Schema.String),
  /** Some frames stay longer than others, by more than rounding explains. */
  isVariableFrameRate: nullable(Schema.Boolean),
  /** Of two fields, the one that is shown first. */
  interlacing: nullable(Schema.Literals(["progressive", "top-field-first", "bottom-field-first"])),
  keyframes: nullable(Keyframes),
  channels: nullable(Schema.Int),
  /** FFmpeg's name: `stereo`, `5.1`. */
  channelLayout: nullable(Schema.String),
  /** Hertz. */
  sampleRate: nullable(Schema.Int),
  /** As the container says it, mostly ISO 639-2: `eng`. */
  language: nullable(Schema.String),
  title: nullable(Schema.String),
  isDefault: Schema.Boolean,
  isForced: Schema.Boolean,
  /** What else it is flagged as, by FFmpeg's names: `original`, `comment`, `hearing_impaired`, `visual_impaired`, `dub`. */
  dispositions: Schema.Array(Schema.String),
  /** Bits per second, where the container says it. */
  bitrate: nullable(Schema.Int)
}).annotate({ identifier: "MediaStream" })
export type MediaStream = typeof MediaStream.Type

/** A stream of which nothing is known but where it is. */
export const unknownStream: Omit<MediaStream, "index" | "type"> = {
  codec: null,
  codecString: null,
  profile: null,
  level: null,
  width: null,
  height: null,
  displayWidth: null,
  displayHeight: null,
  sampleAspectRatio: null,
  rotation: 0,
  pixelFormat: null,
  bitDepth: null,
  color: null,
  frameRate: null,
  frameRateFraction: null,
  isVariableFrameRate: null,
  interlacing: null,
  keyframes: null,
  channels: null,
  channelLayout: null,
  sampleRate: null,
  language: null,
  title: null,
  isDefault: false,
  isForced: false,
  dispositions: [],
  bitrate: null
}

/** A text track that players can be given: one of the container's, or a file beside it. */
export const SubtitleTrack = Schema.Struct({
  /** BCP 47; `null` when nothing says it. */
  language: nullable(Schema.String),
  /** For people: `English (forced)`. */
  label: Schema.String,
  isDefault: Schema.Boolean,
  /** Only what everybody needs to read: signs, and what is spoken in another language. */
  isForced: Schema.Boolean,
  isForHearingImpaired: Schema.Boolean
}).annotate({ identifier: "SubtitleTrack" })
export type SubtitleTrack = typeof SubtitleTrack.Type

export const Chapter = Schema.Struct({
  /** Seconds from the beginning. */
  startSeconds: Schema.Finite,
  endSeconds: Schema.Finite,
  title: nullable(Schema.String)
}).annotate({ identifier: "Chapter" })
export type Chapter = typeof Chapter.Type
