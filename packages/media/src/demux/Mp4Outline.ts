import { maxStreams } from "../FfmpegArgs.ts"
import { type ReadBytes, Refused } from "./DemuxMessages.ts"

/** What mediabunny does not tell about a container: everything in it that is neither picture nor sound. */
export interface Outline {
  /** All tracks in order. `id` is the container's (track_ID, TrackNumber). */
  readonly tracks: ReadonlyArray<{
    readonly id: number
    readonly kind: "video" | "audio" | "subtitle" | "data"
    /** Frames per second, where the container declares it. */
    readonly frameRate: number | null
  }>
  readonly hasChapters: boolean
  readonly createdAtMillis: number | null
  /** Where mediabunny doesn't tell it. */
  readonly title: string | null
}

interface Box {
  readonly type: string
  readonly bodyStart: number
  readonly end: number
}

/** No real file has as many boxes on the way to its index; a fragmented one has its index first. */
const maxBoxes = 100_000
/** Seconds from 1904, where ISO 14496-12 (8.2.2) counts from, to 1970. */
const epochOffset = 2_082_844_800

const handlers: Readonly<Record<string, "video" | "audio" | "subtitle">> = {
  vide: "video",
  soun: "audio",
  sbtl: "subtitle",
  subt: "subtitle",
  subp: "subtitle",
  text: "subtitle",
  clcp: "subtitle"
}

const ascii = (bytes: Uint8Array, start: number): string => String.fromCharCode(...bytes.subarray(start, start + 4))

/** Walks the boxes of ISO 14496-12 as far as the track headers. Refuses a file that has no index, or too many tracks. */
export const readMp4Outline = async (read: ReadBytes, sizeBytes: number): Promise<Outline> => {
  let boxes = 0
  let hasChapters = false

  const boxAt = async (position: number, limit: number): Promise<Box | null> => {
    if (++boxes > maxBoxes) throw new Refused("has too many boxes before its index")
    const head = await read(position, Math.min(position + 16, limit))
    if (head.length < 8) return null
    const view = new DataView(head.buffer, head.byteOffset, head.length)
    const small = view.getUint32(0)
    if (small === 1 && head.length < 16) return null
    const size = small === 1 ? Number(view.getBigUint64(8)) : small === 0 ? limit - position : small
    const headerSize = small === 1 ? 16 : 8
    if (size < headerSize) return null
    return { type: ascii(head, 4), bodyStart: position + headerSize, end: position + size }
  }

  const children = async function* (parent: Box): AsyncGenerator<Box> {
    let position = parent.bodyStart
    while (position + 8 <= parent.end) {
      const box = await boxAt(position, parent.end)
      if (box === null || box.end > parent.end) return
      yield box
      position = box.end
    }
  }

  const moov = async (): Promise<Box> => {
    let position = 0
    while (position + 8 <= sizeBytes) {
      const box = await boxAt(position, sizeBytes)
      if (box === null) break
      if (box.type === "moov") {
        if (box.end > sizeBytes) throw new Refused("is cut short: its index (moov) is incomplete")
        return box
      }
      position = box.end
    }
    throw new Refused("is cut short: its index (moov) is missing")
  }

  const track = async (trak: Box): Promise<Outline["tracks"][number]> => {
    let id = 0
    let handler = ""
    for await (const box of children(trak)) {
      if (box.type === "tkhd") {
        const body = await read(box.bodyStart, box.bodyStart + 24)
        const at = body[0] === 1 ? 20 : 12
        if (body.length >= at + 4) id = new DataView(body.buffer, body.byteOffset).getUint32(at)
      } else if (box.type === "tref") {
        for await (const reference of children(box)) hasChapters ||= reference.type === "chap"
      } else if (box.type === "mdia") {
        for await (const inner of children(box)) {
          if (inner.type === "hdlr") handler = ascii(await read(inner.bodyStart, inner.bodyStart + 12), 8)
        }
      }
    }
    return { id, kind: handlers[handler] ?? "data", frameRate: null }
  }

  const tracks: Array<Outline["tracks"][number]> = []
  let createdAtMillis: number | null = null
  for await (const box of children(await moov())) {
    if (box.type === "trak") {
      if (tracks.length === maxStreams) throw new Refused(`declares more than ${maxStreams} streams`)
      tracks.push(await track(box))
    } else if (box.type === "mvhd") {
      const body = await read(box.bodyStart, box.bodyStart + 12)
      const view = new DataView(body.buffer, body.byteOffset, body.length)
      const seconds = body.length < 12 ? 0 : body[0] === 1 ? Number(view.getBigUint64(4)) : view.getUint32(4)
      // 0 is "not said"; what is before 1970 is a clock that was never set.
      createdAtMillis = seconds > epochOffset ? (seconds - epochOffset) * 1000 : null
    } else if (box.type === "udta") {
      for await (const inner of children(box)) hasChapters ||= inner.type === "chpl"
    }
  }
  return { tracks, hasChapters, createdAtMillis, title: null }
}
