import type { ContentLight, Keyframes, MasteringDisplay, MediaStream } from "@joy/domain/MediaStream"

import { ascii, type Box, type Boxes, viewOf } from "./Mp4Boxes.ts"
import { colorCode, readDolbyVision, type TrackOutline, unknownTrack } from "./Outline.ts"
import { isUneven, ratio, reduced } from "./Timing.ts"

type Fields = { -readonly [K in keyof TrackOutline]: TrackOutline[K] }

const handlers: Readonly<Record<string, TrackOutline["kind"]>> = {
  vide: "video",
  soun: "audio",
  sbtl: "subtitle",
  subt: "subtitle",
  subp: "subtitle",
  text: "subtitle",
  clcp: "subtitle"
}

/** What is read of a table whose length depends on the film's: enough for ten hours with a keyframe every second. */
const tableBytes = 160 * 2 ** 10
/** From the start of a sample entry's body to the boxes in it (ISO 14496-12, 12.1.3). */
const visualEntryBytes = 78

/** The `fiel` box (QuickTime File Format): the fields' count, and the order in which they are coded and shown. */
const interlacing = (body: Uint8Array): MediaStream["interlacing"] => {
  if (body[0] !== 2) return body[0] === 1 ? "progressive" : null
  return body[1] === 1 || body[1] === 14 ? "top-field-first" : "bottom-field-first"
}

/** Red, green, blue and the white point: where each begins in `view`, and what one is written as. */
const chromaticities = (view: DataView, at: readonly [number, number, number, number], one: number) => {
  const point = (offset: number) => ({ x: view.getUint16(offset) / one, y: view.getUint16(offset + 2) / one })
  return { red: point(at[0]), green: point(at[1]), blue: point(at[2]), whitePoint: point(at[3]) }
}

/** `mdcv` (ISO 14496-12, 12.1.6): green first, as in the SEI message. */
const masteringDisplay = (body: Uint8Array): MasteringDisplay | null => {
  if (body.length < 24) return null
  const view = viewOf(body)
  return {
    ...chromaticities(view, [8, 0, 4, 12], 50_000),
    maxLuminance: view.getUint32(16) / 10_000,
    minLuminance: view.getUint32(20) / 10_000
  }
}

/** `SmDm` (VP Codec ISO Media File Format Binding): the same of VP9, red first, in other units. */
const vp9MasteringDisplay = (body: Uint8Array): MasteringDisplay | null => {
  if (body.length < 28) return null
  const view = viewOf(body)
  return {
    ...chromaticities(view, [4, 8, 12, 16], 65_536),
    maxLuminance: view.getUint32(20) / 256,
    minLuminance: view.getUint32(24) / 16_384
  }
}

const contentLight = (body: Uint8Array): ContentLight | null =>
  body.length < 4 ? null : { maxContent: viewOf(body).getUint16(0), maxFrameAverage: viewOf(body).getUint16(2) }

/** Visual sample entry: what lies in it behind the codec's own configuration. */
const readVisualEntry = async (boxes: Boxes, entry: Box, track: Fields) => {
  for await (const box of boxes.within(entry.bodyStart + visualEntryBytes, entry.end)) {
    const body = await boxes.read(box.bodyStart, Math.min(box.end, box.bodyStart + 64))
    switch (box.type) {
      case "colr": {
        const kind = ascii(body, 0)
        // The others hold an ICC profile.
        if ((kind !== "nclx" && kind !== "nclc") || body.length < 10) break
        const view = viewOf(body)
        track.color = {
          primaries: colorCode(view.getUint16(4)),
          transfer: colorCode(view.getUint16(6)),
          matrix: colorCode(view.getUint16(8)),
          isFullRange: kind === "nclx" && body.length > 10 ? (body[10] ?? 0) >= 0x80 : null
        }
        break
      }
      case "pasp": {
        const [width, height] = body.length < 8 ? [0, 0] : [viewOf(body).getUint32(0), viewOf(body).getUint32(4)]
        if (width > 0 && height > 0) track.sampleAspectRatio = ratio(width, height)
        break
      }
      case "fiel":
        track.interlacing = interlacing(body)
        break
      case "mdcv":
        track.masteringDisplay = masteringDisplay(body)
        break
      case "SmDm":
        track.masteringDisplay = vp9MasteringDisplay(body)
        break
      case "clli":
        track.contentLight = contentLight(body)
        break
      case "CoLL":
        track.contentLight = contentLight(body.subarray(4))
        break
      case "dvcC":
      case "dvvC":
      case "dvwC":
        track.dolbyVision = readDolbyVision(body)
        break
    }
  }
}

interface SampleTable {
  /** How long samples last, in the order of decoding: how many, and how many ticks each. */
  durations: ReadonlyArray<readonly [count: number, ticks: number]>
  sampleCount: number
  /** Numbers of the samples that are keyframes, from 1; `null`: all are. */
  keyframes: ReadonlyArray<number> | null
}

const readSampleTable = async (boxes: Boxes, stbl: Box, track: Fields): Promise<SampleTable> => {
  const table: SampleTable = { durations: [], sampleCount: 0, keyframes: null }
  const entries = async (box: Box, entryBytes: number) => {
    const body = await boxes.read(box.bodyStart, Math.min(box.end, box.bodyStart + 8 + tableBytes))
    const declared = body.length < 8 ? 0 : viewOf(body).getUint32(4)
    return { view: viewOf(body), count: Math.min(declared, Math.floor((body.length - 8) / entryBytes)) }
  }
  for await (const box of boxes.within(stbl.bodyStart, stbl.end)) {
    if (box.type === "stsd") {
      for await (const entry of boxes.within(box.bodyStart + 8, box.end)) await readVisualEntry(boxes, entry, track)
    } else if (box.type === "stts") {
      const { count, view } = await entries(box, 8)
      table.durations = Array.from({ length: count }, (_, i) => [view.getUint32(8 + i * 8), view.getUint32(12 + i * 8)])
    } else if (box.type === "stss") {
      const { count, view } = await entries(box, 4)
      table.keyframes = Array.from({ length: count }, (_, i) => view.getUint32(8 + i * 4))
    } else if (box.type === "stsz" || box.type === "stz2") {
      const body = await boxes.read(box.bodyStart, box.bodyStart + 12)
      if (body.length === 12) table.sampleCount = viewOf(body).getUint32(8)
    }
  }
  return table
}

const timing = (table: SampleTable, timescale: number, ticks: number, track: Fields) => {
  // The last frame's length is often what was left over.
  const isLeftOver = table.durations.length > 1 && table.durations.at(-1)?.[0] === 1
  const lengths = (isLeftOver ? table.durations.slice(0, -1) : table.durations).map(([, length]) => length)
  const [first] = lengths
  if (first === undefined || first === 0 || timescale === 0 || table.sampleCount === 0) return
  const isEven = lengths.every((length) => length === first)
  track.frameRate = isEven
    ? reduced(timescale, first)
    : ticks > 0
      ? reduced(table.sampleCount * timescale, ticks)
      : null
  const seconds = lengths.map((length) => length / timescale)
  track.isVariableFrameRate = !isEven && isUneven(seconds)
}

const cadence = ({ keyframes, sampleCount }: SampleTable, seconds: number): Keyframes | null => {
  if (sampleCount === 0 || seconds <= 0) return null
  const frame = seconds / sampleCount
  if (keyframes === null) return { averageSeconds: frame, longestSeconds: frame }
  // The table may have been cut: then it stands for the rest.
  const gaps = keyframes.slice(1).map((sample, i) => sample - (keyframes[i] ?? 0))
  const last = keyframes.at(-1)
  const isWhole = keyframes.length < tableBytes / 4
  if (isWhole && last !== undefined) gaps.push(sampleCount + 1 - last)
  if (gaps.length === 0 || gaps.some((gap) => gap <= 0)) return null
  const sum = gaps.reduce((total, gap) => total + gap, 0)
  return {
    averageSeconds: (frame * sum) / gaps.length,
    longestSeconds: frame * gaps.reduce((longest, gap) => Math.max(longest, gap), 0)
  }
}

/** Reads one `trak`. Only tracks of pictures are looked at closely: of the others mediabunny tells all there is. */
export const readMp4Track = async (
  boxes: Boxes,
  trak: Box
): Promise<{ readonly outline: TrackOutline; readonly hasChapters: boolean }> => {
  const track: Fields = { ...unknownTrack }
  let hasChapters = false
  let timescale = 0
  let ticks = 0
  const readMedia = async (mdia: Box) => {
    for await (const box of boxes.within(mdia.bodyStart, mdia.end)) {
      if (box.type === "hdlr") {
        track.kind = handlers[ascii(await boxes.read(box.bodyStart, box.bodyStart + 12), 8)] ?? "data"
      } else if (box.type === "mdhd") {
        const body = await boxes.read(box.bodyStart, box.bodyStart + 32)
        if (body.length < 32) continue
        const isLong = body[0] === 1
        timescale = viewOf(body).getUint32(isLong ? 20 : 12)
        ticks = isLong ? Number(viewOf(body).getBigUint64(24)) : viewOf(body).getUint32(16)
      } else if (box.type === "minf" && track.kind === "video") {
        for await (const inner of boxes.within(box.bodyStart, box.end)) {
          if (inner.type !== "stbl") continue
          const table = await readSampleTable(boxes, inner, track)
          timing(table, timescale, ticks, track)
          track.keyframes = cadence(table, timescale === 0 ? 0 : ticks / timescale)
        }
      }
    }
  }
  for await (const box of boxes.within(trak.bodyStart, trak.end)) {
    if (box.type === "tkhd") {
      const body = await boxes.read(box.bodyStart, box.bodyStart + 24)
      const at = body[0] === 1 ? 20 : 12
      if (body.length >= at + 4) track.id = viewOf(body).getUint32(at)
    } else if (box.type === "tref") {
      for await (const reference of boxes.within(box.bodyStart, box.end)) hasChapters ||= reference.type === "chap"
    } else if (box.type === "mdia") await readMedia(box)
  }
  return { outline: track, hasChapters }
}
