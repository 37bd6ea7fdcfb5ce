import { durationOf } from "@joy/media/index/MediaIndex"

import { isKey, type Layout, type Run } from "./Layout.ts"

/** What stands before the media data of a segment: `moof`, and the head of `mdat` (ISO 14496-12, 8.8). */

/** Sample flags (8.8.3.1): depends on no other; depends on others, and is no place to begin. */
const keyFlags = 0x0200_0000
const otherFlags = 0x0101_0000

const Head = { entry: 2, duration: 8, flags: 0x20, baseIsMoof: 0x2_0000 } as const
const Trun = { dataOffset: 1, firstFlags: 4, duration: 0x100, size: 0x200, composition: 0x800 } as const

/** Runs of one track that have the same sample entry: one `traf`. */
interface Group {
  readonly runs: ReadonlyArray<Run>
  readonly entry: number
  /** Ticks of every sample; `null` where they differ. */
  readonly duration: number | null
  readonly hasCompositions: boolean
  /** All of them are keyframes. */
  readonly isAllKeys: boolean
  readonly bytes: number
}

const entryOf = ({ from, planned }: Run): number =>
  planned.track.samples.entries.findLast((entry) => entry.from <= from)?.entry ?? 0

const commonDuration = (runs: ReadonlyArray<Run>): number | null => {
  let common: number | null = null
  for (const { from, planned, to } of runs) {
    for (let sample = from; sample < to; sample++) {
      const duration = durationOf(planned.track.samples, sample)
      if (common !== null && duration !== common) return null
      common = duration
    }
  }
  return common
}

const runHead = (group: Omit<Group, "bytes">, run: Run) => {
  const startsAtKey = !group.isAllKeys && isKey(run.planned.track, run.from)
  const flags =
    Trun.dataOffset |
    Trun.size |
    (startsAtKey ? Trun.firstFlags : 0) |
    (group.duration === null ? Trun.duration : 0) |
    (group.hasCompositions ? Trun.composition : 0)
  const sampleBytes = 4 + (group.duration === null ? 4 : 0) + (group.hasCompositions ? 4 : 0)
  return { flags, startsAtKey, bytes: 20 + (startsAtKey ? 4 : 0) + (run.to - run.from) * sampleBytes }
}

const grouped = (runs: ReadonlyArray<Run>): ReadonlyArray<Group> => {
  const parts: Array<Array<Run>> = []
  for (const run of runs) {
    const part = parts.at(-1)
    const [last] = part ?? []
    if (part !== undefined && last?.planned === run.planned && entryOf(last) === entryOf(run)) part.push(run)
    else parts.push([run])
  }
  return parts.flatMap((runs) => {
    const [first] = runs
    if (first === undefined) return []
    const { samples } = first.planned.track
    const group = {
      runs,
      entry: entryOf(first),
      duration: commonDuration(runs),
      hasCompositions: samples.compositionOffsets !== null,
      isAllKeys: samples.keys === null
    }
    const head = 8 + 20 + (group.entry > 0 ? 4 : 0) + (group.duration === null ? 0 : 4) + 20
    return [{ ...group, bytes: runs.reduce((sum, run) => sum + runHead(group, run).bytes, head) }]
  })
}

/** Writes it. `sequence` counts segments from 1. */
export const segmentHead = (layout: Layout, sequence: number): Uint8Array => {
  const groups = grouped(layout.runs)
  const moofBytes = groups.reduce((sum, { bytes }) => sum + bytes, 8 + 16)
  const bytes = new Uint8Array(moofBytes + 8)
  const view = new DataView(bytes.buffer)
  let at = 0
  const put = (value: number) => {
    view.setUint32(at, value)
    at += 4
  }
  const open = (size: number, type: string) => {
    put(size)
    for (let i = 0; i < 4; i++) bytes[at++] = type.charCodeAt(i)
  }

  const putRun = (group: Group, run: Run) => {
    const { bytes: size, flags, startsAtKey } = runHead(group, run)
    const { compositionOffsets, dts, sizes } = run.planned.track.samples
    open(size, "trun")
    put(flags)
    put(run.to - run.from)
    put(moofBytes + 8 + run.place)
    if (startsAtKey) put(keyFlags)
    for (let sample = run.from; sample < run.to; sample++) {
      if (group.duration === null) put((dts[sample + 1] ?? 0) - (dts[sample] ?? 0))
      put(sizes[sample] ?? 0)
      if (compositionOffsets !== null) put(compositionOffsets[sample] ?? 0)
    }
  }

  open(moofBytes, "moof")
  open(16, "mfhd")
  put(0)
  put(sequence)
  for (const group of groups) {
    const [first] = group.runs
    if (first === undefined) continue
    const { id, track } = first.planned
    open(group.bytes, "traf")
    open(20 + (group.entry > 0 ? 4 : 0) + (group.duration === null ? 0 : 4), "tfhd")
    put(
      Head.baseIsMoof | Head.flags | (group.entry > 0 ? Head.entry : 0) | (group.duration === null ? 0 : Head.duration)
    )
    put(id)
    if (group.entry > 0) put(group.entry + 1)
    if (group.duration !== null) put(group.duration)
    put(group.isAllKeys ? keyFlags : otherFlags)
    open(20, "tfdt")
    put(0x0100_0000)
    // What begins early is shifted by the edit list of the init segment; what begins late, here.
    view.setBigUint64(at, BigInt(Math.max(0, (track.samples.dts[first.from] ?? 0) + Math.max(0, track.shift))))
    at += 8
    for (const run of group.runs) putRun(group, run)
  }
  open(layout.bytes + 8, "mdat")
  return bytes
}
