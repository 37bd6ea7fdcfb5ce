import * as Effect from "effect/Effect"

import type { IndexFailure, IndexSource } from "../IndexSource.ts"
import type { MediaIndex } from "../MediaIndex.ts"
import { mp3Entry } from "../SoundEntries.ts"
import { FrameList, indexOf, scan } from "./Frames.ts"
import { type FrameHead, syncedReader } from "./SyncedFrames.ts"

/** ISO 11172-3 (2.4.2.3) and 13818-3: kilobits per second of layer III. */
const bitrates = {
  first: [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  second: [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
}
const rates = [44_100, 48_000, 32_000]

const headAt = (bytes: Uint8Array, at: number): FrameHead | null => {
  const second = bytes[at + 1] ?? 0
  if (bytes[at] !== 0xff || (second & 0xe6) !== 0xe2) return null
  const third = bytes[at + 2] ?? 0
  const version = (second >> 3) & 3
  // Version 1 is none, and bitrate 0 leaves it to whoever looks for the next frame.
  if (version === 1) return null
  const table = version === 3 ? bitrates.first : bitrates.second
  const bitrate = table[(third >> 4) - 1]
  const rate = rates[(third >> 2) & 3]
  if (bitrate === undefined || rate === undefined) return null
  const sampleRate = rate / (version === 3 ? 1 : version === 2 ? 2 : 4)
  const size = Math.floor(((version === 3 ? 144_000 : 72_000) * bitrate) / sampleRate) + ((third >> 1) & 1)
  return { bytes: size, headBytes: 0, signature: (version << 2) | ((third >> 2) & 3) }
}

/** Whether a frame tells of the others (Xing, Info, VBRI) and has no sound: decoders leave it out. */
const isTag = (bytes: Uint8Array, at: number): boolean => {
  const version = ((bytes[at + 1] ?? 0) >> 3) & 3
  const isMono = (bytes[at + 3] ?? 0) >> 6 === 3
  const side = version === 3 ? (isMono ? 17 : 32) : isMono ? 9 : 17
  const named = (from: number) => String.fromCharCode(...bytes.subarray(from, from + 4))
  return ["Xing", "Info"].includes(named(at + 4 + side)) || named(at + 36) === "VBRI"
}

/** Indexes MPEG audio of layer III, of a constant bitrate or not, behind a tag that ends at `from`. */
export const build = Effect.fn("Mp3.build")(function* (
  source: IndexSource,
  from: number
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const frames = new FrameList()
  let isFirst = true
  let facts = { channels: 2, sampleRate: 44_100, samples: 1152 }
  const take = syncedReader(headAt, (head, bytes, at, base) => {
    if (isFirst) {
      const version = head.signature >> 2
      const rate = rates[head.signature & 3] ?? 44_100
      facts = {
        channels: (bytes[at + 3] ?? 0) >> 6 === 3 ? 1 : 2,
        sampleRate: rate / (version === 3 ? 1 : version === 2 ? 2 : 4),
        samples: version === 3 ? 1152 : 576
      }
      isFirst = false
      if (isTag(bytes, at)) return
    }
    frames.add(base + at, head.bytes, facts.samples)
  })
  yield* scan(source, from, take)
  const { channels, sampleRate } = facts
  return indexOf(source, mp3Entry({ channels, sampleRate }), {
    samples: frames.samples(),
    shift: 0,
    timescale: sampleRate
  })
})
