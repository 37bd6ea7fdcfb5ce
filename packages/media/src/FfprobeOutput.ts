import { type Chapter, type MediaStream, unknownStream } from "@joy/domain/MediaStream"
import * as Schema from "effect/Schema"

import { channelLayoutOf, codecStringOf, fractionRate, levelOf, rateFraction } from "./Codecs.ts"
import { displaySize } from "./DisplaySize.ts"
import { colorOf, SideData } from "./FfprobeColor.ts"
import { locationOfTags } from "./Places.ts"
import type { EmbeddedPicture, ProbeResult } from "./ProbeResult.ts"
import { cleanTags, cleanText, cleanTime } from "./Tags.ts"

/** What to print, and no more. */
export const show: ReadonlyArray<string> = ["-show_format", "-show_streams", "-show_chapters"]

const text = Schema.optionalKey(Schema.String)
const number = Schema.optionalKey(Schema.Finite)
const tags = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

export const FfprobeStream = Schema.Struct({
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
  color_range: text,
  color_space: text,
  color_transfer: text,
  color_primaries: text,
  field_order: text,
  avg_frame_rate: text,
  r_frame_rate: text,
  channels: number,
  channel_layout: text,
  sample_rate: text,
  bit_rate: text,
  duration: text,
  disposition: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  side_data_list: Schema.optionalKey(Schema.Array(SideData)),
  tags
})
export type FfprobeStream = typeof FfprobeStream.Type

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

/** What all frames come to, and the lowest rate that every time stamp fits into. */
const rates = (stream: FfprobeStream) => ({
  average: fractionRate(stream.avg_frame_rate),
  base: fractionRate(stream.r_frame_rate)
})

const rate = (stream: FfprobeStream): number | null => rates(stream).average ?? rates(stream).base

const interlacings: Readonly<Record<string, MediaStream["interlacing"]>> = {
  progressive: "progressive",
  // The second letter says what is shown first.
  tt: "top-field-first",
  bt: "top-field-first",
  bb: "bottom-field-first",
  tb: "bottom-field-first"
}

/** Fields count as two in the base rate, and rounding of times makes it a little off. */
const isVariable = (stream: FfprobeStream): boolean | null => {
  const { average, base } = rates(stream)
  if (average === null || base === null) return null
  const ratio = base / average
  const isOfFields = interlacings[stream.field_order ?? ""] !== "progressive" && Math.abs(ratio - 2) < 0.02
  return Math.abs(ratio - 1) > 0.02 && !isOfFields
}

/** FFmpeg turns counter-clockwise, and older muxers wrote a tag. */
const rotation = (stream: FfprobeStream): number => {
  const matrix = stream.side_data_list?.find((side) => side.rotation !== undefined)?.rotation
  const degrees = matrix === undefined ? Number(stream.tags?.["rotate"] ?? 0) : -matrix
  return Number.isFinite(degrees) ? (((Math.round(degrees / 90) * 90) % 360) + 360) % 360 : 0
}

const types: Readonly<Record<string, MediaStream["type"]>> = { video: "video", audio: "audio", subtitle: "subtitle" }

/** FFmpeg writes `0:1` for what it does not know. */
const aspectRatio = (stream: FfprobeStream): string =>
  /^[1-9]\d*:[1-9]\d*$/.test(stream.sample_aspect_ratio ?? "") ? (stream.sample_aspect_ratio ?? "1:1") : "1:1"

const pictureFields = (stream: FfprobeStream) => {
  const size = {
    width: positive(stream.width),
    height: positive(stream.height),
    sampleAspectRatio: aspectRatio(stream),
    rotation: rotation(stream)
  }
  const frameRate = rate(stream)
  return {
    ...size,
    ...displaySize(size),
    color: colorOf(stream),
    frameRate,
    frameRateFraction: frameRate === null ? null : rateFraction(frameRate),
    isVariableFrameRate: isVariable(stream),
    interlacing: interlacings[stream.field_order ?? ""] ?? null
  }
}

const toStream = (stream: FfprobeStream, hasOwnTags: boolean): MediaStream => {
  const pixelDepth = /p(\d\d)[lb]e$/.exec(stream.pix_fmt ?? "")
  const bits = positive(stream.bits_per_raw_sample) ?? positive(stream.bits_per_sample)
  const type = stream.codec_type ?? ""
  const codec = stream.codec_name ?? null
  const profile = stream.profile ?? null
  const language = cleanText(stream.tags?.["language"] ?? "", 35)
  return {
    ...unknownStream,
    index: stream.index,
    type: types[type] ?? "data",
    codec,
    codecString: codec === null ? null : codecStringOf({ codec, profile, level: stream.level ?? null }),
    profile,
    level: levelOf(codec, stream.level ?? -1),
    ...(type === "video" ? pictureFields(stream) : {}),
    // An old name for what the color's range says.
    pixelFormat: stream.pix_fmt?.replace("yuvj", "yuv") ?? null,
    bitDepth: type === "video" ? (bits ?? (pixelDepth?.[1] === undefined ? 8 : Number(pixelDepth[1]))) : bits,
    channels: positive(stream.channels),
    channelLayout: stream.channel_layout ?? channelLayoutOf(codec, positive(stream.channels)),
    sampleRate: positive(stream.sample_rate),
    language: language === "und" ? null : language || null,
    title: hasOwnTags ? cleanText(stream.tags?.["title"] ?? "") || null : null,
    isDefault: stream.disposition?.["default"] === 1,
    isForced: stream.disposition?.["forced"] === 1,
    dispositions: Object.entries(stream.disposition ?? {}).flatMap(([name, value]) =>
      value === 1 && name !== "default" && name !== "forced" ? [name] : []
    ),
    bitrate: positive(stream.bit_rate)
  }
}

/** Names of ID3's APIC that FFmpeg writes into a comment. */
const toPicture = (stream: FfprobeStream): EmbeddedPicture => {
  const comment = stream.tags?.["comment"] ?? "Cover (front)"
  const codec = stream.codec_name ?? "mjpeg"
  return {
    kind: comment === "Cover (front)" ? "front" : comment === "Cover (back)" ? "back" : "other",
    mimeType: codec === "mjpeg" ? "image/jpeg" : `image/${codec}`
  }
}

const isCover = (stream: FfprobeStream): boolean => stream.disposition?.["attached_pic"] === 1

/** `null` when there is neither picture nor sound in it. */
export const toProbeResult = (output: FfprobeOutput): ProbeResult | null => {
  const all = output.streams ?? []
  const kept = all.filter((stream) => !isCover(stream) && stream.codec_type !== "attachment")
  const video = kept.find((stream) => stream.codec_type === "video")
  const audio = kept.find((stream) => stream.codec_type === "audio")
  if (video === undefined && audio === undefined) return null
  const container = containerName(output)
  // Ogg has no tags but those of its streams: what is the object's own title is not the stream's as well.
  const streams = kept.map((stream) => toStream(stream, container !== "ogg"))
  const shown = streams.find(({ type }) => type === "video")
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
    width: shown?.displayWidth ?? null,
    height: shown?.displayHeight ?? null,
    frameRate: shown?.frameRate ?? null,
    frameRateFraction: shown?.frameRateFraction ?? null,
    videoCodec: video?.codec_name ?? null,
    audioCodec: audio?.codec_name ?? null,
    bitrate: positive(output.format.bit_rate),
    capturedAt: video === undefined ? null : cleanTime(raw["com.apple.quicktime.creationdate"] ?? raw["creation_time"]),
    streams,
    chapters,
    tags: cleanTags(raw),
    pictures: all.filter(isCover).map(toPicture),
    location: locationOfTags(raw),
    orientation: null
  }
}
