import { Refused } from "../../demux/DemuxMessages.ts"
import { type Cues, maxTicks, type Samples } from "../MediaIndex.ts"
import type { Block } from "./Blocks.ts"

/** The frames of one track in a part of a file, in the order of decoding. */
export interface Frames {
  readonly times: Array<number>
  readonly starts: Array<number>
  readonly sizes: Array<number>
  readonly keys: Array<number>
  /** Ticks of the last one; `null` where its block doesn't say it. */
  lastDuration: number | null
}

export const noFrames = (): Frames => ({ times: [], starts: [], sizes: [], keys: [], lastDuration: null })

/** Ticks as Matroska counts them, in those of the index. */
export const ticksOf = (
  ticks: number,
  { nanosecondsPerTick, timescale }: Pick<Cues, "nanosecondsPerTick" | "timescale">
) => {
  const counted =
    nanosecondsPerTick * timescale === 1e9 ? ticks : Math.round((ticks * nanosecondsPerTick * timescale) / 1e9)
  if (!(Math.abs(counted) <= maxTicks)) throw new Refused("lasts longer than can be counted")
  return counted
}

/** Adds the frames of a block that lies in the object at `base`. `frameTicks` are those of one frame, where that is known. */
export const addBlock = (
  frames: Frames,
  { duration, frames: places, isKey, time }: Block,
  clock: Pick<Cues, "nanosecondsPerTick" | "timescale">,
  base: number,
  frameTicks: number
): void => {
  const begin = ticksOf(time, clock)
  const each = duration === null ? frameTicks : ticksOf(duration, clock) / places.length
  for (const [i, { end, start }] of places.entries()) {
    if (isKey) frames.keys.push(frames.times.length)
    frames.times.push(begin + Math.round(i * each))
    frames.starts.push(base + start)
    frames.sizes.push(end - start)
  }
  frames.lastDuration = duration === null ? null : Math.round(each)
}

/** How much earlier than the frames are presented they have to be decoded, so that each is when it is its turn. */
export const delayOf = (times: ReadonlyArray<number>): number => {
  const shown = times.toSorted((a, b) => a - b)
  return times.reduce((most, time, i) => Math.max(most, (shown[i] ?? 0) - time), 0)
}

/**
 * When each frame is decoded, which Matroska doesn't say: the first at the first presentation, the second at the second, in
 * a time that runs `delay` ahead. A frame that is presented before its turn, as in files that reorder more than they did at
 * their beginning, is decoded right then, and what stands before it no later.
 */
const decodingTimes = (times: ReadonlyArray<number>, delay: number): Float64Array => {
  const dts = Float64Array.from(times).sort()
  let latest = Infinity
  for (let i = times.length - 1; i >= 0; i--) {
    latest = Math.min(latest, dts[i] ?? 0, (times[i] ?? 0) + delay)
    dts[i] = latest
  }
  return dts
}

/** Ticks of the last frame: as its block says, as all frames, up to what comes next, or as the one before. */
const lastDuration = (frames: Frames, dts: Float64Array, frameTicks: number, next: number | null): number => {
  const last = dts.length - 1
  if (frames.lastDuration !== null) return frames.lastDuration
  if (frameTicks > 0) return Math.round(frameTicks)
  const gap = (next ?? 0) - (dts[last] ?? 0)
  return gap > 0 ? gap : last > 0 ? (dts[last] ?? 0) - (dts[last - 1] ?? 0) : 0
}

/** `next` is when the part is over, where that is known. */
export const samplesOf = (
  frames: Frames,
  options: { readonly delay: number; readonly frameTicks: number; readonly next: number | null }
): Samples => {
  const count = frames.times.length
  const decoded = decodingTimes(frames.times, options.delay)
  const dts = new Float64Array(count + 1)
  dts.set(decoded)
  dts[count] =
    (decoded[count - 1] ?? 0) + (count === 0 ? 0 : lastDuration(frames, decoded, options.frameTicks, options.next))
  let any = 0
  const compositionOffsets = Uint32Array.from(frames.times, (time, i) => {
    const offset = time + options.delay - (decoded[i] ?? 0)
    any = Math.max(any, offset)
    return offset
  })
  if (any > 0xffff_ffff) throw new Refused("has pictures that are shown long after they are decoded")
  return {
    count,
    offsets: Float64Array.from(frames.starts),
    sizes: Uint32Array.from(frames.sizes),
    dts,
    compositionOffsets: any === 0 ? null : compositionOffsets,
    keys: frames.keys.length === count ? null : Uint32Array.from(frames.keys),
    entries: [{ from: 0, entry: 0 }]
  }
}
