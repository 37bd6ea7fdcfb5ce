import { extentOf, type IndexTrack, presentedAt } from "@joy/media/index/MediaIndex"

/** Where a presentation is cut into segments. Seconds on the time line of the object. */

/** What a segment should last, and what one may last where keyframes allow it. */
export const targetSeconds = 6
export const leastSeconds = 3
export const mostSeconds = 10

/** Segments of video: from which sample each goes, and when its first picture is shown. */
export interface VideoCuts {
  /** The first sample of each segment, and behind the last the number of samples. */
  readonly samples: ReadonlyArray<number>
  /** The earliest presentation in each segment. */
  readonly starts: ReadonlyArray<number>
  readonly end: number
  /** Each segment begins with a keyframe, and nothing in it is shown before that: it can be decoded alone. */
  readonly isIndependent: boolean
}

/** More than 33 hours have. What has more is refused: its playlist alone would be megabytes. */
export const maxSegments = 20_000

/** Samples at which a segment may begin: keyframes, and inside of long groups of pictures others that nothing is shown before. */
const chooseCuts = (track: IndexTrack, candidates: ReadonlyArray<number>): ReadonlyArray<number> => {
  const { samples, timescale } = track
  const at = (sample: number) => presentedAt(track, sample) / timescale
  const end = extentOf(track).end / timescale
  // What another sample entry holds from has to be in another segment.
  const entryStarts = new Set(samples.entries.map(({ from }) => from))
  const cuts = [0]
  let next = 0
  for (let from = 0; cuts.length <= maxSegments;) {
    const start = at(from)
    const left = end - start
    while (next < candidates.length && (candidates[next] ?? 0) <= from) next++
    let cut: number | null = null
    let early: number | null = null
    let late: number | null = null
    for (let i = next; i < candidates.length; i++) {
      const sample = candidates[i] ?? 0
      const seconds = at(sample) - start
      if (entryStarts.has(sample)) {
        cut = sample
        break
      }
      if (seconds > targetSeconds) {
        late = seconds <= mostSeconds ? sample : null
        break
      }
      if (seconds >= leastSeconds && left > targetSeconds) cut = sample
      else if (seconds > 0) early = sample
    }
    if (left > mostSeconds) cut ??= late ?? early ?? inside(track, from)
    if (cut === null) return cuts
    cuts.push(cut)
    from = cut
  }
  return cuts
}

/** A picture about the target away from `from` that is shown after all that are decoded before it. */
const inside = (track: IndexTrack, from: number): number | null => {
  const { samples, timescale } = track
  const until = presentedAt(track, from) + targetSeconds * timescale
  let latest = -Infinity
  for (let sample = from; sample < samples.count; sample++) {
    const at = presentedAt(track, sample)
    if (at >= until && at > latest) return sample
    latest = Math.max(latest, at)
  }
  return null
}

export const cutVideo = (track: IndexTrack): VideoCuts => {
  const { samples, timescale } = track
  const keys = samples.keys === null ? [...samples.sizes.keys()] : [...samples.keys]
  const entryStarts = samples.entries.map(({ from }) => from)
  const candidates = [...new Set([...keys, ...entryStarts])].filter((key) => key > 0).toSorted((a, b) => a - b)
  const cuts = chooseCuts(track, candidates)
  const known = new Set(keys)
  const starts: Array<number> = []
  let isIndependent = true
  for (const [i, from] of cuts.entries()) {
    const first = presentedAt(track, from)
    let earliest = first
    for (let sample = from; sample < (cuts[i + 1] ?? samples.count); sample++) {
      earliest = Math.min(earliest, presentedAt(track, sample))
    }
    starts.push(earliest / timescale)
    isIndependent &&= known.has(from) && earliest === first
  }
  return { samples: [...cuts, samples.count], starts, end: extentOf(track).end / timescale, isIndependent }
}

/** Times between two, so far apart that each part lasts about as long as a segment should. */
const between = (start: number, end: number): ReadonlyArray<number> => {
  const parts = Math.min(maxSegments, Math.round((end - start) / targetSeconds))
  return Array.from({ length: Math.max(0, parts - 1) }, (_, i) => start + ((i + 1) * (end - start)) / parts)
}

/** Where sound is cut that accompanies no pictures. */
export const cutSound = (track: IndexTrack): ReadonlyArray<number> => {
  const { end, start } = extentOf(track)
  const from = Math.max(0, start / track.timescale)
  return [from, ...between(from, end / track.timescale)]
}

/** How long pictures may go on in their last segment when their sound is over, and sound when they are. */
const mostSilentSeconds = 20
const mostDarkSeconds = 60

/**
 * Whether sound ends about where its pictures do. What players hold of both counts as held, until all of it has come: pictures
 * whose sound is over long before would stop there.
 */
export const isSoundNear = (soundEnd: number, end: number): boolean =>
  soundEnd > end - mostSilentSeconds && soundEnd < end + mostDarkSeconds

export const endsTogether = ({ end }: VideoCuts, track: IndexTrack): boolean =>
  isSoundNear(extentOf(track).end / track.timescale, end)

/** The same cuts, without those that none of these sounds would have anything behind. */
export const untilSoundEnds = (video: VideoCuts, tracks: ReadonlyArray<IndexTrack>): VideoCuts => {
  const last = tracks.map((track) => presentedAt(track, track.samples.count - 1) / track.timescale)
  const count = Math.max(1, video.starts.filter((start) => last.every((at) => at >= start)).length)
  return {
    ...video,
    starts: video.starts.slice(0, count),
    samples: [...video.samples.slice(0, count), video.samples.at(-1) ?? 0]
  }
}

/**
 * Where sound is cut beside these pictures: with them, and where it begins much earlier, by itself before. Gives the times at
 * which segments begin; the pictures' own are among them.
 */
export const cutAlong = (video: VideoCuts, track: IndexTrack): ReadonlyArray<number> => {
  const [first = 0, ...others] = video.starts
  const from = Math.max(0, extentOf(track).start / track.timescale)
  const before = first - from > mostSeconds ? [from, ...between(from, first)] : []
  return [...before, first, ...others]
}

/** For times of segments, the first sample of each that is presented then or later; before the first, those that came earlier. */
export const samplesAt = (track: IndexTrack, starts: ReadonlyArray<number>): ReadonlyArray<number> => {
  const { samples, timescale } = track
  // A sample that begins within a rounding of a cut belongs behind it.
  const tolerance = 0.5 / timescale
  let sample = 0
  return [
    ...starts.map((start, i) => {
      if (i === 0) return 0
      while (sample < samples.count && presentedAt(track, sample) / timescale < start - tolerance) sample++
      return sample
    }),
    samples.count
  ]
}
