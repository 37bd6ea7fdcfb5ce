import * as Effect from "effect/Effect"

import { Refused } from "../../demux/DemuxMessages.ts"
import { type IndexSource, parse } from "../IndexSource.ts"
import { durationSecondsOf, type IndexTrack, type MediaIndex, type Samples } from "../MediaIndex.ts"
import type { SampleEntry } from "../mp4/SampleEntry.ts"

/** Sound whose frames stand one behind the other and say themselves where they end: indexed by going over all of them once. */

/** A recording of 13 hours has as many of the shortest frames. */
const maxFrames = 2_000_000
const blockBytes = 2 ** 20
/** Most bytes in which no frame ends: the largest of FLAC has less. */
const maxPendingBytes = 4 * 2 ** 20

export class FrameList {
  readonly #offsets: Array<number> = []
  readonly #sizes: Array<number> = []
  readonly #dts: Array<number> = []
  #end = 0

  get count(): number {
    return this.#offsets.length
  }

  /** Ticks of all of them. */
  get end(): number {
    return this.#end
  }

  add(offset: number, size: number, ticks: number): void {
    if (this.count === maxFrames) throw new Refused("has more frames than any recording")
    this.#offsets.push(offset)
    this.#sizes.push(size)
    this.#dts.push(this.#end)
    this.#end += ticks
  }

  /** `end` is when the last is over, where that is before all of it was heard. */
  samples(end: number = this.#end): Samples {
    const last = this.#dts.at(-1) ?? 0
    return {
      count: this.count,
      offsets: Float64Array.from(this.#offsets),
      sizes: Uint32Array.from(this.#sizes),
      dts: Float64Array.from([...this.#dts, Math.max(last, Math.min(end, this.#end))]),
      compositionOffsets: null,
      keys: null,
      entries: [{ from: 0, entry: 0 }]
    }
  }
}

/** Bytes at hand, and where they begin in the object. */
export interface Pending {
  readonly bytes: Uint8Array
  readonly base: number
  /** Nothing comes behind them. */
  readonly isLast: boolean
}

/** Goes over the object from `from` on, in large reads. `take` says how many of the bytes it is done with. */
export const scan = Effect.fnUntraced(function* (
  source: IndexSource,
  from: number,
  take: (pending: Pending) => number
) {
  let rest: Uint8Array = new Uint8Array()
  for (let at = from; at < source.sizeBytes;) {
    const end = Math.min(source.sizeBytes, at + blockBytes)
    const block = yield* source.read(at, end)
    const bytes = rest.length === 0 ? block : Buffer.concat([rest, block])
    const base = at - rest.length
    rest = yield* parse(() => {
      const left = bytes.subarray(take({ bytes, base, isLast: end === source.sizeBytes }))
      if (left.length > maxPendingBytes) throw new Refused("has no frames of sound for megabytes")
      return left
    })
    at = end
  }
})

/** An index of the only track that there is; of none where it has no samples. */
export const indexOf = (
  { sizeBytes }: IndexSource,
  entry: SampleEntry,
  { samples, shift, timescale }: { readonly samples: Samples; readonly shift: number; readonly timescale: number }
): MediaIndex => {
  const track: IndexTrack = {
    id: 1,
    kind: "audio",
    codec: entry.codec,
    codecString: entry.codecString,
    sampleEntries: [entry.bytes],
    timescale,
    shift,
    language: null,
    label: null,
    isDefault: true,
    channels: entry.channels,
    sampleRate: entry.sampleRate,
    width: null,
    height: null,
    matrix: null,
    samples
  }
  const tracks = samples.count === 0 ? [] : [track]
  return { sizeBytes, durationSeconds: durationSecondsOf(tracks), tracks, skipped: [], cues: null }
}
