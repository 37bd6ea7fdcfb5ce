import { type MediaStream, unknownStream } from "@joy/domain/MediaStream"

import { channelLayoutOf, codecDetails, codecName, fractionRate, levelIn, levelOf } from "./Codecs.ts"
import { namesOfCodes, videoColor } from "./Colors.ts"
import type { DemuxPicture, DemuxReport, DemuxTrack } from "./demux/DemuxMessages.ts"
import { displaySize } from "./DisplaySize.ts"
import { locationOfTags } from "./Places.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { cleanMillis, cleanTags, cleanText, cleanTime } from "./Tags.ts"

/** A parser in JavaScript may hand out NaN and zeros for what a damaged file doesn't say. */
const count = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && value > 0 ? Math.round(value) : null

const positive = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && value > 0 ? value : null

type CodecDetails = ReturnType<typeof codecDetails>

const pictureFields = (picture: DemuxPicture, details: CodecDetails) => {
  const size = {
    width: count(picture.width),
    height: count(picture.height),
    sampleAspectRatio: picture.sampleAspectRatio ?? details.sampleAspectRatio ?? "1:1",
    rotation: picture.rotation
  }
  const codes = picture.color
  return {
    ...size,
    ...displaySize(size),
    color: videoColor({
      ...namesOfCodes({
        primaries: codes.primaries ?? details.color?.primaries ?? null,
        transfer: codes.transfer ?? details.color?.transfer ?? null,
        matrix: codes.matrix ?? details.color?.matrix ?? null,
        isFullRange: codes.isFullRange ?? details.color?.isFullRange ?? null
      }),
      masteringDisplay: picture.masteringDisplay,
      contentLight: picture.contentLight,
      dolbyVision: picture.dolbyVision
    }),
    frameRate: fractionRate(picture.frameRate),
    frameRateFraction: fractionRate(picture.frameRate) === null ? null : picture.frameRate,
    isVariableFrameRate: picture.isVariableFrameRate,
    interlacing: picture.interlacing ?? details.interlacing,
    keyframes: picture.keyframes
  }
}

const toStream = (track: DemuxTrack): MediaStream => {
  const codec = track.codec === null ? null : codecName(track.codec)
  // mediabunny makes up names for raw sound, which RFC 6381 has none for.
  const codecString = track.codec?.startsWith("pcm") === true ? null : track.codecString
  const details = codecDetails(track)
  const channels = count(track.channels)
  return {
    ...unknownStream,
    index: track.index,
    type: track.type,
    codec,
    codecString,
    profile: details.profile,
    level: levelOf(codec, levelIn(codecString)),
    pixelFormat: details.pixelFormat,
    bitDepth: details.bitDepth,
    ...(track.picture === null ? {} : pictureFields(track.picture, details)),
    channels,
    channelLayout: channelLayoutOf(codec, channels),
    sampleRate: count(track.sampleRate),
    language: track.language === null ? null : cleanText(track.language, 35) || null,
    title: track.title === null ? null : cleanText(track.title) || null,
    isDefault: track.isDefault,
    isForced: track.isForced,
    dispositions: track.dispositions,
    bitrate: count(track.bitrate)
  }
}

/** What was read in process, in the form of a result; `null` when there is neither picture nor sound in it. */
export const toProbeResult = (report: DemuxReport, sizeBytes: number): ProbeResult | null => {
  const streams = report.tracks.map(toStream)
  const video = streams.find(({ type }) => type === "video")
  const audio = streams.find(({ type }) => type === "audio")
  if (video === undefined && audio === undefined) return null
  const durationSeconds = positive(report.durationSeconds)
  return {
    type: video === undefined ? "audio" : "video",
    container: report.container,
    durationSeconds,
    width: video?.displayWidth ?? null,
    height: video?.displayHeight ?? null,
    frameRate: video?.frameRate ?? null,
    frameRateFraction: video?.frameRateFraction ?? null,
    videoCodec: video?.codec ?? null,
    audioCodec: audio?.codec ?? null,
    // As ffprobe does: of the whole object, container included.
    bitrate: durationSeconds === null ? null : Math.round((sizeBytes * 8) / durationSeconds),
    capturedAt:
      video === undefined
        ? null
        : (cleanTime(report.tags["com.apple.quicktime.creationdate"]) ?? cleanMillis(report.createdAtMillis)),
    streams,
    chapters: [],
    tags: cleanTags(report.tags),
    pictures: report.pictures,
    location: locationOfTags(report.tags),
    orientation: null
  }
}

/** ffprobe's result with what only the container itself says exactly. Streams are matched by kind and order. */
export const enrich = (result: ProbeResult, report: DemuxReport): ProbeResult => {
  const waiting = report.tracks.map(toStream)
  return {
    ...result,
    container: report.container,
    pictures: report.pictures.length > 0 ? report.pictures : result.pictures,
    streams: result.streams.map((stream) => {
      const at = waiting.findIndex(({ type }) => type === stream.type)
      const [found] = at < 0 ? [] : waiting.splice(at, 1)
      if (found === undefined) return stream
      return {
        ...stream,
        codecString: found.codecString ?? stream.codecString,
        isVariableFrameRate: found.isVariableFrameRate ?? stream.isVariableFrameRate,
        keyframes: found.keyframes ?? stream.keyframes
      }
    })
  }
}
