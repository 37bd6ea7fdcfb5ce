import type { IndexTrack } from "@joy/media/index/MediaIndex"
import { languageName } from "@joy/media/Languages"

import { weightsOf } from "./Layout.ts"
import { type Plan, type Rendition } from "./Plan.ts"

/** Playlists of RFC 8216: of VOD, complete from the beginning. */

/** A text track to choose from. */
export interface SubtitleTrack {
  /** BCP 47; `null` when nothing says it. */
  readonly language: string | null
  readonly label: string
  readonly isForced: boolean
  readonly isDefault: boolean
  /** Where the whole track is as WebVTT, seen from the folder of a rendition. */
  readonly uri: string
}

/** Six decimals: finer than any clock of a container ticks for a sample. The sum stays exact, whatever is rounded. */
const seconds = (starts: ReadonlyArray<number>): ReadonlyArray<string> => {
  const micros = starts.map((start) => Math.round(start * 1e6))
  return micros.slice(1).map((end, i) => (Math.max(0, end - (micros[i] ?? 0)) / 1e6).toFixed(6))
}

const lines = (...parts: ReadonlyArray<string | ReadonlyArray<string>>): string => `${parts.flat().join("\n")}\n`

export const mediaPlaylist = ({ isIndependent, isPacked, starts }: Rendition): string => {
  const durations = seconds(starts)
  return lines(
    "#EXTM3U",
    // EXT-X-MAP outside of playlists of pictures alone needs 6, decimals 3 (section 7).
    `#EXT-X-VERSION:${isPacked ? 3 : 6}`,
    `#EXT-X-TARGETDURATION:${Math.max(1, ...durations.map((duration) => Math.round(Number(duration))))}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    isIndependent ? ["#EXT-X-INDEPENDENT-SEGMENTS"] : [],
    isPacked ? [] : ['#EXT-X-MAP:URI="init.mp4"'],
    durations.flatMap((duration, i) => [`#EXTINF:${duration},`, `${i}.${isPacked ? "mp3" : "m4s"}`]),
    "#EXT-X-ENDLIST"
  )
}

/** One segment: a text track is small, and players want all of it when somebody seeks. */
export const subtitlePlaylist = ({ uri }: SubtitleTrack, { main }: Plan): string => {
  const duration = main.starts.at(-1) ?? 0
  return lines(
    "#EXTM3U",
    "#EXT-X-VERSION:3",
    `#EXT-X-TARGETDURATION:${Math.max(1, Math.round(duration))}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    `#EXTINF:${duration.toFixed(6)},`,
    uri,
    "#EXT-X-ENDLIST"
  )
}

/** What quoted strings can't hold (4.2): quotes and line ends. */
// oxlint-disable-next-line no-control-regex
const unquotable = /[\u0000-\u001f\u007f"]/g
const quoted = (text: string): string => `"${text.replace(unquotable, "")}"`

const attributes = (pairs: ReadonlyArray<readonly [string, string | null]>): string =>
  pairs.flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`])).join(",")

/** Within a group every name is another (4.3.4.1.1). */
const distinct = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set<string>()
  return names.map((text) => {
    const name = text.replace(unquotable, "")
    let free = name
    for (let number = 2; taken.has(free); number++) free = `${name} (${number})`
    taken.add(free)
    return free
  })
}

const soundName = ({ label, language }: IndexTrack, number: number): string =>
  label ?? (language === null ? `Track ${number}` : languageName(language))

interface Load {
  /** Bits per second of the segment that needs most of them, and of all together. */
  readonly peak: number
  readonly average: number
}

const measured = (rendition: Rendition): Load => {
  const { starts } = rendition
  const weights = weightsOf(rendition)
  const lengths = weights.map((_, i) => (starts[i + 1] ?? 0) - (starts[i] ?? 0))
  // What is hardly there says nothing about the rate.
  const rates = weights.map((bytes, i) => (bytes * 8) / Math.max(0.5, lengths[i] ?? 0))
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const peak = rates.reduce((most, rate) => Math.max(most, rate), 1)
  const average = (weights.reduce((sum, bytes) => sum + bytes, 0) * 8) / Math.max(0.5, total)
  return { peak, average: Math.min(peak, average) }
}

/** Every sample of two hours is looked at for it, and it stays what it is for as long as a plan is kept. */
const loads = new WeakMap<Rendition, Load>()
const loadOf = (rendition: Rendition): Load => {
  const known = loads.get(rendition) ?? measured(rendition)
  loads.set(rendition, known)
  return known
}

/** Sounds of one codec, among which players may change. */
interface Group {
  readonly id: string
  readonly sounds: ReadonlyArray<Rendition>
}

const groupsOf = ({ sounds }: Plan): ReadonlyArray<Group> => {
  const codecs = [...new Set(sounds.map(({ tracks }) => tracks[0].track.codec))]
  return codecs.map((codec) => ({
    id: `audio-${codec}`,
    sounds: sounds.filter(({ tracks }) => tracks[0].track.codec === codec)
  }))
}

const soundLines = ({ id, sounds }: Group): ReadonlyArray<string> => {
  const tracks = sounds.map(({ tracks }) => tracks[0].track)
  const names = distinct(tracks.map((track, i) => soundName(track, i + 1)))
  const chosen = Math.max(
    0,
    tracks.findIndex(({ isDefault }) => isDefault)
  )
  return sounds.map(({ name }, i) => {
    const track = tracks[i]
    return `#EXT-X-MEDIA:${attributes([
      ["TYPE", "AUDIO"],
      ["GROUP-ID", quoted(id)],
      ["NAME", quoted(names[i] ?? "")],
      ["LANGUAGE", track?.language == null ? null : quoted(track.language)],
      ["DEFAULT", i === chosen ? "YES" : "NO"],
      ["AUTOSELECT", "YES"],
      ["CHANNELS", track?.channels == null ? null : quoted(String(track.channels))],
      ["URI", quoted(`${name}/index.m3u8`)]
    ])}`
  })
}

const subtitleLines = (subtitles: ReadonlyArray<SubtitleTrack>): ReadonlyArray<string> => {
  const names = distinct(subtitles.map(({ label }) => label))
  const chosen = subtitles.findIndex(({ isDefault }) => isDefault)
  return subtitles.map(
    ({ isForced, language }, i) =>
      `#EXT-X-MEDIA:${attributes([
        ["TYPE", "SUBTITLES"],
        ["GROUP-ID", '"subtitles"'],
        ["NAME", quoted(names[i] ?? "")],
        ["LANGUAGE", language === null ? null : quoted(language)],
        ["DEFAULT", i === chosen ? "YES" : "NO"],
        ["AUTOSELECT", "YES"],
        ["FORCED", isForced ? "YES" : "NO"],
        ["URI", quoted(`subtitles-${i}/index.m3u8`)]
      ])}`
  )
}

/** Pictures as they are shown: those that are turned by a quarter are as wide as they were high. */
const resolutionOf = ({ height, matrix, width }: IndexTrack): string | null => {
  if (width === null || height === null) return null
  const isTurned = matrix !== null && matrix[0] === 0 && matrix[4] === 0
  return isTurned ? `${height}x${width}` : `${width}x${height}`
}

const frameRateOf = ({ samples, timescale }: IndexTrack): string | null => {
  const ticks = (samples.dts[samples.count] ?? 0) - (samples.dts[0] ?? 0)
  return ticks > 0 ? ((samples.count * timescale) / ticks).toFixed(3) : null
}

/** `hvc1.…,mp4a.40.2`: every codec that somebody who plays this variant may meet. */
const codecsOf = (renditions: ReadonlyArray<Rendition>): string =>
  quoted([...new Set(renditions.flatMap(({ tracks }) => tracks.map(({ track }) => track.codecString)))].join(","))

export const multivariantPlaylist = (plan: Plan, subtitles: ReadonlyArray<SubtitleTrack>): string => {
  const groups = groupsOf(plan)
  const isSoundAlone = plan.sounds.includes(plan.main)
  const video = plan.main.tracks.find(({ track }) => track.kind === "video")?.track ?? null
  const variant = (group: Group | null): ReadonlyArray<string> => {
    const main = isSoundAlone ? (group?.sounds[0] ?? plan.main) : plan.main
    const sounds = group?.sounds.filter((sound) => sound !== main) ?? []
    const own = loadOf(main)
    const others = sounds.map(loadOf)
    const most = (key: keyof Load) => others.reduce((sum, load) => Math.max(sum, load[key]), 0)
    // Whoever plays sound alone plays one of them.
    const with_ = (key: keyof Load) => (isSoundAlone ? Math.max(own[key], most(key)) : own[key] + most(key))
    return [
      `#EXT-X-STREAM-INF:${attributes([
        ["BANDWIDTH", String(Math.ceil(with_("peak")))],
        ["AVERAGE-BANDWIDTH", String(Math.ceil(with_("average")))],
        ["CODECS", codecsOf([main, ...sounds])],
        ["RESOLUTION", video === null ? null : resolutionOf(video)],
        ["FRAME-RATE", video === null ? null : frameRateOf(video)],
        ["AUDIO", group === null ? null : quoted(group.id)],
        ["SUBTITLES", subtitles.length === 0 ? null : '"subtitles"']
      ])}`,
      `${main.name}/index.m3u8`
    ]
  }
  return lines(
    "#EXTM3U",
    "#EXT-X-VERSION:6",
    groups.flatMap(soundLines),
    subtitleLines(subtitles),
    groups.length === 0 ? variant(null) : groups.flatMap(variant)
  )
}
