import * as Effect from "effect/Effect"

import { UnreadableMedia } from "../../MediaError.ts"
import { type IndexFailure, type IndexSource, step } from "../IndexSource.ts"
import type { MediaIndex } from "../MediaIndex.ts"
import { flacEntry, streamInfoBytes } from "../SoundEntries.ts"
import { FrameList, indexOf, type Pending, scan } from "./Frames.ts"

/** RFC 9639. Frames don't say how long they are: one ends where the next one in turn begins. */

/** Most bytes of a frame's head. */
const headBytes = 16
const maxMetadataBlocks = 1_000

const crc8 = Uint8Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 7) & 0xff : crc << 1
  return crc
})

const blockSizes: Readonly<Record<number, number>> = { 1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608 }

interface FlacHead {
  /** Samples in the frame. */
  readonly samples: number
  /** Its number, or that of its first sample. */
  readonly number: number
  readonly isVariable: boolean
}

/** 9.1. `null` for what is none, or has not the right sum. */
const headAt = (bytes: Uint8Array, at: number): FlacHead | null => {
  const second = bytes[at + 1] ?? 0
  if ((second & 0xfe) !== 0xf8) return null
  const [third = 0, fourth = 0, fifth = 0] = bytes.subarray(at + 2, at + 5)
  if ((fourth & 1) !== 0 || fourth >> 4 > 10 || (third & 15) === 15) return null
  // Longer than one byte is a number that begins with as many ones.
  const length = fifth < 0x80 ? 1 : Math.clz32(~(fifth << 24))
  if (length > 7 || (fifth >= 0x80 && length < 2)) return null
  let number = fifth < 0x80 ? fifth : fifth & (0x7f >> length)
  for (let i = 1; i < length; i++) number = number * 64 + ((bytes[at + 4 + i] ?? 0) & 0x3f)
  let end = at + 4 + length
  const sizeCode = third >> 4
  let samples = blockSizes[sizeCode] ?? (sizeCode >= 8 ? 256 << (sizeCode - 8) : 0)
  if (sizeCode === 6) samples = (bytes[end++] ?? 0) + 1
  else if (sizeCode === 7) samples = ((bytes[end++] ?? 0) << 8) + (bytes[end++] ?? 0) + 1
  const rateCode = third & 15
  end += rateCode === 12 ? 1 : rateCode > 12 ? 2 : 0
  if (samples === 0 || end >= bytes.length) return null
  let crc = 0
  for (let i = at; i < end; i++) crc = crc8[crc ^ (bytes[i] ?? 0)] ?? 0
  return crc === bytes[end] ? { samples, number, isVariable: (second & 1) === 1 } : null
}

/** Where frames begin, and STREAMINFO with its head. */
const readMetadata = Effect.fnUntraced(function* (source: IndexSource, from: number) {
  let info: Uint8Array | null = null
  let at = from + 4
  for (let blocks = 0; blocks < maxMetadataBlocks && at + 4 <= source.sizeBytes; blocks++) {
    const head = yield* source.read(at, Math.min(source.sizeBytes, at + streamInfoBytes))
    const [type = 0, high = 0, middle = 0, low = 0] = head
    if ((type & 0x7f) === 0 && head.length === streamInfoBytes) info ??= head.slice()
    at += 4 + high * 2 ** 16 + middle * 2 ** 8 + low
    if (type >= 0x80) return { info, start: at }
  }
  return { info: null, start: at }
})

/** Indexes FLAC whose mark stands at `from`. */
export const build = Effect.fn("Flac.build")(function* (
  source: IndexSource,
  from: number
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const { info, start } = yield* readMetadata(source, from)
  const entry = info === null ? null : flacEntry(info)
  if (entry === null) return yield* new UnreadableMedia({ step, reason: "is cut short: it has no stream info" })
  const rate = entry.sampleRate ?? 0
  if (rate === 0) return yield* new UnreadableMedia({ step, reason: "has sound without a rate" })
  const frames = new FrameList()
  let open: { readonly at: number; readonly head: FlacHead } | null = null

  const isNext = ({ isVariable, number }: FlacHead) =>
    open === null ||
    (isVariable === open.head.isVariable && number === open.head.number + (isVariable ? open.head.samples : 1))

  const take = ({ base, bytes, isLast }: Pending): number => {
    let at = open === null ? 0 : open.at - base + 1
    while (true) {
      at = bytes.indexOf(0xff, at)
      if (at < 0 || (!isLast && at + headBytes > bytes.length)) break
      const head = headAt(bytes, at)
      if (head !== null && isNext(head)) {
        if (open !== null) frames.add(open.at, base + at - open.at, open.head.samples)
        open = { at: base + at, head }
      }
      at++
    }
    if (open === null) return at < 0 ? bytes.length : at
    if (isLast) frames.add(open.at, base + bytes.length - open.at, open.head.samples)
    return open.at - base
  }
  yield* scan(source, Math.min(start, source.sizeBytes), take)
  return indexOf(source, entry, { samples: frames.samples(), shift: 0, timescale: rate })
})
