import { maxStreams } from "../FfmpegArgs.ts"
import { type ReadBytes, Refused } from "./DemuxMessages.ts"
import { type Element, elementsOf } from "./Ebml.ts"
import { cadence, cuesBytes, readCues } from "./MatroskaCues.ts"
import { readMatroskaTrack } from "./MatroskaTrack.ts"
import { type Outline, readAhead, type TrackOutline } from "./Outline.ts"

/** RFC 9559, section 5.1. */
const Id = {
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  seek: 0x4dbb,
  seekId: 0x53ab,
  seekPosition: 0x53ac,
  info: 0x1549a966,
  timestampScale: 0x2ad7b1,
  duration: 0x4489,
  dateUtc: 0x4461,
  title: 0x7ba9,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  chapters: 0x1043a770,
  cluster: 0x1f43b675,
  cues: 0x1c53bb6b
}
const sought = new Set([Id.tracks, Id.chapters, Id.info, Id.cues])

/** Milliseconds from 1970 to 2001, where DateUTC counts from. */
const epochOffset = Date.UTC(2001, 0, 1)
/** Walks the top of a Matroska or WebM file and what its SeekHead points to. */
export const readMatroskaOutline = async (source: ReadBytes, sizeBytes: number): Promise<Outline> => {
  const elements = elementsOf(readAhead(source, sizeBytes))
  const tracks: Array<TrackOutline> = []
  let cues: ReturnType<typeof readCues> = new Map()
  let hasAllCues = false
  let hasChapters = false
  let createdAtMillis: number | null = null
  let title: string | null = null
  let nanosecondsPerTick = 1_000_000
  let durationTicks = 0
  const seen = new Set<number>()
  const later: Array<number> = []

  const readInfo = async (info: Element) => {
    for await (const element of elements.children(info)) {
      if (element.id === Id.title) title = new TextDecoder().decode(await elements.bytes(element, 4096))
      else if (element.id === Id.timestampScale) nanosecondsPerTick = await elements.number(element)
      else if (element.id === Id.duration) durationTicks = await elements.float(element)
      else if (element.id === Id.dateUtc && element.end - element.bodyStart === 8) {
        const bytes = await elements.bytes(element, 8)
        const nanoseconds = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0)
        createdAtMillis = epochOffset + Number(nanoseconds / 1_000_000n)
      }
    }
  }

  const readSeekHead = async (seekHead: Element, segment: Element) => {
    for await (const seek of elements.children(seekHead)) {
      let target = 0
      let position = -1
      for await (const element of elements.children(seek)) {
        if (element.id === Id.seekId) target = await elements.number(element)
        else if (element.id === Id.seekPosition) position = await elements.number(element)
      }
      if (sought.has(target) && position >= 0 && later.length < 100) later.push(segment.bodyStart + position)
    }
  }

  const visit = async (element: Element, segment: Element) => {
    if (seen.has(element.bodyStart)) return
    seen.add(element.bodyStart)
    if (element.id === Id.tracks) {
      for await (const entry of elements.children(element)) {
        if (entry.id !== Id.trackEntry) continue
        if (tracks.length === maxStreams) throw new Refused(`declares more than ${maxStreams} streams`)
        tracks.push(await readMatroskaTrack(elements, entry))
      }
    } else if (element.id === Id.chapters) hasChapters = true
    else if (element.id === Id.info) await readInfo(element)
    else if (element.id === Id.cues) {
      cues = readCues(await elements.bytes(element, cuesBytes))
      hasAllCues = element.end - element.bodyStart <= cuesBytes
    } else if (element.id === Id.seekHead) await readSeekHead(element, segment)
  }

  for await (const top of elements.children({ bodyStart: 0, end: sizeBytes })) {
    if (top.id !== Id.segment) continue
    for await (const element of elements.children(top)) {
      // What comes behind the first cluster is found through the SeekHead, or not at all.
      if (element.id === Id.cluster) break
      await visit(element, top)
    }
    for (const position of later) {
      const element = position < sizeBytes ? await elements.at(position, sizeBytes) : null
      if (element !== null) await visit(element, top)
    }
    break
  }
  const clock = { endTicks: durationTicks, isWhole: hasAllCues, secondsPerTick: nanosecondsPerTick / 1e9 }
  const keyframes = ({ id, kind }: TrackOutline) =>
    kind === "video" ? cadence(cues.get(id) ?? new Set(), clock) : null
  return {
    tracks: tracks.map((track) => Object.assign(track, { keyframes: keyframes(track) })),
    hasChapters,
    createdAtMillis,
    title
  }
}
