import type { MediaStream } from "@joy/domain/MediaStream"

import type { DemuxTrack } from "./demux/DemuxMessages.ts"
import type { ColorCodes } from "./demux/Outline.ts"
import { reduced } from "./demux/Timing.ts"
import { parseH264Sps } from "./Sps.ts"

/** From mediabunny's names to FFmpeg's, where they differ. */
const names: Readonly<Record<string, string>> = {
  avc: "h264",
  "pcm-s8": "pcm_s8",
  "pcm-u8": "pcm_u8",
  "pcm-s16": "pcm_s16le",
  "pcm-s16be": "pcm_s16be",
  "pcm-s24": "pcm_s24le",
  "pcm-s24be": "pcm_s24be",
  "pcm-s32": "pcm_s32le",
  "pcm-s32be": "pcm_s32be",
  "pcm-f32": "pcm_f32le",
  "pcm-f32be": "pcm_f32be",
  "pcm-f64": "pcm_f64le",
  "pcm-f64be": "pcm_f64be",
  ulaw: "pcm_mulaw",
  alaw: "pcm_alaw"
}

export const codecName = (mediabunny: string): string => names[mediabunny] ?? mediabunny

export interface CodecDetails {
  readonly profile: string | null
  readonly pixelFormat: string | null
  readonly bitDepth: number | null
  readonly interlacing: MediaStream["interlacing"]
  /** Where the stream itself says it. */
  readonly sampleAspectRatio: string | null
  readonly color: ColorCodes | null
}

const nothing: CodecDetails = {
  profile: null,
  pixelFormat: null,
  bitDepth: null,
  interlacing: null,
  sampleAspectRatio: null,
  color: null
}
/** What has no notion of fields. */
const frames: CodecDetails = { ...nothing, interlacing: "progressive" }

/** `chroma` as `chroma_format_idc` counts: 0 is grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4. */
const pixelFormat = (chroma: number, depth: number): string => {
  const layout = ["gray", "yuv420p", "yuv422p", "yuv444p"][chroma] ?? "yuv420p"
  return depth === 8 ? layout : `${layout}${depth}le`
}

const h264Profiles: Readonly<Record<number, string>> = {
  66: "Baseline",
  77: "Main",
  88: "Extended",
  100: "High",
  110: "High 10",
  122: "High 4:2:2",
  244: "High 4:4:4 Predictive"
}

/** avcC (ISO 14496-15, 5.3.3.1): behind the parameter sets of the High profiles come the chroma format and the depth. */
const h264 = (record: Uint8Array): CodecDetails => {
  const profileId = record[1] ?? 0
  const constraints = record[2] ?? 0
  let position = 5
  for (const mask of [0x1f, 0xff]) {
    const count = (record[position] ?? 0) & mask
    position += 1
    for (let i = 0; i < count; i++) position += 2 + (record[position] ?? 0) * 256 + (record[position + 1] ?? 0)
  }
  const hasExtension = profileId >= 100 && position + 1 < record.length
  const chroma = hasExtension ? (record[position] ?? 0) & 3 : 1
  const depth = hasExtension ? ((record[position + 1] ?? 0) & 7) + 8 : 8
  const isConstrained = profileId === 66 && (constraints & 0x40) !== 0
  const sps = ((record[5] ?? 0) & 0x1f) === 0 ? null : parseH264Sps(record.subarray(8))
  return {
    profile: isConstrained ? "Constrained Baseline" : (h264Profiles[profileId] ?? null),
    pixelFormat: pixelFormat(chroma, depth),
    bitDepth: depth,
    // One that allows for fields may have none: that shows only in its pictures.
    interlacing: sps?.isProgressive === true ? "progressive" : null,
    sampleAspectRatio: sps?.sampleAspectRatio ?? null,
    color: sps?.color ?? null
  }
}

/** hvcC (ISO 14496-15, 8.3.3.1). The second of the constraint flags says that there may be fields. */
const hevc = (record: Uint8Array): CodecDetails => {
  const depth = ((record[17] ?? 0) & 7) + 8
  const profile = { 1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Rext" }[(record[1] ?? 0) & 0x1f]
  return {
    ...nothing,
    profile: profile ?? null,
    pixelFormat: pixelFormat((record[16] ?? 0) & 3, depth),
    bitDepth: depth,
    interlacing: ((record[6] ?? 0) & 0x40) === 0 ? "progressive" : null
  }
}

/** `vp09.<profile>.<level>.<depth>.<chroma>...` (VP Codec ISO Media File Format Binding). */
const vp9 = (codecString: string): CodecDetails => {
  const [, profile = 0, , depth = 8, subsampling = 1] = codecString.split(".").map(Number)
  const chroma = subsampling === 3 ? 3 : subsampling === 2 ? 2 : 1
  return { ...frames, profile: `Profile ${profile}`, pixelFormat: pixelFormat(chroma, depth), bitDepth: depth }
}

/** `av01.<profile>.<level><tier>.<depth>.<monochrome>.<subsampling>...` (AV1 Codec ISO Media File Format Binding, 5). */
const av1 = (codecString: string): CodecDetails => {
  const [, profile = "0", , depth = "08", monochrome = "0", subsampling = "110"] = codecString.split(".")
  const chroma = monochrome === "1" ? 0 : subsampling.startsWith("11") ? 1 : subsampling.startsWith("10") ? 2 : 3
  return {
    ...frames,
    profile: ["Main", "High", "Professional"][Number(profile)] ?? null,
    pixelFormat: pixelFormat(chroma, Number(depth)),
    bitDepth: Number(depth)
  }
}

const aac = (codecString: string): CodecDetails => ({
  ...nothing,
  profile: { 2: "LC", 5: "HE-AAC", 29: "HE-AACv2" }[Number(codecString.split(".")[2])] ?? null
})

/** STREAMINFO (RFC 9639, 8.2) behind `fLaC` and the block's header: five bits from bit 100 on, less one. */
const flac = (record: Uint8Array): CodecDetails => ({
  ...nothing,
  bitDepth: record.length < 22 ? null : ((((record[20] ?? 0) & 1) << 4) | ((record[21] ?? 0) >> 4)) + 1
})

/** What the codec's configuration says about a track, by the names that ffprobe prints. */
export const codecDetails = (track: DemuxTrack): CodecDetails => {
  const { codec, codecString, description } = track
  if (codec === null) return nothing
  if (codec === "avc" && description !== null) return h264(description)
  if (codec === "hevc" && description !== null) return hevc(description)
  if (codec === "vp9" && codecString !== null) return vp9(codecString)
  if (codec === "av1" && codecString !== null) return av1(codecString)
  if (codec === "vp8") return { ...frames, pixelFormat: "yuv420p", bitDepth: 8 }
  if (codec === "aac" && codecString !== null) return aac(codecString)
  if (codec === "flac" && description !== null) return flac(description)
  const pcm = /^pcm-[suf](\d+)/.exec(codec)
  return pcm === null ? nothing : { ...nothing, bitDepth: Number(pcm[1]) }
}

/** A level as the standard of its codec writes it, of the number that its streams hold. */
export const levelOf = (codec: string | null, number: number): string | null => {
  if (number < 0) return null
  switch (codec) {
    case "h264":
      return number === 9 ? "1b" : (number / 10).toFixed(1)
    case "hevc":
      return (number / 30).toFixed(1)
    case "av1":
      return `${2 + (number >> 2)}.${number & 3}`
    case "vp9":
      return number === 0 ? null : (number / 10).toFixed(1)
    default:
      return null
  }
}

/** The number of the level in a codec string. */
export const levelIn = (codecString: string | null): number => {
  const parts = (codecString ?? "").split(".")
  switch (parts[0]) {
    case "avc1":
    case "avc3":
      return Number.parseInt(parts[1]?.slice(4) ?? "", 16)
    case "hvc1":
    case "hev1":
      return Number(/\.[LH](\d+)/.exec(codecString ?? "")?.[1] ?? -1)
    case "vp09":
    case "av01":
      return Number.parseInt(parts[2] ?? "", 10)
    default:
      return -1
  }
}

/** Of more than two channels each codec has an order of its own; only where there is one way, it is told. */
const layouts: Readonly<Record<string, ReadonlyArray<string | undefined>>> = {
  aac: ["3.0", "4.0", "5.0", "5.1"],
  opus: ["3.0", "quad", "5.0", "5.1", "6.1", "7.1"],
  vorbis: ["3.0", "quad", "5.0", "5.1", "6.1", "7.1"],
  flac: ["3.0", "quad", "5.0", "5.1", "6.1", "7.1"],
  ac3: [undefined, undefined, undefined, "5.1(side)"],
  eac3: [undefined, undefined, undefined, "5.1(side)"]
}

/** FFmpeg's name for so many channels. */
export const channelLayoutOf = (codec: string | null, channels: number | null): string | null => {
  if (channels === null || codec === null) return null
  return ["mono", "stereo"][channels - 1] ?? layouts[codec]?.[channels - 3] ?? null
}

/** RFC 6381 for a stream of which only ffprobe's words are known; `null` rather than a guess that could be wrong. */
export const codecStringOf = (stream: {
  readonly codec: string
  readonly profile: string | null
  readonly level: number | null
}): string | null => {
  const level = stream.level ?? 0
  switch (stream.codec) {
    case "h264": {
      const profile = {
        "Constrained Baseline": "42e0",
        Baseline: "4200",
        Main: "4d40",
        High: "6400",
        "High 10": "6e00",
        "High 4:2:2": "7a00"
      }[stream.profile ?? ""]
      return profile === undefined || level <= 0 ? null : `avc1.${profile}${level.toString(16).padStart(2, "0")}`
    }
    case "aac": {
      const type = { LC: 2, "HE-AAC": 5, "HE-AACv2": 29 }[stream.profile ?? ""]
      return type === undefined ? null : `mp4a.40.${type}`
    }
    case "mp3":
    case "opus":
    case "flac":
    case "vorbis":
    case "vp8":
      return stream.codec
    case "ac3":
      return "ac-3"
    case "eac3":
      return "ec-3"
    default:
      return null
  }
}

/** Rates that cameras and films have; what is measured lies within a thousandth of them. */
const commonRates: ReadonlyArray<readonly [numerator: number, denominator: number]> = [
  ...[24, 25, 30, 48, 50, 60, 100, 120, 240, 10, 12, 15, 1, 5].map((rate) => [rate, 1] as const),
  ...[24, 30, 48, 60, 120].map((rate) => [rate * 1000, 1001] as const)
]

/** A rate as a fraction in lowest terms: the common one next to it, or thousandths. */
export const rateFraction = (rate: number): string => {
  const near = commonRates
    .map(([n, d]) => ({ text: `${n}/${d}`, off: Math.abs(rate - n / d) / rate }))
    .filter(({ off }) => off < 0.0004)
    .sort((a, b) => a.off - b.off)[0]
  if (near !== undefined) return near.text
  const thousandths = Math.round(rate * 1000)
  return reduced(thousandths, 1000)
}

/** `30000/1001` as a number; `null` for no rate, and for `0/0`, FFmpeg's "not known". */
export const fractionRate = (fraction: string | null | undefined): number | null => {
  const [numerator = 0, denominator = 1] = (fraction ?? "").split("/").map(Number)
  const rate = numerator / denominator
  return Number.isFinite(rate) && rate > 0 ? rate : null
}
