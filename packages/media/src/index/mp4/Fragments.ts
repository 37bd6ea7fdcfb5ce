import { Refused } from "../../demux/DemuxMessages.ts"
import { maxSamples, maxTicks } from "../MediaIndex.ts"
import { boxAt, type Box, childrenOf, find, flagsOf, uint64, versionOf } from "./Boxes.ts"
import type { MovieTrack } from "./Movie.ts"
import { noteEntry, raise, type Tables } from "./SampleTable.ts"

/** A whole `moof`, and where it begins in the object. */
export interface Fragment {
  readonly start: number
  readonly bytes: Uint8Array
}

/** What a `trun` or `tfhd` has, by its flags (8.8.7 and 8.8.8). */
const Run = { dataOffset: 1, firstFlags: 4, duration: 0x100, size: 0x200, flags: 0x400, composition: 0x800 } as const
const Head = { base: 1, entry: 2, duration: 8, size: 0x10, flags: 0x20, baseIsMoof: 0x2_0000 } as const
const notSync = 0x1_0000

const bitsIn = (flags: number, of: ReadonlyArray<number>) => of.filter((flag) => (flags & flag) !== 0).length

interface TrackRun {
  readonly id: number
  readonly view: DataView
  readonly traf: Box
  readonly tfhd: Box
  readonly truns: ReadonlyArray<Box>
  readonly fragment: Fragment
}

const sampleCount = (view: DataView, trun: Box): number => {
  const count = view.getUint32(trun.body + 4)
  const flags = flagsOf(view, trun)
  const fields = bitsIn(flags, [Run.duration, Run.size, Run.flags, Run.composition])
  const head = 8 + 4 * bitsIn(flags, [Run.dataOffset, Run.firstFlags])
  if (trun.body + head + count * fields * 4 > trun.end) {
    throw new Refused("declares more in its table (trun) than it holds")
  }
  return count
}

const trackRunsOf = (fragment: Fragment): ReadonlyArray<TrackRun> => {
  const { bytes } = fragment
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const moof = boxAt(view, 0, bytes.length)
  if (moof === null) return []
  return childrenOf(view, moof).flatMap((traf) => {
    const tfhd = traf.type === "traf" ? find(view, traf, "tfhd") : null
    if (tfhd === null) return []
    const truns = childrenOf(view, traf).filter(({ type }) => type === "trun")
    return [{ id: view.getUint32(tfhd.body + 4), view, traf, tfhd, truns, fragment }]
  })
}

/** The samples of a track as they come in. */
class Gathered {
  readonly #track: MovieTrack
  readonly #offsets: Float64Array
  readonly #sizes: Uint32Array
  readonly #dts: Float64Array
  readonly #compositions: Int32Array
  readonly #keys: Array<number> = []
  readonly #entries: Array<{ from: number; entry: number }>
  #count: number
  #end: number
  #least: number

  /** Begins with the samples that stand in `moov`, before any fragment. */
  constructor(track: MovieTrack, count: number) {
    const { raised, samples } = track.tables
    this.#track = track
    this.#count = samples.count
    this.#end = samples.dts[samples.count] ?? 0
    this.#offsets = new Float64Array(samples.count + count)
    this.#sizes = new Uint32Array(samples.count + count)
    this.#dts = new Float64Array(samples.count + count + 1)
    this.#compositions = new Int32Array(samples.count + count)
    this.#offsets.set(samples.offsets)
    this.#sizes.set(samples.sizes)
    this.#dts.set(samples.dts)
    for (let i = 0; i < samples.count; i++) this.#compositions[i] = (samples.compositionOffsets?.[i] ?? 0) - raised
    for (let i = 0; i < (samples.keys?.length ?? samples.count); i++) this.#keys.push(samples.keys?.[i] ?? i)
    this.#entries = [...samples.entries]
    this.#least = -raised
  }

  /** Adds a `traf`; gives where its data end, where the next begins that doesn't say it. */
  add({ fragment, tfhd, traf, truns, view }: TrackRun, previousEnd: number, sizeBytes: number): number {
    const defaults = this.#track.fragmentDefaults ?? { entry: 0, duration: 0, size: 0, flags: 0 }
    const flags = flagsOf(view, tfhd)
    let at = tfhd.body + 8
    const field = (flag: number, otherwise: number) => {
      if ((flags & flag) === 0) return otherwise
      at += 4
      return view.getUint32(at - 4)
    }
    let base = (flags & Head.baseIsMoof) !== 0 ? fragment.start : previousEnd
    if ((flags & Head.base) !== 0) {
      base = uint64(view, at)
      at += 8
    }
    const entry = field(Head.entry, defaults.entry + 1) - 1
    const duration = field(Head.duration, defaults.duration)
    const size = field(Head.size, defaults.size)
    const sampleFlags = field(Head.flags, defaults.flags)
    const tfdt = find(view, traf, "tfdt")
    if (tfdt !== null) {
      const decodedAt = versionOf(view, tfdt) === 1 ? uint64(view, tfdt.body + 4) : view.getUint32(tfdt.body + 4)
      // What overlaps the fragment before would be decoded before it.
      this.#end = Math.max(this.#end, decodedAt)
    }
    if (this.#entries.at(-1)?.entry !== entry) noteEntry(this.#entries, this.#count, entry)
    let end = base
    for (const trun of truns) {
      end = this.#addRun(view, trun, { base, end, duration, size, flags: sampleFlags }, sizeBytes)
    }
    if (this.#end > maxTicks) throw new Refused("lasts longer than can be counted")
    return end
  }

  #addRun(
    view: DataView,
    trun: Box,
    from: { base: number; end: number; duration: number; size: number; flags: number },
    sizeBytes: number
  ): number {
    const flags = flagsOf(view, trun)
    const count = view.getUint32(trun.body + 4)
    let at = trun.body + 8
    let place = from.end
    if ((flags & Run.dataOffset) !== 0) {
      place = from.base + view.getInt32(at)
      at += 4
    }
    let first = from.flags
    if ((flags & Run.firstFlags) !== 0) {
      first = view.getUint32(at)
      at += 4
    }
    const field = (flag: number, otherwise: number) => {
      if ((flags & flag) === 0) return otherwise
      at += 4
      return view.getUint32(at - 4)
    }
    if (place < 0) throw new Refused("has samples before its beginning")
    for (let i = 0; i < count; i++) {
      const sample = this.#count++
      const duration = field(Run.duration, from.duration)
      const size = field(Run.size, from.size)
      const isSync = (field(Run.flags, i === 0 ? first : from.flags) & notSync) === 0
      const composition = field(Run.composition, 0) | 0
      this.#offsets[sample] = place
      this.#sizes[sample] = size
      this.#dts[sample] = this.#end
      this.#compositions[sample] = composition
      if (composition < this.#least) this.#least = composition
      if (isSync) this.#keys.push(sample)
      this.#end += duration
      place += size
    }
    if (place > sizeBytes) throw new Refused("is cut short: samples lie behind its end")
    return place
  }

  tables(): Tables {
    const count = this.#count
    this.#dts[count] = this.#end
    return {
      samples: {
        count,
        offsets: this.#offsets,
        sizes: this.#sizes,
        dts: this.#dts,
        compositionOffsets: raise(this.#compositions, this.#least),
        keys: this.#keys.length === count ? null : Uint32Array.from(this.#keys),
        entries: this.#entries
      },
      raised: -this.#least
    }
  }
}

/** Reads the fragments of an object of this size, in its order, as the tables of these tracks. */
export const readFragments = (
  tracks: ReadonlyArray<MovieTrack>,
  fragments: ReadonlyArray<Fragment>,
  sizeBytes: number
): ReadonlyArray<Tables> => {
  const runs = fragments.map(trackRunsOf)
  const counts = new Map(tracks.map(({ header, tables }) => [header.id, tables.samples.count]))
  let total = 0
  for (const { id, truns, view } of runs.flat()) {
    const count = truns.reduce((sum, trun) => sum + sampleCount(view, trun), 0)
    total += count
    // Without sizes of their own, runs of a few bytes can declare any number.
    if (total > Math.min(maxSamples, sizeBytes)) throw new Refused("has more samples than it can hold")
    if (counts.has(id)) counts.set(id, (counts.get(id) ?? 0) + count)
  }
  const gathered = new Map(
    tracks.map((track) => [
      track.header.id,
      new Gathered(track, (counts.get(track.header.id) ?? 0) - track.tables.samples.count)
    ])
  )
  for (const ofFragment of runs) {
    let end = ofFragment[0]?.fragment.start ?? 0
    for (const run of ofFragment) end = gathered.get(run.id)?.add(run, end, sizeBytes) ?? end
  }
  return tracks.map((track) => gathered.get(track.header.id)?.tables() ?? track.tables)
}
