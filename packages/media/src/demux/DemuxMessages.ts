import type { ContentLight, DolbyVision, Keyframes, MasteringDisplay, MediaStream } from "@joy/domain/MediaStream"

import type { EmbeddedPicture } from "../ProbeResult.ts"
import type { ColorCodes } from "./Outline.ts"

/** What the demuxing thread and its owner say to each other. Plain data: it crosses threads by structured clone. */

/** The containers that are read in process, by the first bytes of the object. */
export type DemuxKind = "mp4" | "matroska" | "mp3" | "flac" | "ogg" | "wav" | "adts"

/** A stream as the container declares it. */
export interface DemuxTrack {
  /** Its place among all tracks of the container, those of no interest included. */
  readonly index: number
  readonly type: "video" | "audio"
  /** As mediabunny calls it (`avc`, `aac`, `pcm-s16`); `null` for one it doesn't know. */
  readonly codec: string | null
  /** RFC 6381, for example `avc1.64001f`. */
  readonly codecString: string | null
  /** The codec's own configuration record (avcC, hvcC, STREAMINFO...). */
  readonly description: Uint8Array | null
  readonly language: string | null
  readonly title: string | null
  readonly isDefault: boolean
  readonly isForced: boolean
  /** Bits per second, where the container says it. */
  readonly bitrate: number | null
  /** What else it is flagged as, by FFmpeg's names. */
  readonly dispositions: ReadonlyArray<string>
  readonly picture: DemuxPicture | null
  readonly channels: number | null
  /** Hertz. */
  readonly sampleRate: number | null
}

/** What only tracks of pictures have. */
export interface DemuxPicture {
  /** Pixels as coded. */
  readonly width: number
  readonly height: number
  /** Width to height of one sample, where the container says it: `4:3`. */
  readonly sampleAspectRatio: string | null
  /** Degrees clockwise. */
  readonly rotation: number
  /** Frames per second, as a fraction. */
  readonly frameRate: string | null
  readonly isVariableFrameRate: boolean | null
  readonly interlacing: MediaStream["interlacing"]
  readonly keyframes: Keyframes | null
  readonly color: ColorCodes
  readonly masteringDisplay: MasteringDisplay | null
  readonly contentLight: ContentLight | null
  readonly dolbyVision: DolbyVision | null
}

export interface DemuxReport {
  readonly container: string
  readonly durationSeconds: number | null
  readonly tracks: ReadonlyArray<DemuxTrack>
  /** By the container's own names and by mediabunny's; strings only. */
  readonly tags: Readonly<Record<string, string>>
  readonly pictures: ReadonlyArray<EmbeddedPicture>
  /** Milliseconds since the epoch at which the container says it was made. */
  readonly createdAtMillis: number | null
  /** There is more in it than is told here (subtitles, chapters, unknown codecs, fields, screens): ask ffprobe if it is there. */
  readonly isPartial: boolean
}

export interface DemuxCover {
  readonly bytes: Uint8Array
  readonly mimeType: string
}

/** Some keyframes of a video, one a second, in a container of their own. */
export interface DemuxFrames {
  /** Matroska. */
  readonly bytes: Uint8Array
  /** When each is shown in the video. */
  readonly seconds: ReadonlyArray<number>
}

/** A still picture of HEVC: its tiles as frames of a video, left to right and top to bottom. */
export interface DemuxTiles {
  /** Matroska. */
  readonly bytes: Uint8Array
  readonly columns: number
  readonly rows: number
  /** Degrees clockwise. */
  readonly rotation: number
  /** Pixels of the picture before it is turned, which the tiles may jut out of. */
  readonly width: number
  readonly height: number
}

export type DemuxRequest =
  | { readonly type: "probe"; readonly kind: DemuxKind; readonly sizeBytes: number }
  | { readonly type: "cover"; readonly kind: DemuxKind; readonly sizeBytes: number }
  | {
      readonly type: "frames"
      readonly kind: DemuxKind
      readonly sizeBytes: number
      /** Of each the keyframe at or before it; where that is the one of the time before, it is left out. */
      readonly seconds: ReadonlyArray<number>
      /** No further frame is taken when they are as much. */
      readonly mostBytes: number
    }
  | { readonly type: "tiles"; readonly sizeBytes: number }
  | { readonly type: "bytes"; readonly id: number; readonly bytes: Uint8Array }
  /** The read failed: the work is to be given up. The owner knows why. */
  | { readonly type: "unreadable"; readonly id: number }

export type DemuxAnswer =
  | { readonly type: "read"; readonly id: number; readonly start: number; readonly end: number }
  | { readonly type: "report"; readonly report: DemuxReport }
  | { readonly type: "cover"; readonly cover: DemuxCover | null }
  | { readonly type: "frames"; readonly frames: DemuxFrames | null }
  | { readonly type: "tiles"; readonly tiles: DemuxTiles | null }
  /** The object is bad for good, as a person should read it. */
  | { readonly type: "refused"; readonly reason: string }
  /** It could not be read here; another reader may know more. */
  | { readonly type: "unknown"; readonly reason: string }

/** Reads bytes `start` up to, not including, `end`. Shorter only at the end of the object. */
export type ReadBytes = (start: number, end: number) => Promise<Uint8Array>

/** Thrown by what reads containers: the object is bad for good. */
export class Refused extends Error {}
