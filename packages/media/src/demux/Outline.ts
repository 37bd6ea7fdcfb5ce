import type { ContentLight, DolbyVision, Keyframes, MasteringDisplay, MediaStream } from "@joy/domain/MediaStream"

import type { ReadBytes } from "./DemuxMessages.ts"

/** Codes of ITU-T H.273; `null` where nothing is said (2 is "unspecified"). */
export interface ColorCodes {
  readonly primaries: number | null
  readonly transfer: number | null
  readonly matrix: number | null
  readonly isFullRange: boolean | null
}

/** What a container says about a track beyond what mediabunny tells. */
export interface TrackOutline {
  /** The container's (track_ID, TrackNumber). */
  readonly id: number
  readonly kind: "video" | "audio" | "subtitle" | "data"
  /** Frames per second as a fraction, where the container declares it. */
  readonly frameRate: string | null
  readonly isVariableFrameRate: boolean | null
  readonly keyframes: Keyframes | null
  readonly sampleAspectRatio: string | null
  readonly interlacing: MediaStream["interlacing"]
  readonly color: ColorCodes | null
  readonly masteringDisplay: MasteringDisplay | null
  readonly contentLight: ContentLight | null
  readonly dolbyVision: DolbyVision | null
}

export const unknownTrack: TrackOutline = {
  id: 0,
  kind: "data",
  frameRate: null,
  isVariableFrameRate: null,
  keyframes: null,
  sampleAspectRatio: null,
  interlacing: null,
  color: null,
  masteringDisplay: null,
  contentLight: null,
  dolbyVision: null
}

/** What mediabunny does not tell about a container. */
export interface Outline {
  /** All tracks in order. */
  readonly tracks: ReadonlyArray<TrackOutline>
  readonly hasChapters: boolean
  readonly createdAtMillis: number | null
  /** Where mediabunny doesn't tell it. */
  readonly title: string | null
}

/** ISO 14496-12, 12.1.5, and Matroska's Colour write 2 for what is not specified. */
export const colorCode = (code: number): number | null => (code === 2 ? null : code)

/** The record of a `dvcC` or `dvvC` box (Dolby Vision Streams Within the ISO Base Media File Format, 3.2). */
export const readDolbyVision = (record: Uint8Array): DolbyVision | null => {
  const [, , third = 0, fourth = 0, fifth = 0] = record
  if (record.length < 5) return null
  return { profile: third >> 1, level: ((third & 1) << 5) | (fourth >> 3), compatibility: fifth >> 4 }
}

const windowBytes = 64 * 2 ** 10

/** A walk over boxes reads a few bytes at a time, and each read goes to another thread: fetches a window around it. */
export const readAhead = (read: ReadBytes, sizeBytes: number): ReadBytes => {
  let start = 0
  let window: Uint8Array = new Uint8Array()
  return async (from, to) => {
    const end = Math.min(to, sizeBytes)
    if (from < start || end > start + window.length) {
      window = await read(from, Math.min(sizeBytes, Math.max(end, from + windowBytes)))
      start = from
    }
    return window.subarray(from - start, Math.max(from, end) - start)
  }
}
