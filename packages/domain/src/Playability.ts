import type { MediaType } from "./MediaItem.ts"
import type { MediaStream } from "./MediaStream.ts"

/** What browsers play, by what was found in an object: those of today, on common hardware. */

/** What was found in an object. */
export interface Found {
  readonly type: MediaType
  readonly container: string | null
  readonly streams: ReadonlyArray<MediaStream>
}

const pictures = new Set(["jpeg", "png", "gif", "webp", "avif"])

/** Of each codec, the layouts of samples that decoders of browsers take. */
const pixelFormats: Readonly<Record<string, ReadonlyArray<string>>> = {
  h264: ["yuv420p", "yuvj420p"],
  hevc: ["yuv420p", "yuvj420p", "yuv420p10le"],
  vp8: ["yuv420p"],
  vp9: ["yuv420p", "yuvj420p", "yuv420p10le"],
  av1: ["yuv420p", "yuvj420p", "yuv420p10le"]
}

/** Of each container that browsers open by a URL, what they play out of it. */
const containers: Readonly<Record<string, { readonly video: string; readonly audio: string }>> = {
  mp4: { video: "h264 hevc vp9 av1", audio: "aac mp3 opus flac" },
  webm: { video: "vp8 vp9 av1", audio: "opus vorbis" },
  mp3: { video: "", audio: "mp3" },
  aac: { video: "", audio: "aac" },
  flac: { video: "", audio: "flac" },
  ogg: { video: "", audio: "opus vorbis flac" },
  wav: { video: "", audio: "pcm_u8 pcm_s16le pcm_s24le pcm_f32le" }
}

const plays = (codecs: string, { codec, pixelFormat, type }: MediaStream): boolean =>
  codec !== null &&
  codecs.split(" ").includes(codec) &&
  (type !== "video" || pixelFormat === null || (pixelFormats[codec]?.includes(pixelFormat) ?? false))

/** The stream of a kind that a player begins with. */
export const first = (streams: ReadonlyArray<MediaStream>, type: MediaStream["type"]) => {
  const ofType = streams.filter((stream) => stream.type === type)
  return ofType.find(({ isDefault }) => isDefault) ?? ofType[0]
}

/** Out of segments: fragmented MP4, and packed audio for MP3. */
const segments = { video: "h264 hevc vp9 av1", audio: "aac opus flac mp3" }

/** The containers that segments are made from. */
const segmentedContainers = new Set(["mp4", "mov", "matroska", "webm", "mp3", "aac", "flac", "ogg"])

/** Whether browsers play the stream, as it is coded, out of an MP4. */
export const isPlayedFromMp4 = (stream: MediaStream): boolean =>
  stream.type === "video" ? plays("h264 hevc", stream) : plays("aac", stream)

/** Whether browsers play what is in the object, out of segments that are made of it. */
export const isSegmented = ({ container, streams, type }: Found): boolean => {
  if (container === null || !segmentedContainers.has(container)) return false
  const video = first(streams, "video")
  const audio = first(streams, "audio")
  if (type === "image" || (video === undefined && audio === undefined)) return false
  return (video === undefined || plays(segments.video, video)) && (audio === undefined || plays(segments.audio, audio))
}

/** Whether browsers play the object as it lies there. */
export const isDirect = (item: Found): boolean => {
  if (item.container === null) return false
  if (item.type === "image") return pictures.has(item.container)
  const known = containers[item.container]
  const video = first(item.streams, "video")
  const audio = first(item.streams, "audio")
  if (known === undefined || (video === undefined && audio === undefined)) return false
  return (video === undefined || plays(known.video, video)) && (audio === undefined || plays(known.audio, audio))
}

/** Whether browsers play the object without anything being made of it but segments. */
export const isPlayedAsItIs = (found: Found): boolean => isDirect(found) || isSegmented(found)

/** Whether it has pictures that move, or sound, of which something can be made that browsers play. */
export const canBeMadePlayable = ({ streams, type }: Pick<Found, "type" | "streams">): boolean =>
  type !== "image" && (first(streams, "video") !== undefined || first(streams, "audio") !== undefined)
