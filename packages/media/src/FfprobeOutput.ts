import * as Schema from "effect/Schema"

import { codecStringOf, fractionRate, rateFraction } from "./Codecs.ts"
import type { Chapter, MediaStream, ProbeResult } from "./ProbeResult.ts"
import { cleanTags, cleanText, cleanTime } from "./Tags.ts"

/** What to print, and no more. */
export const show: ReadonlyArray<string> = ["-show_format", "-show_streams", "-show_chapters"]

const text = Schema.optionalKey(Schema.String)
const number = Schema.optionalKey(Schema.Finite)
const tags = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

const FfprobeStream = Schema.Struct({
  index: Schema.Int,
  codec_type: text,
  codec_name: text,
  profile: text,
  level: number,
  width: number,
  height: number,
  pix_fmt: text,
  bits_per_raw_sample: text,
  bits_per_sample: number,
  sample_aspect_ratio: text,
  avg_frame_rate: text,
  r_frame_rate: text,
  channels: number,
  sample_rate: text,
  bit_rate: text,
  duration: text,
  disposition: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  side_data_list: Schema.optionalKey(Schema.Array(Schema.Struct({ rotation: number }))),
  tags
})
type FfprobeStream = typeof FfprobeStream.Type

/** The JSON of `ffprobe -show_format -show_streams -show_chapters`. */
export const FfprobeOutput = Schema.fromJsonString(
  Schema.Struct({
    format: Schema.Struct({ format_name: Schema.String, duration: text, bit_rate: text, tags }),
    streams: Schema.optionalKey(Schema.Array(FfprobeStream)),
    chapters: Schema.optionalKey(Schema.Array(Schema.Struct({ start_time: text, end_time: text, tags })))
  })
)
export type FfprobeOutput = typeof FfprobeOutput.Type

/** FFmpeg names a demuxer by all that it reads: the first will do, and for MP4 and MOV the major brand decides. */
const containerName = ({ format }: FfprobeOutput): string => {
  const name = format.format_name.split(",")[0] ?? format.format_name
  return name === "mov" && format.tags?.["major_brand"]?.trim() !== "qt" ? "mp4" : name
}

const positive = (value: string | number | undefined): number | null => {
  const parsed = Number(value)
  return Number.isFinite(parsed) && parsed > 0 ? parsed : null
}

const rate = (stream: FfprobeStream): number | null =>
  fractionRate(stream.avg_frame_rate) ?? fractionRate(stream.r_frame_rate)

/** FFmpeg turns counter-clockwise, and older muxers wrote a tag. */
const rotation = (stream: FfprobeStream): number => {
  const matrix = stream.side_data_list?.find((side) => side.rotation !== undefined)?.rotation
  const degrees = matrix === undefined ? Number(stream.tags?.["rotate"] ?? 0) : -matrix
  return Number.isFinite(degrees) ? (((Math.round(degrees / 90) * 90) % 360) + 360) % 360 : 0
}

const types: Readonly<Record<string, MediaStream["type"]>> = { video: "video", audio: "audio", subtitle: "subtitle" }

const toStream = (stream: FfprobeStream, hasOwnTags: boolean): MediaStream => {
  const pixelDepth = /p(\d\d)[lb]e$/.exec(stream.pix_fmt ?? "")
  const bits = positive(stream.bits_per_raw_sample) ?? positive(stream.bits_per_sample)
  const type = stream.codec_type ?? ""
  const codec = stream.codec_name ?? null
  const profile = stream.profile ?? null
  const language = cleanText(stream.tags?.["language"] ?? "", 35)
  return {
    index: stream.index,
    type: types[type] ?? "data",
    codec,
    codecString: codec === null ? null : codecStringOf({ codec, profile, level: stream.level ?? null }),
    profile,
    width: positive(stream.width),
    height: positive(stream.height),
    rotation: rotation(stream),
    pixelFormat: stream.pix_fmt ?? null,
    bitDepth: type === "video" ? (bits ?? (pixelDepth?.[1] === undefined ? 8 : Number(pixelDepth[1]))) : bits,
    frameRate: type === "video" ? rate(stream) : null,
    channels: positive(stream.channels),
    sampleRate: positive(stream.sample_rate),
    language: language === "und" ? null : language || null,
    title: hasOwnTags ? cleanText(stream.tags?.["title"] ?? "") || null : null,
    isDefault: stream.disposition?.["default"] === 1,
    isForced: stream.disposition?.["forced"] === 1,
    bitrate: positive(stream.bit_rate)
  }
}

const isCover = (stream: FfprobeStream): boolean => stream.disposition?.["attached_pic"] === 1

/** Width and height as displayed. */
const displaySize = (stream: FfprobeStream | undefined): readonly [width: number | null, height: number | null] => {
  const width = positive(stream?.width)
  const height = positive(stream?.height)
  if (stream === undefined || width === null || height === null) return [null, null]
  const [n = 1, d = 1] = (stream.sample_aspect_ratio ?? "1:1").split(":").map(Number)
  const ratio = n > 0 && d > 0 ? n / d : 1
  const square = ratio >= 1 ? [Math.round(width * ratio), height] : [width, Math.round(height / ratio)]
  return rotation(stream) % 180 === 90 ? [square[1] ?? null, square[0] ?? null] : [square[0] ?? null, square[1] ?? null]
}

/** `null` when there is neither picture nor sound in it. */
export const toProbeResult = (output: FfprobeOutput): ProbeResult | null => {
  const all = output.streams ?? []
  const kept = all.filter((stream) => !isCover(stream) && stream.codec_type !== "attachment")
  const video = kept.find((stream) => stream.codec_type === "video")
  const audio = kept.find((stream) => stream.codec_type === "audio")
  if (video === undefined && audio === undefined) return null
  const container = containerName(output)
  const [width, height] = displaySize(video)
  const frameRate = video === undefined ? null : rate(video)
  const raw = { ...audio?.tags, ...output.format.tags }
  const chapters = (output.chapters ?? []).slice(0, 1_000).map((chapter): Chapter => ({
    startSeconds: Number(chapter.start_time ?? 0) || 0,
    endSeconds: Number(chapter.end_time ?? 0) || 0,
    title: chapter.tags?.["title"] === undefined ? null : cleanText(chapter.tags["title"]) || null
  }))
  return {
    type: video === undefined ? "audio" : "video",
    container,
    durationSeconds: positive(output.format.duration) ?? positive((video ?? audio)?.duration),
    width,
    height,
    frameRate,
    frameRateFraction: frameRate === null ? null : rateFraction(frameRate),
    videoCodec: video?.codec_name ?? null,
    audioCodec: audio?.codec_name ?? null,
    bitrate: positive(output.format.bit_rate),
    capturedAt: video === undefined ? null : cleanTime(raw["com.apple.quicktime.creationdate"] ?? raw["creation_time"]),
    // Ogg has no tags but those of its streams: what is the object's own title is not the stream's as well.
    streams: kept.map((stream) => toStream(stream, container !== "ogg")),
    chapters,
    tags: cleanTags(raw),
    hasCover: all.some(isCover),
    orientation: null
  }
}
