import { type Stretch, stretchOf } from "@joy/media/index/matroska/Stretches"
import type { Cues, IndexTrack, MediaIndex, Samples } from "@joy/media/index/MediaIndex"

import { leastSeconds, maxSegments, mostSeconds, targetSeconds } from "./Boundaries.ts"
import type { Plan, PlannedTrack, Rendition } from "./Plan.ts"

/** Presentations of containers whose samples show when they are read: cut at cues alone, all renditions at the same. */

/** The cues that segments begin at: the last one before a segment is as long as it should be, or else the next. */
const chooseCues = ({ count, ticks, timescale }: Cues, end: number): ReadonlyArray<number> => {
  const at = (cue: number) => (cue < count ? (ticks[cue] ?? 0) / timescale : end)
  const chosen = [0]
  let start = at(0)
  for (let cue = 1; cue < count && end - start > targetSeconds; cue++) {
    const toNext = at(cue + 1) - start
    const isLast = at(cue) - start >= leastSeconds ? toNext > targetSeconds : toNext > mostSeconds
    if (!isLast) continue
    chosen.push(cue)
    start = at(cue)
  }
  return chosen
}

/** Its cuts are found with its samples. */
const planned = (track: IndexTrack, i: number): PlannedTrack => ({ track, id: i + 1, cuts: [] })

/** Codecs whose keyframes nothing is shown before that is decoded after them. */
const closed = new Set(["vp8", "vp9"])

export const planAlong = (cues: Cues, tracks: ReadonlyArray<IndexTrack>, durationSeconds: number): Plan | null => {
  const end = cues.startSeconds + durationSeconds
  const chosen = chooseCues(cues, end)
  if (chosen.length > maxSegments) return null
  const stretches = chosen.map((cue, i): Stretch => stretchOf(cues, cue, chosen[i + 1] ?? cues.count))
  const starts = [...chosen.map((cue) => (cues.ticks[cue] ?? 0) / cues.timescale), end]
  const rendition = (name: string, first: IndexTrack, ...others: ReadonlyArray<IndexTrack>): Rendition => {
    return {
      name,
      tracks: [planned(first, 0), ...others.map((track, i) => planned(track, i + 1))],
      isPacked: first.codec === "mp3",
      isIndependent: first.kind === "audio" || closed.has(first.codec),
      starts,
      stretches
    }
  }
  const videos = tracks.filter(({ kind }) => kind === "video")
  const audios = tracks.filter(({ kind }) => kind === "audio")
  const video = videos.find(({ isDefault }) => isDefault) ?? videos[0]
  const [audio] = audios
  if (video !== undefined && audios.length === 1 && audio !== undefined && audio.codec !== "mp3") {
    return { main: rendition("main", video, audio), sounds: [] }
  }
  const sounds = audios.map((track, i) => rendition(`audio-${i}`, track))
  if (video !== undefined) return { main: rendition("main", video), sounds }
  const [first] = sounds
  if (first === undefined) return null
  return sounds.length === 1 ? { main: { ...first, name: "main" }, sounds: [] } : { main: first, sounds }
}

/** The rendition as if one stretch were all of it: segment 0, with the samples that each track of the index has in it. */
export const withSamples = (
  rendition: Rendition,
  { tracks }: MediaIndex,
  samples: ReadonlyArray<Samples>
): Rendition => {
  const sampled = ({ id, track }: PlannedTrack): PlannedTrack => {
    const own = samples[tracks.indexOf(track)] ?? track.samples
    return { id, track: { ...track, samples: own }, cuts: [0, own.count] }
  }
  const [first, ...others] = rendition.tracks
  return { ...rendition, tracks: [sampled(first), ...others.map(sampled)], stretches: null }
}
