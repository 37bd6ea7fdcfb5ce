import { presentedAt } from "@joy/media/index/MediaIndex"

import type { PlannedTrack } from "./Plan.ts"

/** RFC 8216, 3.4: frames of packed audio stand behind an ID3 tag whose PRIV frame says when the first of them is presented. */

const owner = new TextEncoder().encode("com.apple.streaming.transportStreamTimestamp\0")

/** Seven bits a byte. */
const syncsafe = (value: number) => [(value >> 21) & 127, (value >> 14) & 127, (value >> 7) & 127, value & 127]

/**
 * The tag before a segment, in the 33 bits of MPEG-2's clock. They know nothing of the time before 0: a track that begins with
 * what decoders take in first (the 25 ms of LAME) is as much later as a whole.
 */
export const timestampTag = ({ cuts, track }: PlannedTrack, segment: number): Uint8Array => {
  const ticks = presentedAt(track, cuts[segment] ?? 0) - Math.min(0, presentedAt(track, 0))
  const frame = owner.length + 8
  const tag = new Uint8Array(10 + 10 + frame)
  tag.set([0x49, 0x44, 0x33, 4, 0, 0, ...syncsafe(10 + frame)])
  tag.set([0x50, 0x52, 0x49, 0x56, ...syncsafe(frame), 0, 0], 10)
  tag.set(owner, 20)
  const clock = BigInt(Math.round(Math.max(0, ticks / track.timescale) * 90_000))
  new DataView(tag.buffer).setBigUint64(20 + owner.length, BigInt.asUintN(33, clock))
  return tag
}
