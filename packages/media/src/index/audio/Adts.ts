import * as Effect from "effect/Effect"

import type { IndexFailure, IndexSource } from "../IndexSource.ts"
import type { MediaIndex } from "../MediaIndex.ts"
import { aacEntry } from "../SoundEntries.ts"
import { FrameList, indexOf, scan } from "./Frames.ts"
import { type FrameHead, syncedReader } from "./SyncedFrames.ts"

/** ISO 13818-7, 6.2: frames with a head each, which those of MP4 don't have. */
const headAt = (bytes: Uint8Array, at: number): FrameHead | null => {
  const second = bytes[at + 1] ?? 0
  if (bytes[at] !== 0xff || (second & 0xf6) !== 0xf0) return null
  const [third = 0, fourth = 0, fifth = 0, sixth = 0, seventh = 0] = bytes.subarray(at + 2, at + 7)
  const size = ((fourth & 3) << 11) | (fifth << 3) | (sixth >> 5)
  const head = (second & 1) === 1 ? 7 : 9
  // Several blocks of sound in one frame have no heads of their own to be cut at; rates and channels that stand elsewhere
  // than in the head are of no use either.
  const isPlain = (seventh & 3) === 0 && ((third >> 2) & 15) < 13 && (((third & 1) << 2) | (fourth >> 6)) > 0
  if (!isPlain || size <= head) return null
  return { bytes: size, headBytes: head, signature: ((third & 0xfd) << 2) | (fourth >> 6) }
}

const samplesPerFrame = 1024

/** Indexes AAC in ADTS, behind a tag that ends at `from`. */
export const build = Effect.fn("Adts.build")(function* (
  source: IndexSource,
  from: number
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const frames = new FrameList()
  let config = new Uint8Array(2)
  const take = syncedReader(headAt, (head, bytes, at, base) => {
    const [third = 0, fourth = 0] = bytes.subarray(at + 2, at + 4)
    const [type, rate, channels] = [(third >> 6) + 1, (third >> 2) & 15, ((third & 1) << 2) | (fourth >> 6)]
    config = Uint8Array.of((type << 3) | (rate >> 1), ((rate & 1) << 7) | (channels << 3))
    frames.add(base + at + head.headBytes, head.bytes - head.headBytes, samplesPerFrame)
  })
  yield* scan(source, from, take)
  const entry = aacEntry(config, { channels: 2, sampleRate: 48_000 })
  return indexOf(source, entry, { samples: frames.samples(), shift: 0, timescale: entry.sampleRate ?? 48_000 })
})

export const isAdts = (bytes: Uint8Array): boolean => headAt(bytes, 0) !== null
