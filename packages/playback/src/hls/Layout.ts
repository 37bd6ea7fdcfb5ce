import type { Stretch } from "@joy/media/index/matroska/Stretches"
import type { IndexTrack } from "@joy/media/index/MediaIndex"

import type { PlannedTrack, Rendition } from "./Plan.ts"

/** Samples of a track that lie behind each other in the object: what one `trun` tells of. */
export interface Run {
  readonly planned: PlannedTrack
  readonly from: number
  readonly to: number
  readonly start: number
  readonly end: number
  /** Where it begins in the media data of the segment. */
  place: number
}

/** Bytes of the object, `end` not included, that stand in a segment as they are. */
export interface Piece {
  readonly start: number
  readonly end: number
}

/** What a segment is made of. */
export interface Layout {
  /** Of each track in turn, in the order of decoding. */
  readonly runs: ReadonlyArray<Run>
  /** In this order. One, wherever the tracks of a rendition lie side by side. */
  readonly pieces: ReadonlyArray<Piece>
  readonly bytes: number
}

/** What may be sent along that nobody asked for, so that a segment is one range: other tracks, and headers between samples. */
const isWorthwhile = (wanted: number, span: number) => span <= wanted * 1.125 + 16 * 2 ** 10

/** More than an hour of the best picture there is. Offsets within a segment are 31 bits. */
export const maxSegmentBytes = 2 ** 30

/** Where the first number is that is not below `least`. */
const firstAtOrAfter = (ascending: Uint32Array, least: number): number => {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] ?? 0) < least) low = middle + 1
    else high = middle
  }
  return low
}

/** Runs end where the next sample is elsewhere, and before a keyframe: only of the first sample a run says that it is one. */
const runsOf = (planned: PlannedTrack, segment: number): Array<Run> => {
  const { cuts, track } = planned
  const { entries, keys, offsets, sizes } = track.samples
  const to = cuts[segment + 1] ?? 0
  const runs: Array<Run> = []
  let key = keys === null ? Infinity : firstAtOrAfter(keys, (cuts[segment] ?? 0) + 1)
  let nextKey = keys?.[key] ?? Infinity
  let entry = entries.findIndex(({ from }) => from > (cuts[segment] ?? 0))
  for (let from = cuts[segment] ?? 0; from < to;) {
    const start = offsets[from] ?? 0
    const nextEntry = entries[entry]?.from ?? Infinity
    let end = start + (sizes[from] ?? 0)
    let sample = from + 1
    while (sample < to && sample < nextKey && sample < nextEntry && offsets[sample] === end) {
      end += sizes[sample] ?? 0
      sample++
    }
    runs.push({ planned, from, to: sample, start, end, place: 0 })
    if (sample >= nextKey) nextKey = keys?.[++key] ?? Infinity
    if (sample >= nextEntry) entry = entry + 1
    from = sample
  }
  return runs
}

/** Lays out segment `segment` of a rendition. */
export const layoutOf = ({ isPacked, tracks }: Rendition, segment: number): Layout => {
  const runs = tracks.flatMap((planned) => runsOf(planned, segment))
  const byPlace = runs.toSorted((a, b) => a.start - b.start)
  const wanted = runs.reduce((sum, run) => sum + run.end - run.start, 0)
  const first = byPlace[0]?.start ?? 0
  const last = byPlace.reduce((end, run) => Math.max(end, run.end), 0)
  // Decoders take all of packed audio for frames.
  if (!isPacked && isWorthwhile(wanted, last - first)) {
    for (const run of runs) run.place = run.start - first
    return { runs, pieces: [{ start: first, end: last }], bytes: last - first }
  }
  const pieces: Array<{ start: number; end: number }> = []
  let bytes = 0
  for (const run of byPlace) {
    const piece = pieces.at(-1)
    if (piece !== undefined && run.start <= piece.end) {
      run.place = bytes - (piece.end - run.start)
      bytes += Math.max(0, run.end - piece.end)
      piece.end = Math.max(piece.end, run.end)
    } else {
      run.place = bytes
      bytes += run.end - run.start
      pieces.push({ start: run.start, end: run.end })
    }
  }
  return { runs, pieces, bytes }
}

/** Of what stands before a segment's media data, at most this much for each sample, and for all of them. */
const headBytes = { each: 40, all: 256 }

/** A stretch is told of without its samples: they are rarely below 200 bytes, or more than a hundred a second. */
const weightOf = ({ next, nextSkip, skip, start }: Stretch, trackSeconds: number): number => {
  const body = Math.max(0, next + nextSkip - start - skip)
  const samples = Math.ceil(Math.min(body / 200, trackSeconds * 100))
  return body + headBytes.all + samples * headBytes.each
}

/** At most as many bytes as each segment of a rendition has, without laying them out. */
export const weightsOf = ({ starts, stretches, tracks }: Rendition): ReadonlyArray<number> =>
  starts.slice(0, -1).map((_, segment) => {
    const stretch = stretches?.[segment]
    const seconds = (starts[segment + 1] ?? 0) - (starts[segment] ?? 0)
    if (stretch !== undefined) return weightOf(stretch, seconds * tracks.length)
    let wanted = 0
    let count = 0
    let first = Infinity
    let last = 0
    for (const { cuts, track } of tracks) {
      const { offsets, sizes } = track.samples
      for (let sample = cuts[segment] ?? 0; sample < (cuts[segment + 1] ?? 0); sample++) {
        const [offset, size] = [offsets[sample] ?? 0, sizes[sample] ?? 0]
        wanted += size
        count++
        if (offset < first) first = offset
        if (offset + size > last) last = offset + size
      }
    }
    const body = isWorthwhile(wanted, last - first) ? Math.max(wanted, last - first) : wanted
    return body + headBytes.all + count * headBytes.each
  })

export const isKey = ({ samples: { keys } }: IndexTrack, sample: number): boolean =>
  keys === null || keys[firstAtOrAfter(keys, sample)] === sample
