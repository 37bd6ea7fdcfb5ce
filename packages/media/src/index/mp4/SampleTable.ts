import { Refused } from "../../demux/DemuxMessages.ts"
import { maxEntryChanges, maxSamples, maxTicks, noSamples, type Samples } from "../MediaIndex.ts"
import { type Box, childrenOf, tableOf, uint64, versionOf } from "./Boxes.ts"

/** What the tables of a track say, before its sample entries are looked at. */
export interface Tables {
  readonly samples: Samples
  /** Ticks that composition offsets were raised by, so that none is negative: to be taken off the track's shift. */
  readonly raised: number
}

/** Of a track whose samples are in fragments, or of no interest. */
export const noTables: Tables = { samples: noSamples, raised: 0 }

const readSizes = (view: DataView, box: Box, sizeBytes: number): Uint32Array => {
  const isCompact = box.type === "stz2"
  const constant = isCompact ? 0 : view.getUint32(box.body + 4)
  const bits = isCompact ? view.getUint8(box.body + 7) : constant === 0 ? 32 : 0
  const declared = view.getUint32(box.body + 8)
  if (declared > maxSamples || constant * declared > sizeBytes) {
    throw new Refused("declares more samples than it can hold")
  }
  if (bits === 0) return new Uint32Array(declared).fill(constant)
  if (![4, 8, 16, 32].includes(bits)) throw new Refused("has a table of sizes of an unknown kind")
  const { at, count } = tableOf(view, box, bits / 8, 4)
  const sizes = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    if (bits === 32) sizes[i] = view.getUint32(at + i * 4)
    else if (bits === 16) sizes[i] = view.getUint16(at + i * 2)
    else if (bits === 8) sizes[i] = view.getUint8(at + i)
    else sizes[i] = (view.getUint8(at + (i >> 1)) >> (i % 2 === 0 ? 4 : 0)) & 15
  }
  return sizes
}

export const noteEntry = (entries: Array<{ from: number; entry: number }>, from: number, entry: number): void => {
  if (entries.push({ from, entry }) > maxEntryChanges) throw new Refused("changes its sample entry too often")
}

/** Where the samples are, from the chunks that they lie in (8.7.4 and 8.7.5). */
const readPlaces = (view: DataView, stsc: Box, chunks: Box, sizes: Uint32Array, sizeBytes: number) => {
  const isLong = chunks.type === "co64"
  const runs = tableOf(view, stsc, 12)
  const places = tableOf(view, chunks, isLong ? 8 : 4)
  const offsets = new Float64Array(sizes.length)
  const entries: Array<{ from: number; entry: number }> = []
  let sample = 0
  let run = 0
  for (let chunk = 0; chunk < places.count && sample < sizes.length && runs.count > 0; chunk++) {
    while (run + 1 < runs.count && view.getUint32(runs.at + (run + 1) * 12) <= chunk + 1) run++
    const inChunk = Math.min(view.getUint32(runs.at + run * 12 + 4), sizes.length - sample)
    const entry = view.getUint32(runs.at + run * 12 + 8) - 1
    if (inChunk > 0 && entries.at(-1)?.entry !== entry) noteEntry(entries, sample, entry)
    let at = isLong ? uint64(view, places.at + chunk * 8) : view.getUint32(places.at + chunk * 4)
    for (const last = sample + inChunk; sample < last; sample++) {
      offsets[sample] = at
      at += sizes[sample] ?? 0
    }
    if (inChunk > 0 && at > sizeBytes) throw new Refused("is cut short: samples lie behind its end")
  }
  if (sample < sizes.length) throw new Refused("has samples without a place")
  return { offsets, entries }
}

const readTimes = (view: DataView, stts: Box, count: number): Float64Array => {
  const runs = tableOf(view, stts, 8)
  const dts = new Float64Array(count + 1)
  let sample = 0
  let at = 0
  let ticks = 0
  for (let run = 0; run < runs.count && sample < count; run++) {
    ticks = view.getInt32(runs.at + run * 8 + 4)
    if (ticks < 0) throw new Refused("has samples that end before they begin")
    for (const last = Math.min(count, sample + view.getUint32(runs.at + run * 8)); sample < last; sample++) {
      dts[sample] = at
      at += ticks
    }
  }
  // Some writers leave out the rest of what goes on as before.
  for (; sample < count; sample++) {
    dts[sample] = at
    at += ticks
  }
  if (at > maxTicks) throw new Refused("lasts longer than can be counted")
  dts[count] = at
  return dts
}

/** Signed in both versions: writers of version 0 put negative ones there too. */
const readCompositions = (view: DataView, ctts: Box, count: number) => {
  const runs = tableOf(view, ctts, 8)
  const offsets = new Int32Array(count)
  let least = 0
  let sample = 0
  for (let run = 0; run < runs.count && sample < count; run++) {
    const offset = view.getInt32(runs.at + run * 8 + 4)
    const last = Math.min(count, sample + view.getUint32(runs.at + run * 8))
    if (last > sample && offset < least) least = offset
    offsets.fill(offset, sample, last)
    sample = last
  }
  return { offsets, least }
}

/** Raises offsets so that the least is 0; `null` where then all of them are. */
export const raise = (offsets: Int32Array, least: number): Uint32Array | null => {
  const raised = new Uint32Array(offsets.length)
  let any = 0
  for (let i = 0; i < offsets.length; i++) any |= raised[i] = (offsets[i] ?? 0) - least
  return any === 0 ? null : raised
}

const readKeys = (view: DataView, stss: Box, count: number): Uint32Array => {
  const table = tableOf(view, stss, 4)
  const keys = new Uint32Array(table.count)
  let kept = 0
  let last = 0
  for (let i = 0; i < table.count; i++) {
    const number = view.getUint32(table.at + i * 4)
    if (number <= last || number > count) continue
    keys[kept++] = number - 1
    last = number
  }
  return keys.slice(0, kept)
}

/** Reads the tables of one track (`stbl`), whose samples lie in an object of this size. */
export const readTables = (view: DataView, stbl: Box, sizeBytes: number): Tables => {
  const tables = new Map(childrenOf(view, stbl).map((table) => [table.type, table]))
  const sizesBox = tables.get("stsz") ?? tables.get("stz2")
  if (sizesBox === undefined) return noTables
  const sizes = readSizes(view, sizesBox, sizeBytes)
  const count = sizes.length
  if (count === 0) return noTables
  const [stts, stsc, chunks] = [tables.get("stts"), tables.get("stsc"), tables.get("stco") ?? tables.get("co64")]
  if (stts === undefined || stsc === undefined || chunks === undefined)
    throw new Refused("lacks a table of its samples")
  const { entries, offsets } = readPlaces(view, stsc, chunks, sizes, sizeBytes)
  const dts = readTimes(view, stts, count)
  const [ctts, stss] = [tables.get("ctts"), tables.get("stss")]
  const compositions = ctts === undefined ? null : readCompositions(view, ctts, count)
  return {
    samples: {
      count,
      offsets,
      sizes,
      dts,
      compositionOffsets: compositions === null ? null : raise(compositions.offsets, compositions.least),
      keys: stss === undefined ? null : readKeys(view, stss, count),
      entries
    },
    raised: compositions === null ? 0 : -compositions.least
  }
}

/** `elst` (8.6.6) as one shift: what is empty before the first edit, less where that begins in the medium. */
export const readShift = (view: DataView, elst: Box, timescale: number, movieTimescale: number): number => {
  const isLong = versionOf(view, elst) === 1
  const entryBytes = isLong ? 20 : 12
  const { at, count } = tableOf(view, elst, entryBytes)
  let empty = 0
  let shift = 0
  for (let i = 0; i < count; i++) {
    const entry = at + i * entryBytes
    const duration = isLong ? uint64(view, entry) : view.getUint32(entry)
    const mediaTime = isLong ? Number(view.getBigInt64(entry + 8)) : view.getInt32(entry + 4)
    if (mediaTime >= 0) {
      shift = empty - mediaTime
      break
    }
    empty += Math.round((duration * timescale) / Math.max(1, movieTimescale))
  }
  if (Math.abs(shift) > maxTicks) throw new Refused("begins later than can be counted")
  return shift
}
