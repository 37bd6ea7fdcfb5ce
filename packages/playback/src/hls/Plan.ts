import type { Stretch } from "@joy/media/index/matroska/Stretches"
import { extentOf, type IndexTrack, type MediaIndex, presentedAt } from "@joy/media/index/MediaIndex"

import {
  cutAlong,
  cutSound,
  cutVideo,
  endsTogether,
  maxSegments,
  samplesAt,
  untilSoundEnds,
  type VideoCuts
} from "./Boundaries.ts"
import { planAlong } from "./CuePlan.ts"

/** A track within a rendition, and where it is cut. */
export interface PlannedTrack {
  readonly track: IndexTrack
  /** The number in the init segment and in every segment. */
  readonly id: number
  /** The first sample of each segment, and behind the last the number of samples. Two may be the same: nothing in that segment. */
  readonly cuts: ReadonlyArray<number>
}

/** One media playlist and what it names. */
export interface Rendition {
  /** Its folder's name. */
  readonly name: string
  readonly tracks: readonly [PlannedTrack, ...ReadonlyArray<PlannedTrack>]
  /** Frames as they are, behind an ID3 tag that says when (RFC 8216, 3.4), with no init segment: what MP3 is sent as. */
  readonly isPacked: boolean
  /** Seconds at which each segment begins, and behind the last where that ends. */
  readonly starts: ReadonlyArray<number>
  readonly isIndependent: boolean
  /** What to read for each segment, where samples show in it alone: the tracks have none then, and no cuts. */
  readonly stretches: ReadonlyArray<Stretch> | null
}

/** How an object is presented: what is decided once, from its index alone. */
export interface Plan {
  /** Pictures, with their sound where there is one that fits; or the first sound. */
  readonly main: Rendition
  /** Sound to choose from, beside the main rendition. Not empty when there is more than one, or one that can't go with the pictures. */
  readonly sounds: ReadonlyArray<Rendition>
}

/** Seconds after the last sample of a segment. */
const endOf = (tracks: ReadonlyArray<IndexTrack>): number =>
  Math.max(...tracks.map((track) => extentOf(track).end / track.timescale))

/** Leaves out segments with nothing in them. */
const rendition = (
  name: string,
  tracks: Rendition["tracks"],
  starts: ReadonlyArray<number>,
  options: { readonly isPacked: boolean; readonly isIndependent: boolean }
): Rendition => {
  const filled = starts.map((_, i) => i).filter((i) => tracks.some(({ cuts }) => (cuts[i + 1] ?? 0) > (cuts[i] ?? 0)))
  const [first, ...others] = tracks.map(({ cuts, ...planned }) => ({
    ...planned,
    cuts: [...filled.map((i) => cuts[i] ?? 0), planned.track.samples.count]
  }))
  const end = endOf(tracks.map(({ track }) => track))
  return {
    name,
    tracks: first === undefined ? tracks : [first, ...others],
    starts: [...filled.map((i) => starts[i] ?? 0), end],
    stretches: null,
    ...options
  }
}

/** One of sound alone: its segments last from the first of their samples to the first of the next. */
const soundRendition = (name: string, track: IndexTrack, times: ReadonlyArray<number>): Rendition => {
  const cuts = samplesAt(track, times)
  const starts = times.map((_, i) => Math.max(0, presentedAt(track, cuts[i] ?? 0) / track.timescale))
  return rendition(name, [{ track, id: 1, cuts }], starts, { isPacked: track.codec === "mp3", isIndependent: true })
}

/** Pictures and their only sound: the sound is cut where the pictures are. */
const muxedRendition = (video: IndexTrack, pictures: VideoCuts, audio: IndexTrack): Rendition => {
  const times = cutAlong(pictures, audio)
  const cuts = samplesAt(video, times)
  // Where pictures are cut, it is at this very sample, whatever the order in which others are shown.
  const exactly = new Map(pictures.starts.map((start, i) => [start, pictures.samples[i]]))
  const exact = cuts.map((cut, i) => exactly.get(times[i] ?? -1) ?? cut)
  const first = Math.min(times[0] ?? 0, Math.max(0, presentedAt(audio, 0) / audio.timescale))
  return rendition(
    "main",
    [
      { track: video, id: 1, cuts: exact },
      { track: audio, id: 2, cuts: samplesAt(audio, times) }
    ],
    [first, ...times.slice(1)],
    { isPacked: false, isIndependent: pictures.isIndependent }
  )
}

const soundAlone = (audios: ReadonlyArray<IndexTrack>): Plan | null => {
  const [first, ...others] = audios
  if (first === undefined) return null
  if (others.length === 0) return { main: soundRendition("main", first, cutSound(first)), sounds: [] }
  const main = soundRendition("audio-0", first, cutSound(first))
  return { main, sounds: [main, ...others.map((track, i) => soundRendition(`audio-${i + 1}`, track, cutSound(track)))] }
}

const withPictures = (video: IndexTrack, sounds: ReadonlyArray<IndexTrack>): Plan | null => {
  const whole = cutVideo(video)
  const audios = sounds.filter((track) => endsTogether(whole, track))
  const [audio, ...others] = audios
  if (audio === undefined && sounds.length > 0) return null
  const pictures = untilSoundEnds(whole, audios)
  if (audio !== undefined && others.length === 0 && audio.codec !== "mp3") {
    return { main: muxedRendition(video, pictures, audio), sounds: [] }
  }
  const { isIndependent, samples, starts } = pictures
  return {
    main: rendition("main", [{ track: video, id: 1, cuts: samples }], starts, { isPacked: false, isIndependent }),
    sounds: audios.map((track, i) => soundRendition(`audio-${i}`, track, cutAlong(pictures, track)))
  }
}

/** `null` where there is nothing that players could present, or more of it than anybody would. */
export const planOf = ({ cues, durationSeconds, tracks }: MediaIndex): Plan | null => {
  if (cues !== null) return planAlong(cues, tracks, durationSeconds)
  const videos = tracks.filter(({ kind }) => kind === "video")
  const audios = tracks.filter(({ kind }) => kind === "audio")
  const video = videos.find(({ isDefault }) => isDefault) ?? videos[0]
  const plan = video === undefined ? soundAlone(audios) : withPictures(video, audios)
  const renditions = plan === null ? [] : [plan.main, ...plan.sounds]
  return renditions.some(({ starts }) => starts.length - 1 > maxSegments) ? null : plan
}

/** All of them, by name. */
export const renditionsOf = ({ main, sounds }: Plan): ReadonlyMap<string, Rendition> =>
  new Map([main, ...sounds].map((rendition) => [rendition.name, rendition]))
