import { Refused } from "../../demux/DemuxMessages.ts"
import { parse } from "../IndexSource.ts"
import type { Cues, IndexTrack, MediaIndex, Samples } from "../MediaIndex.ts"
import { blocksIn } from "./Blocks.ts"
import { elementAt, headLength, Id } from "./Elements.ts"
import { addBlock, noFrames, samplesOf } from "./Samples.ts"

/** What lies from one cue to a later one: the bytes to read, in which the samples show. */
export interface Stretch {
  readonly start: number
  /** Bytes between the head of the first cluster and the first block. */
  readonly skip: number
  /** Where the cluster begins that the next stretch begins in. */
  readonly next: number
  /** Bytes of that cluster behind its head that belong to this one. */
  readonly nextSkip: number
  /** Ticks at which the next begins; `null` behind the last. */
  readonly nextTicks: number | null
}

/** From cue `from` up to cue `to`, or to the end. */
export const stretchOf = ({ count, end, offsets, skips, ticks }: Cues, from: number, to: number): Stretch => {
  const isLast = to >= count
  return {
    start: offsets[from] ?? 0,
    skip: skips[from] ?? 0,
    next: isLast ? end : (offsets[to] ?? end),
    nextSkip: isLast ? 0 : (skips[to] ?? 0),
    nextTicks: isLast ? null : (ticks[to] ?? null)
  }
}

/** Up to where the object has to be read. */
export const endOf = ({ next, nextSkip }: Stretch, { end }: Cues): number =>
  nextSkip === 0 ? next : Math.min(end, next + headLength + nextSkip)

const clusterBody = (bytes: Uint8Array, at: number): number => {
  const cluster = elementAt(bytes, at, bytes.length)
  if (cluster?.id !== Id.cluster) throw new Refused("has an index that doesn't lead to its clusters")
  return cluster.body
}

const readSamples = (
  { cues, tracks }: { readonly cues: Cues; readonly tracks: ReadonlyArray<Pick<IndexTrack, "id" | "kind">> },
  stretch: Stretch,
  bytes: Uint8Array
): ReadonlyArray<Samples> => {
  const { next, nextSkip, nextTicks, skip, start } = stretch
  const from = clusterBody(bytes, 0) + skip
  const to = nextSkip === 0 ? next - start : clusterBody(bytes, next - start) + nextSkip
  const found = tracks.map(noFrames)
  const places = new Map(tracks.map(({ id }, i) => [id, i]))
  for (const block of blocksIn(bytes)) {
    if (block.start >= to) break
    const place = places.get(block.track)
    if (place === undefined || block.start < from) continue
    const frames = found[place]
    if (frames !== undefined) addBlock(frames, block, cues, start, cues.tracks[place]?.frameTicks ?? 0)
  }
  return found.map((frames, i) => {
    const { delay = 0, frameTicks = 0 } = cues.tracks[i] ?? {}
    const next = tracks[i]?.kind === "video" ? nextTicks : null
    return samplesOf(frames, { delay, frameTicks, next })
  })
}

/** The samples of each track of the index in turn, out of the bytes of a stretch. */
export const samplesIn = (index: MediaIndex & { readonly cues: Cues }, stretch: Stretch, bytes: Uint8Array) =>
  parse(() => readSamples(index, stretch, bytes))
