import {
  ADTS,
  CustomSource,
  EncodedPacketSink,
  FLAC,
  Input,
  type InputAudioTrack,
  type InputFormat,
  type InputVideoTrack,
  Logging,
  LogLevel,
  MATROSKA,
  MP3,
  MP4,
  OGG,
  QTFF,
  WAVE,
  WEBM
} from "mediabunny"

import { codecDetails, fractionRate, rateFraction } from "../Codecs.ts"
import { codesOfWebColor } from "../Colors.ts"
import type { EmbeddedPicture } from "../ProbeResult.ts"
import type { DemuxCover, DemuxKind, DemuxPicture, DemuxReport, DemuxTrack, ReadBytes } from "./DemuxMessages.ts"
import { readMatroskaOutline } from "./MatroskaOutline.ts"
import { readMp4Outline } from "./Mp4Outline.ts"
import { type Outline, unknownTrack } from "./Outline.ts"

// What it has to say about a file is in its answer; standard error is for the log.
Logging.level = LogLevel.Silent

/** Never HLS, which mediabunny reads too and which names other files. */
const formats: Readonly<Record<DemuxKind, Array<InputFormat>>> = {
  mp4: [MP4, QTFF],
  matroska: [MATROSKA, WEBM],
  // An ID3 tag may stand before any of the three.
  mp3: [MP3, FLAC, ADTS],
  flac: [FLAC],
  ogg: [OGG],
  wav: [WAVE],
  adts: [ADTS]
}

/** What the rest of the project calls them: the names of FFmpeg's demuxers where there is one of that name. */
const containers: Readonly<Record<string, string>> = {
  MP4: "mp4",
  "QuickTime File Format": "mov",
  Matroska: "matroska",
  WebM: "webm",
  MP3: "mp3",
  FLAC: "flac",
  Ogg: "ogg",
  WAVE: "wav",
  ADTS: "aac"
}

/** Enough to see through a few dropped frames; */
const framesLookedAt = 60
/** but the packets of a Matroska file have to be read to be counted, and these many bytes are enough to read of one. */
const bytesLookedAt = 2 * 2 ** 20
/** Up to this size a file without a length in its header is read to its end; beyond, its beginning is scaled up. */
const scannedBytes = 32 * 2 ** 20

export const open = (read: ReadBytes, kind: DemuxKind, sizeBytes: number) =>
  new Input({
    formats: formats[kind],
    source: new CustomSource({ getSize: () => sizeBytes, read, prefetchProfile: "fileSystem" })
  })

const attempt = async <A>(work: () => Promise<A>): Promise<A | null> => {
  try {
    return await work()
  } catch {
    return null
  }
}

const toBytes = (description: ArrayBufferLike | ArrayBufferView | undefined): Uint8Array | null => {
  if (description === undefined) return null
  // A view of a larger buffer would take all of it along to the other thread.
  return ArrayBuffer.isView(description)
    ? Uint8Array.from(new Uint8Array(description.buffer, description.byteOffset, description.byteLength))
    : Uint8Array.from(new Uint8Array(description))
}

const common = async (track: InputVideoTrack | InputAudioTrack, outline: Outline | null) => {
  const language = await track.getLanguageCode()
  const disposition = await track.getDisposition()
  const codec = await track.getCodec()
  const sampleEntry = await track.getInternalCodecId()
  const codecString = await attempt(() => track.getCodecParameterString())
  const found = outline?.tracks.findIndex(({ id }) => id === track.id) ?? -1
  return {
    index: found >= 0 ? found : track.number - 1,
    codec,
    // mediabunny says hev1 of all HEVC; Safari plays hvc1 only, and the sample entry says which one it is.
    codecString: sampleEntry === "hvc1" ? (codecString?.replace(/^hev1/, "hvc1") ?? null) : codecString,
    description: await attempt(async () => toBytes((await track.getDecoderConfig())?.description)),
    language: language === "und" ? null : language,
    title: await track.getName(),
    isDefault: disposition.default,
    isForced: disposition.forced,
    dispositions: Object.entries(flags).flatMap(([name, flag]) => (disposition[flag] ? [name] : [])),
    bitrate: (await track.getAverageBitrate()) ?? (await track.getBitrate())
  }
}

/** FFmpeg's names for what mediabunny knows of a track besides `default` and `forced`. */
const flags = {
  original: "original",
  comment: "commentary",
  hearing_impaired: "hearingImpaired",
  visual_impaired: "visuallyImpaired"
} as const

interface Whole {
  readonly outline: Outline | null
  readonly sizeBytes: number
  readonly durationSeconds: number | null
}

/** How many frames are worth looking at, of so many in so many bytes. */
const framesWithin = (whole: Whole, frameRate: string | null): number => {
  const frames = (fractionRate(frameRate) ?? 25) * (whole.durationSeconds ?? 0)
  return Math.max(8, Math.min(framesLookedAt, Math.round((bytesLookedAt * frames) / whole.sizeBytes) || framesLookedAt))
}

const picture = async (track: InputVideoTrack, whole: Whole): Promise<DemuxPicture> => {
  const found = whole.outline?.tracks.find(({ id }) => id === track.id) ?? unknownTrack
  const measured =
    found.isVariableFrameRate === null
      ? await attempt(() => track.computeFrameRateMetrics({ targetPacketCount: framesWithin(whole, found.frameRate) }))
      : null
  const color = codesOfWebColor(await track.getColorSpace())
  return {
    width: await track.getCodedWidth(),
    height: await track.getCodedHeight(),
    sampleAspectRatio: found.sampleAspectRatio,
    rotation: await track.getRotation(),
    frameRate: found.frameRate ?? (measured === null ? null : rateFraction(measured.bestGuessFrameRate)),
    isVariableFrameRate: found.isVariableFrameRate ?? (measured && !measured.frameRateIsConstant),
    interlacing: found.interlacing,
    keyframes: found.keyframes,
    // WebCodecs has names for the usual codes only.
    color: {
      primaries: found.color?.primaries ?? color.primaries,
      transfer: found.color?.transfer ?? color.transfer,
      matrix: found.color?.matrix ?? color.matrix,
      isFullRange: found.color?.isFullRange ?? color.isFullRange
    },
    masteringDisplay: found.masteringDisplay,
    contentLight: found.contentLight,
    dolbyVision: found.dolbyVision
  }
}

const videoTrack = async (track: InputVideoTrack, whole: Whole): Promise<DemuxTrack> => ({
  ...(await common(track, whole.outline)),
  type: "video",
  picture: await picture(track, whole),
  channels: null,
  sampleRate: null
})

const audioTrack = async (track: InputAudioTrack, outline: Outline | null): Promise<DemuxTrack> => ({
  ...(await common(track, outline)),
  type: "audio",
  picture: null,
  channels: await track.getNumberOfChannels(),
  sampleRate: await track.getSampleRate()
})

/** Raw ADTS says nowhere how long it is. */
const estimateDuration = async (track: InputAudioTrack, sizeBytes: number): Promise<number | null> => {
  const sink = new EncodedPacketSink(track)
  let bytes = 0
  let seconds = 0
  let count = 0
  for await (const packet of sink.packets(undefined, undefined, { metadataOnly: true })) {
    bytes += packet.byteLength
    seconds += packet.duration
    if (++count === 1_000) break
  }
  return bytes > 0 ? (sizeBytes / bytes) * seconds : null
}

const duration = async (input: Input, kind: DemuxKind, sizeBytes: number): Promise<number | null> => {
  const declared = await input.getDurationFromMetadata()
  if (declared !== null) return declared
  const audio = await input.getPrimaryAudioTrack()
  if (kind !== "ogg" && sizeBytes > scannedBytes && audio !== null) return estimateDuration(audio, sizeBytes)
  return attempt(() => input.computeDuration())
}

const pictureKinds = { coverFront: "front", coverBack: "back", unknown: "other" } as const

const tagsOf = async (
  input: Input
): Promise<{ readonly tags: Record<string, string>; readonly pictures: ReadonlyArray<EmbeddedPicture> }> => {
  const found = await attempt(() => input.getMetadataTags())
  const tags: Record<string, string> = {}
  const { images = [], raw, date, ...named } = found ?? {}
  for (const [key, value] of Object.entries(raw ?? {})) {
    // Longer ones are cut later; the limit here is for what crosses the threads.
    const text = Array.isArray(value) ? value.join("; ") : value
    if (typeof text === "string" && Object.keys(tags).length < 200) tags[key.slice(0, 100)] = text.slice(0, 10_000)
  }
  for (const [key, value] of Object.entries(named)) tags[key] = String(value).slice(0, 10_000)
  if (date !== undefined) tags["mediabunny.date"] = date.toISOString()
  const pictures = images.slice(0, 100).map(({ kind, mimeType }) => ({ kind: pictureKinds[kind], mimeType }))
  return { tags, pictures }
}

/** PQ (H.273, 8.2). Where the container has no word about the screen, or the fields, the pictures do. */
const pq = 16
const isUndecided = (track: DemuxTrack): boolean =>
  track.picture !== null &&
  ((track.picture.interlacing ?? codecDetails(track).interlacing) === null ||
    (track.picture.color.transfer === pq && track.picture.masteringDisplay === null))

/** What the object holds. Throws `Refused` for a bad one, and whatever it likes for one it can't make sense of. */
export const probe = async (read: ReadBytes, kind: DemuxKind, sizeBytes: number): Promise<DemuxReport> => {
  const outline =
    kind === "mp4"
      ? await readMp4Outline(read, sizeBytes)
      : kind === "matroska"
        ? await readMatroskaOutline(read, sizeBytes)
        : null
  const input = open(read, kind, sizeBytes)
  const format = await input.getFormat()
  const video = await input.getVideoTracks()
  const audio = await input.getAudioTracks()
  const tracks: Array<DemuxTrack> = []
  const length = await duration(input, kind, sizeBytes)
  const whole = { outline, sizeBytes, durationSeconds: length }
  for (const track of video) tracks.push(await videoTrack(track, whole))
  for (const track of audio) tracks.push(await audioTrack(track, outline))
  tracks.sort((a, b) => a.index - b.index)
  const { tags, pictures } = await tagsOf(input)
  const count = (wanted: string) => outline?.tracks.filter((track) => track.kind === wanted).length ?? 0
  return {
    container: containers[format.name] ?? format.name.toLowerCase(),
    durationSeconds: length,
    tracks,
    tags: typeof outline?.title === "string" ? { title: outline.title, ...tags } : tags,
    pictures,
    createdAtMillis: outline?.createdAtMillis ?? null,
    isPartial:
      length === null ||
      tracks.length === 0 ||
      tracks.some((track) => track.codec === null || isUndecided(track)) ||
      (outline !== null &&
        (outline.hasChapters ||
          count("subtitle") > 0 ||
          count("video") !== video.length ||
          count("audio") !== audio.length))
  }
}

/** The picture that an audio file carries: the front cover if it says which one that is. */
export const cover = async (read: ReadBytes, kind: DemuxKind, sizeBytes: number): Promise<DemuxCover | null> => {
  const { images = [] } = await open(read, kind, sizeBytes).getMetadataTags()
  const image = images.find((candidate) => candidate.kind === "coverFront") ?? images[0]
  return image === undefined ? null : { bytes: Uint8Array.from(image.data), mimeType: image.mimeType }
}
