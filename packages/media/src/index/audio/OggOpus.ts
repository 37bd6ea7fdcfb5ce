import * as Effect from "effect/Effect"

import { Refused } from "../../demux/DemuxMessages.ts"
import { UnreadableMedia } from "../../MediaError.ts"
import { type IndexFailure, type IndexSource, step } from "../IndexSource.ts"
import type { MediaIndex } from "../MediaIndex.ts"
import { opusEntry } from "../SoundEntries.ts"
import { FrameList, indexOf, type Pending, scan } from "./Frames.ts"

/** Opus in Ogg (RFC 3533 and 7845). */

const timescale = 48_000
const pageHeadBytes = 27
const mark = "O".charCodeAt(0)
const isContinued = 1
const maxGranule = 2n ** 51n

/** Ticks of a packet, by its first byte (RFC 6716, 3.1), and how many frames it says that it has. */
export const packetTicks = (packet: Uint8Array): number => {
  const [first = 0, second = 0] = packet
  const config = first >> 3
  const frame =
    config < 12 ? [480, 960, 1920, 2880][config & 3] : config < 16 ? [480, 960][config & 1] : 120 << (config & 3)
  const count = [1, 2, 2, second & 63][first & 3] ?? 1
  return (frame ?? 960) * count
}

interface Stream {
  serial: number | null
  /** Packets so far, the two heads included. */
  packets: number
  head: Uint8Array
  /** Samples at the end of the last page by its own word, and at the beginning of the first with sound. */
  granule: number
  start: number | null
}

const startsWith = (bytes: Uint8Array, text: string) =>
  bytes.length >= text.length && [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0))

const addPacket = (stream: Stream, frames: FrameList, packet: Uint8Array, offset: number) => {
  const number = stream.packets++
  if (number === 0) stream.head = packet.slice()
  else if (number > 1 && packet.length > 0) frames.add(offset, packet.length, packetTicks(packet))
}

/** Reads one page of the stream; the packets on it are whole, but for one at each end. */
const readPage = (stream: Stream, frames: FrameList, page: Uint8Array, base: number) => {
  const view = new DataView(page.buffer, page.byteOffset, page.length)
  const count = view.getUint8(26)
  let at = pageHeadBytes + count
  let start = at
  let isPiece = (view.getUint8(5) & isContinued) !== 0
  for (let i = 0; i < count; i++) {
    const length = view.getUint8(pageHeadBytes + i)
    at += length
    if (length === 255 && i < count - 1) continue
    const isOpen = length === 255
    if (isPiece || isOpen) {
      // The comments may fill pages, pictures among them.
      if (stream.packets > 1) throw new Refused("has packets that lie in pieces")
      if (!isOpen) stream.packets++
    } else addPacket(stream, frames, page.subarray(start, at), base + start)
    start = at
    isPiece = false
  }
  const granule = view.getBigInt64(6, true)
  // Of a page on which no packet ends it is -1.
  if (granule < 0n || granule > maxGranule || frames.count === 0) return
  stream.granule = Number(granule)
  // A recording may begin in the middle; the first page is the last one too where it has less than its packets.
  stream.start ??= Math.max(0, stream.granule - frames.end)
}

/** Indexes the first stream of an Ogg file, if it is of Opus. */
export const build = Effect.fn("OggOpus.build")(function* (
  source: IndexSource
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const frames = new FrameList()
  const stream: Stream = { serial: null, packets: 0, head: new Uint8Array(), granule: 0, start: null }
  const take = ({ base, bytes, isLast }: Pending): number => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = 0
    while (true) {
      // What lies between pages is damage.
      at = bytes.indexOf(mark, at)
      if (at < 0) return bytes.length
      if (at + pageHeadBytes > bytes.length) return at
      if (!startsWith(bytes.subarray(at, at + 4), "OggS")) {
        at++
        continue
      }
      const count = view.getUint8(at + 26)
      if (at + pageHeadBytes + count > bytes.length) return isLast ? bytes.length : at
      const body = bytes
        .subarray(at + pageHeadBytes, at + pageHeadBytes + count)
        .reduce((sum, length) => sum + length, 0)
      const end = at + pageHeadBytes + count + body
      if (end > bytes.length) return isLast ? bytes.length : at
      const serial = view.getUint32(at + 14, true)
      stream.serial ??= serial
      if (serial === stream.serial) readPage(stream, frames, bytes.subarray(at, end), base + at)
      at = end
    }
  }
  yield* scan(source, 0, take)
  const { granule, head, start } = stream
  const entry = startsWith(head, "OpusHead") ? opusEntry(head) : null
  if (entry === null) {
    return yield* new UnreadableMedia({
      step,
      reason: "holds no Opus, which is all of Ogg that segments are made from"
    })
  }
  const skip = new DataView(head.buffer, head.byteOffset, head.length).getUint16(10, true)
  // The end of what was encoded is padding.
  return indexOf(source, entry, { samples: frames.samples(granule - (start ?? 0)), shift: 0 - skip, timescale })
})
