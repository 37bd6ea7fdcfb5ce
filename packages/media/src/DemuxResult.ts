import { codecDetails, codecName, fractionRate, rateFraction } from "./Codecs.ts"
import type { DemuxReport, DemuxTrack } from "./demux/DemuxMessages.ts"
import type { MediaStream, ProbeResult } from "./ProbeResult.ts"
import { cleanMillis, cleanTags, cleanText, cleanTime } from "./Tags.ts"

/** A parser in JavaScript may hand out NaN and zeros for what a damaged file doesn't say. */
const count = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && value > 0 ? Math.round(value) : null

const positive = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && value > 0 ? value : null

const toStream = (track: DemuxTrack): MediaStream => ({
  index: track.index,
  type: track.type,
  codec: track.codec === null ? null : codecName(track.codec),
  // mediabunny makes up names for raw sound, which RFC 6381 has none for.
  codecString: track.codec?.startsWith("pcm") === true ? null : track.codecString,
  ...codecDetails(track),
  width: count(track.width),
  height: count(track.height),
  rotation: track.rotation,
  frameRate: positive(track.frameRate),
  channels: count(track.channels),
  sampleRate: count(track.sampleRate),
  language: track.language === null ? null : cleanText(track.language, 35) || null,
  title: track.title === null ? null : cleanText(track.title) || null,
  isDefault: track.isDefault,
  isForced: track.isForced,
  bitrate: count(track.bitrate)
})

/** What was read in process, in the form of a result; `null` when there is neither picture nor sound in it. */
export const toProbeResult = (report: DemuxReport, sizeBytes: number): ProbeResult | null => {
  const video = report.tracks.find((track) => track.type === "video")
  const audio = report.tracks.find((track) => track.type === "audio")
  if (video === undefined && audio === undefined) return null
  const durationSeconds = positive(report.durationSeconds)
  const measuredRate = positive(video?.frameRate ?? null)
  const frameRateFraction = measuredRate === null ? null : rateFraction(measuredRate)
  const streams = report.tracks.map(toStream)
  return {
    type: video === undefined ? "audio" : "video",
    container: report.container,
    durationSeconds,
    width: count(video?.displayWidth ?? null),
    height: count(video?.displayHeight ?? null),
    frameRate: fractionRate(frameRateFraction),
    frameRateFraction,
    videoCodec: streams.find((stream) => stream.type === "video")?.codec ?? null,
    audioCodec: streams.find((stream) => stream.type === "audio")?.codec ?? null,
    // As ffprobe does: of the whole object, container included.
    bitrate: durationSeconds === null ? null : Math.round((sizeBytes * 8) / durationSeconds),
    capturedAt:
      video === undefined
        ? null
        : (cleanTime(report.tags["com.apple.quicktime.creationdate"]) ?? cleanMillis(report.createdAtMillis)),
    streams,
    chapters: [],
    tags: cleanTags(report.tags),
    hasCover: report.hasCover,
    orientation: null
  }
}

/** ffprobe's result with what only the container itself says exactly: codec strings. Streams are matched by kind and order. */
export const enrich = (result: ProbeResult, report: DemuxReport): ProbeResult => {
  const waiting = report.tracks.map((track) => ({ type: track.type, stream: toStream(track) }))
  return {
    ...result,
    container: report.container,
    hasCover: result.hasCover || report.hasCover,
    streams: result.streams.map((stream) => {
      const at = waiting.findIndex((track) => track.type === stream.type)
      const [found] = at < 0 ? [] : waiting.splice(at, 1)
      return found === undefined ? stream : { ...stream, codecString: found.stream.codecString ?? stream.codecString }
    })
  }
}
