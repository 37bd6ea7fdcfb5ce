import { Refused } from "../../demux/DemuxMessages.ts"
import { languageTag } from "../../Languages.ts"
import { labelOf } from "../Labels.ts"
import { type IndexTrack, maxSamples, maxTracks, type Samples } from "../MediaIndex.ts"
import { type Box, boxesIn, childrenOf, find, flagsOf, tableOf, typeAt, versionOf } from "./Boxes.ts"
import { readSampleEntry, type SampleEntry } from "./SampleEntry.ts"
import { noTables, readShift, readTables, type Tables } from "./SampleTable.ts"

/** What holds of a sample in a fragment that doesn't say it itself (8.8.3). */
export interface FragmentDefaults {
  readonly entry: number
  readonly duration: number
  readonly size: number
  readonly flags: number
}

/** A `trak` of pictures or sound: what `moov` says of it. */
export interface MovieTrack {
  readonly header: Omit<IndexTrack, "codec" | "codecString" | "sampleEntries" | "channels" | "sampleRate" | "samples">
  /** In the order of `stsd`; `null` for what no segment takes. */
  readonly entries: ReadonlyArray<SampleEntry | null>
  /** Their names there. */
  readonly entryTypes: ReadonlyArray<string>
  readonly tables: Tables
  readonly fragmentDefaults: FragmentDefaults | null
}

export interface Movie {
  readonly tracks: ReadonlyArray<MovieTrack>
  readonly isFragmented: boolean
}

const kinds: Readonly<Record<string, IndexTrack["kind"]>> = { vide: "video", soun: "audio" }
const unturned = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]

const text = (view: DataView, start: number, end: number) =>
  new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + start, Math.max(0, end - start)))

/** `elng` (8.4.6) says more than the three letters of `mdhd`; numbers below 1024 are QuickTime's, of which 0 says nothing. */
const readLanguage = (view: DataView, mdia: Box, mdhd: Box): string | null => {
  const extended = find(view, mdia, "elng")
  if (extended !== null) return languageTag(text(view, extended.body + 4, extended.end).replace(/\0.*$/s, ""))
  const packed = view.getUint16(mdhd.body + (versionOf(view, mdhd) === 1 ? 32 : 20))
  if (packed < 0x400) return null
  return languageTag(String.fromCharCode(...[10, 5, 0].map((shift) => ((packed >> shift) & 31) + 0x60)))
}

const readLabel = (view: DataView, trak: Box): string | null => {
  const name = find(view, trak, "udta", "name")
  if (name === null) return null
  return labelOf(text(view, name.body, Math.min(name.end, name.body + 512)))
}

const readTrack = (view: DataView, trak: Box, movie: MovieFields): MovieTrack | null => {
  const [tkhd, mdia] = [find(view, trak, "tkhd"), find(view, trak, "mdia")]
  if (tkhd === null || mdia === null) return null
  const [hdlr, mdhd, stbl] = [find(view, mdia, "hdlr"), find(view, mdia, "mdhd"), find(view, mdia, "minf", "stbl")]
  if (hdlr === null || mdhd === null || stbl === null) return null
  const kind = kinds[typeAt(view, hdlr.body + 8)]
  const stsd = find(view, stbl, "stsd")
  if (kind === undefined || stsd === null) return null
  const entries = boxesIn(view, tableOf(view, stsd, 8).at, stsd.end)

  const timescale = view.getUint32(mdhd.body + (versionOf(view, mdhd) === 1 ? 20 : 12))
  if (timescale === 0) throw new Refused("has a track without a clock")
  const id = view.getUint32(tkhd.body + (versionOf(view, tkhd) === 1 ? 20 : 12))
  const matrixAt = tkhd.body + (versionOf(view, tkhd) === 1 ? 52 : 40)
  const matrix = unturned.map((_, i) => view.getInt32(matrixAt + i * 4))
  const shown = kind === "video" ? [view.getUint32(matrixAt + 36), view.getUint32(matrixAt + 40)] : []
  const [first] = entries
  const coded =
    kind === "video" && first !== undefined && first.end - first.body >= 28
      ? [view.getUint16(first.body + 24), view.getUint16(first.body + 26)]
      : []
  const side = (i: number) => {
    const pixels = Math.round((shown[i] ?? 0) / 0x1_0000) || (coded[i] ?? 0)
    return pixels === 0 ? null : pixels
  }
  const elst = find(view, trak, "edts", "elst")
  const read = entries.map((entry) => readSampleEntry(view, entry, kind, movie.isQuickTime))
  // The tables of what no segment takes may be longer than all others: every sample of PCM is one.
  const isOfUse = read.some((entry) => entry !== null)
  const tables = isOfUse ? readTables(view, stbl, movie.sizeBytes) : noTables
  return {
    header: {
      id,
      kind,
      timescale,
      shift: (elst === null ? 0 : readShift(view, elst, timescale, movie.timescale)) - tables.raised,
      language: readLanguage(view, mdia, mdhd),
      label: readLabel(view, trak),
      isDefault: (flagsOf(view, tkhd) & 1) === 1,
      width: side(0),
      height: side(1),
      matrix: kind === "audio" || matrix.every((value, i) => value === unturned[i]) ? null : matrix
    },
    entries: read,
    entryTypes: entries.map(({ type }) => type),
    tables,
    fragmentDefaults: movie.defaults.get(id) ?? null
  }
}

interface MovieFields {
  readonly timescale: number
  readonly isQuickTime: boolean
  readonly sizeBytes: number
  readonly defaults: ReadonlyMap<number, FragmentDefaults>
}

/** Reads a whole `moov`, with which `view` begins, of an object of this size. */
export const readMovie = (view: DataView, moov: Box, object: { isQuickTime: boolean; sizeBytes: number }): Movie => {
  const children = childrenOf(view, moov)
  const [mvhd, mvex] = [find(view, moov, "mvhd"), find(view, moov, "mvex")]
  const trexes = mvex === null ? [] : childrenOf(view, mvex).filter(({ type }) => type === "trex")
  const fields: MovieFields = {
    ...object,
    timescale: mvhd === null ? 1 : view.getUint32(mvhd.body + (versionOf(view, mvhd) === 1 ? 20 : 12)),
    defaults: new Map(
      trexes.map(({ body }) => [
        view.getUint32(body + 4),
        {
          entry: view.getUint32(body + 8) - 1,
          duration: view.getUint32(body + 12),
          size: view.getUint32(body + 16),
          flags: view.getUint32(body + 20)
        }
      ])
    )
  }
  const traks = children.filter(({ type }) => type === "trak")
  if (traks.length > maxTracks) throw new Refused(`declares more than ${maxTracks} streams`)
  const tracks: Array<MovieTrack> = []
  let samples = 0
  for (const trak of traks) {
    const track = readTrack(view, trak, fields)
    if (track === null) continue
    samples += track.tables.samples.count
    if (samples > maxSamples) throw new Refused("has more samples than any film")
    tracks.push(track)
  }
  return { tracks, isFragmented: mvex !== null }
}

/** Joins what `moov` says of a track with its samples; a name where no segment takes it. */
export const finishTrack = (track: MovieTrack, samples: Samples, shift: number): IndexTrack | string => {
  const used = [...new Set(samples.entries.map(({ entry }) => entry))]
  const read = used.map((number) => track.entries[number] ?? null)
  const [first, ...others] = read.filter((entry) => entry !== null)
  const isOne = others.length + 1 === used.length && others.every(({ codec }) => codec === first?.codec)
  if (first === undefined || !isOne) return track.entryTypes[used[0] ?? 0] ?? "unknown"
  const rate = first.sampleRate ?? 0
  return {
    ...track.header,
    shift,
    codec: first.codec,
    codecString: first.codecString,
    sampleEntries: [first.bytes, ...others.map(({ bytes }) => bytes)],
    channels: first.channels,
    sampleRate: rate > 0 && rate < 2 ** 24 ? rate : null,
    samples: {
      ...samples,
      entries: samples.entries.map(({ entry, from }) => ({ from, entry: used.indexOf(entry) }))
    }
  }
}
