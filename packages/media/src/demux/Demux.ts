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

import type { DemuxCover, DemuxKind, DemuxReport, DemuxTrack, ReadBytes } from "./DemuxMessages.ts"
import { readMatroskaOutline } from "./MatroskaOutline.ts"
import { type Outline, readMp4Outline } from "./Mp4Outline.ts"

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

/** Enough to see through a few dropped frames; the packets of a Matroska file have to be read to be counted. */
const framesLookedAt = 100
/** Up to this size a file without a length in its header is read to its end; beyond, its beginning is scaled up. */
const scannedBytes = 32 * 2 ** 20

const open = (read: ReadBytes, kind: DemuxKind, sizeBytes: number) =>
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
    bitrate: (await track.getAverageBitrate()) ?? (await track.getBitrate())
  }
}

const videoTrack = async (track: InputVideoTrack, outline: Outline | null): Promise<DemuxTrack> => {
  const declared = outline?.tracks.find(({ id }) => id === track.id)?.frameRate ?? null
  const measured =
    declared === null ? await attempt(() => track.computeFrameRateMetrics({ targetPacketCount: framesLookedAt })) : null
  return {
    ...(await common(track, outline)),
    type: "video",
    width: await track.getCodedWidth(),
    height: await track.getCodedHeight(),
    displayWidth: await track.getDisplayWidth(),
    displayHeight: await track.getDisplayHeight(),
    rotation: await track.getRotation(),
    frameRate: declared ?? measured?.bestGuessFrameRate ?? null,
    channels: null,
    sampleRate: null
  }
}

const audioTrack = async (track: InputAudioTrack, outline: Outline | null): Promise<DemuxTrack> => ({
  ...(await common(track, outline)),
  type: "audio",
  width: null,
  height: null,
  displayWidth: null,
  displayHeight: null,
  rotation: 0,
  frameRate: null,
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

const tagsOf = async (input: Input): Promise<{ tags: Record<string, string>; hasCover: boolean }> => {
  const found = await attempt(() => input.getMetadataTags())
  const tags: Record<string, string> = {}
  const { images, raw, date, ...named } = found ?? {}
  for (const [key, value] of Object.entries(raw ?? {})) {
    // Longer ones are cut later; the limit here is for what crosses the threads.
    const text = Array.isArray(value) ? value.join("; ") : value
    if (typeof text === "string" && Object.keys(tags).length < 200) tags[key.slice(0, 100)] = text.slice(0, 10_000)
  }
  for (const [key, value] of Object.entries(named)) tags[key] = String(value).slice(0, 10_000)
  if (date !== undefined) tags["mediabunny.date"] = date.toISOString()
  return { tags, hasCover: (images?.length ?? 0) > 0 }
}

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
  for (const track of video) tracks.push(await videoTrack(track, outline))
  for (const track of audio) tracks.push(await audioTrack(track, outline))
  tracks.sort((a, b) => a.index - b.index)
  const length = await duration(input, kind, sizeBytes)
  const { tags, hasCover } = await tagsOf(input)
  const count = (wanted: string) => outline?.tracks.filter((track) => track.kind === wanted).length ?? 0
  return {
    container: containers[format.name] ?? format.name.toLowerCase(),
    durationSeconds: length,
    tracks,
    tags: typeof outline?.title === "string" ? { title: outline.title, ...tags } : tags,
    hasCover,
    createdAtMillis: outline?.createdAtMillis ?? null,
    isPartial:
      length === null ||
      tracks.length === 0 ||
      tracks.some((track) => track.codec === null) ||
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
