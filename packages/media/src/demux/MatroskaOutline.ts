import { maxStreams } from "../FfmpegArgs.ts"
import { type ReadBytes, Refused } from "./DemuxMessages.ts"
import type { Outline } from "./Mp4Outline.ts"

interface Element {
  readonly id: number
  readonly bodyStart: number
  readonly end: number
}

/** RFC 9559, section 5.1. */
const Id = {
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  seek: 0x4dbb,
  seekId: 0x53ab,
  seekPosition: 0x53ac,
  info: 0x1549a966,
  dateUtc: 0x4461,
  title: 0x7ba9,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  defaultDuration: 0x23e383,
  chapters: 0x1043a770,
  cluster: 0x1f43b675
}

const kinds: Readonly<Record<number, "video" | "audio" | "subtitle">> = { 1: "video", 2: "audio", 17: "subtitle" }

const maxElements = 100_000
/** Milliseconds from 1970 to 2001, where DateUTC counts from. */
const epochOffset = Date.UTC(2001, 0, 1)

/** Walks the top of a Matroska or WebM file and what its SeekHead points to. */
export const readMatroskaOutline = async (read: ReadBytes, sizeBytes: number): Promise<Outline> => {
  let elements = 0

  const elementAt = async (position: number, limit: number): Promise<Element | null> => {
    if (++elements > maxElements) throw new Refused("has too many elements before its index")
    const head = await read(position, Math.min(position + 12, limit))
    const first = head[0] ?? 0
    const idLength = Math.clz32(first) - 23
    if (first === 0 || idLength > 4 || head.length < idLength + 1) return null
    const id = head.subarray(0, idLength).reduce((value, byte) => value * 256 + byte, 0)
    const marker = head[idLength] ?? 0
    const sizeLength = Math.clz32(marker) - 23
    if (marker === 0 || head.length < idLength + sizeLength) return null
    const bytes = head.subarray(idLength + 1, idLength + sizeLength)
    const lead = marker & (0xff >> sizeLength)
    // All ones: the size is not known (a live recording), and the element goes on to the end of its parent.
    const isUnknown = lead === 0xff >> sizeLength && bytes.every((byte) => byte === 0xff)
    const bodyStart = position + idLength + sizeLength
    const size = bytes.reduce((value, byte) => value * 256 + byte, lead)
    return { id, bodyStart, end: isUnknown ? limit : Math.min(bodyStart + size, limit) }
  }

  const children = async function* (parent: { bodyStart: number; end: number }): AsyncGenerator<Element> {
    let position = parent.bodyStart
    while (position < parent.end) {
      const element = await elementAt(position, parent.end)
      if (element === null) return
      yield element
      position = element.end
    }
  }

  const number = async (element: Element): Promise<number> =>
    (await read(element.bodyStart, Math.min(element.end, element.bodyStart + 8))).reduce(
      (sum, byte) => sum * 256 + byte,
      0
    )

  const track = async (entry: Element): Promise<Outline["tracks"][number]> => {
    let id = 0
    let type = 0
    let duration = 0
    for await (const element of children(entry)) {
      if (element.id === Id.trackNumber) id = await number(element)
      else if (element.id === Id.trackType) type = await number(element)
      else if (element.id === Id.defaultDuration) duration = await number(element)
    }
    return { id, kind: kinds[type] ?? "data", frameRate: duration > 0 ? 1e9 / duration : null }
  }

  const tracks: Array<Outline["tracks"][number]> = []
  let hasChapters = false
  let createdAtMillis: number | null = null
  let title: string | null = null
  const seen = new Set<number>()
  const later: Array<number> = []

  const visit = async (element: Element, segment: Element) => {
    if (seen.has(element.bodyStart)) return
    seen.add(element.bodyStart)
    if (element.id === Id.tracks) {
      for await (const entry of children(element)) {
        if (entry.id !== Id.trackEntry) continue
        if (tracks.length === maxStreams) throw new Refused(`declares more than ${maxStreams} streams`)
        tracks.push(await track(entry))
      }
    } else if (element.id === Id.chapters) hasChapters = true
    else if (element.id === Id.info) {
      for await (const inner of children(element)) {
        if (inner.id === Id.title) {
          title = new TextDecoder().decode(await read(inner.bodyStart, Math.min(inner.end, inner.bodyStart + 4096)))
        }
        if (inner.id !== Id.dateUtc || inner.end - inner.bodyStart !== 8) continue
        const bytes = await read(inner.bodyStart, inner.end)
        const nanoseconds = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0)
        createdAtMillis = epochOffset + Number(nanoseconds / 1_000_000n)
      }
    } else if (element.id === Id.seekHead) {
      for await (const seek of children(element)) {
        let target = 0
        let position = -1
        for await (const inner of children(seek)) {
          if (inner.id === Id.seekId) target = await number(inner)
          else if (inner.id === Id.seekPosition) position = await number(inner)
        }
        const isWanted = target === Id.tracks || target === Id.chapters || target === Id.info
        if (isWanted && position >= 0 && later.length < 100) later.push(segment.bodyStart + position)
      }
    }
  }

  for await (const top of children({ bodyStart: 0, end: sizeBytes })) {
    if (top.id !== Id.segment) continue
    for await (const element of children(top)) {
      // What comes behind the first cluster is found through the SeekHead, or not at all.
      if (element.id === Id.cluster) break
      await visit(element, top)
    }
    for (const position of later) {
      const element = position < sizeBytes ? await elementAt(position, sizeBytes) : null
      if (element !== null) await visit(element, top)
    }
    break
  }
  return { tracks, hasChapters, createdAtMillis, title }
}
