import { endOf, type Stretch, stretchOf } from "@joy/media/index/matroska/Stretches"
import type { Cues, IndexTrack, MediaIndex, Samples } from "@joy/media/index/MediaIndex"

import { isSoundNear, leastSeconds, maxSegments, mostSeconds, targetSeconds } from "./Boundaries.ts"
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

/** Ten seconds of the best picture that there is. */
export const maxStretchBytes = 128 * 2 ** 20

/** Codecs whose keyframes nothing is shown before that is decoded after them. */
const closed = new Set(["vp8", "vp9"])

/** What is played of the tracks, and when it is over: as far as the container says when each ends. */
const chooseTracks = (cues: Cues, tracks: ReadonlyArray<IndexTrack>, end: number) => {
  const over = (track: IndexTrack) => cues.tracks[tracks.indexOf(track)]?.endSeconds ?? end
  const videos = tracks.filter(({ kind }) => kind === "video")
  const video = videos.find(({ isDefault }) => isDefault) ?? videos[0]
  const sounds = tracks.filter(({ kind }) => kind === "audio")
  const audios = video === undefined ? sounds : sounds.filter((sound) => isSoundNear(over(sound), over(video)))
  const played = video === undefined ? audios : [video, ...audios]
  const isPlayable = played.length > 0 && (sounds.length === 0 || audios.length > 0)
  return isPlayable ? { video, audios, end: Math.min(end, Math.max(...played.map(over))) } : null
}

export const planAlong = (cues: Cues, tracks: ReadonlyArray<IndexTrack>, durationSeconds: number): Plan | null => {
  const chosen = chooseTracks(cues, tracks, cues.startSeconds + durationSeconds)
  if (chosen === null) return null
  const { audios, end, video } = chosen
  const cuts = chooseCues(cues, end)
  if (cuts.length > maxSegments) return null
  const stretches = cuts.map((cue, i): Stretch => stretchOf(cues, cue, cuts[i + 1] ?? cues.count))
  // It is read as a whole before the first byte of it is sent.
  if (stretches.some((stretch) => endOf(stretch, cues) - stretch.start > maxStretchBytes)) return null
  const starts = [...cuts.map((cue) => (cues.ticks[cue] ?? 0) / cues.timescale), end]
  const rendition = (name: string, first: IndexTrack, ...others: ReadonlyArray<IndexTrack>): Rendition => ({
    name,
    tracks: [planned(first, 0), ...others.map((track, i) => planned(track, i + 1))],
    isPacked: first.codec === "mp3",
    isIndependent: first.kind === "audio" || closed.has(first.codec),
    starts,
    stretches
  })
  const [audio, ...others] = audios
  if (video === undefined) {
    if (audio !== undefined && others.length === 0) return { main: rendition("main", audio), sounds: [] }
  } else if (audio !== undefined && others.length === 0 && audio.codec !== "mp3") {
    return { main: rendition("main", video, audio), sounds: [] }
  }
  const sounds = audios.map((track, i) => rendition(`audio-${i}`, track))
  const main = video === undefined ? sounds[0] : rendition("main", video)
  return main === undefined ? null : { main, sounds }
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
