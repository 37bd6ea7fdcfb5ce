import type { SampleEntry } from "../mp4/SampleEntry.ts"
import type { TrackEntry } from "./Tracks.ts"

/** Samples of sound in a frame, where it is always as many. */
const samplesPerFrame: Readonly<Record<string, number>> = { aac: 1024, mp3: 1152, ac3: 1536, eac3: 1536, alac: 4096 }
/** What nearly all encoders of Opus are asked for. Each packet says it itself, and only the last of a part needs it. */
const opusSeconds = 0.02

/** Seconds that a frame lasts; 0 where nothing says it. */
export const frameSecondsOf = (
  { codecPrivate, frameNanoseconds, kind, sampleRate }: TrackEntry,
  { codec, codecString }: SampleEntry
): number => {
  if (frameNanoseconds > 0) return Math.min(frameNanoseconds, 1e11) / 1e9
  if (kind === "video") return 0
  if (codec === "opus") return opusSeconds
  if (codec === "flac") return flacSamples(codecPrivate) / sampleRate
  // MPEG-2 has half as many in a frame, and what is replicated in the spectrum comes out as twice as many.
  const isHalf = codec === "mp3" && sampleRate < 32_000
  const isDouble = codecString === "mp4a.40.5" || codecString === "mp4a.40.29"
  return ((samplesPerFrame[codec] ?? 0) * (isHalf ? 0.5 : isDouble ? 2 : 1)) / sampleRate
}

/** The largest block is that of all but the last (RFC 9639, 8.2). */
const flacSamples = (config: Uint8Array): number => {
  const at = config[0] === 0x66 ? 8 : 4
  return ((config[at + 2] ?? 0) << 8) | (config[at + 3] ?? 0)
}
