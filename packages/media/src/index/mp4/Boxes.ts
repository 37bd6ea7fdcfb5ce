import { Refused } from "../../demux/DemuxMessages.ts"

/** A box of ISO 14496-12 in bytes that are at hand: positions count from where those begin. */
export interface Box {
  readonly type: string
  readonly start: number
  /** Where what it holds begins; of a full box, its version. */
  readonly body: number
  readonly end: number
}

/** More than any box of a real file has directly in it. */
const maxChildren = 10_000

export const typeAt = (view: DataView, at: number): string =>
  String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3))

/** The head of a box; `null` where none fits, or where it would be shorter than its head. Its end may lie beyond `limit`. */
export const boxAt = (view: DataView, start: number, limit: number): Box | null => {
  if (start + 8 > limit) return null
  const small = view.getUint32(start)
  if (small === 1 && start + 16 > limit) return null
  const size = small === 1 ? Number(view.getBigUint64(start + 8)) : small === 0 ? limit - start : small
  const head = small === 1 ? 16 : 8
  return size < head ? null : { type: typeAt(view, start + 4), start, body: start + head, end: start + size }
}

/** The boxes from `start` on, as far as they lie within `end`. Whoever wants what is in one of them looks into it. */
export const boxesIn = (view: DataView, start: number, end: number): ReadonlyArray<Box> => {
  const found: Array<Box> = []
  let at = start
  while (true) {
    const box = boxAt(view, at, end)
    if (box === null || box.end > end) return found
    if (found.push(box) > maxChildren) throw new Refused("has too many boxes in one")
    at = box.end
  }
}

export const childrenOf = (view: DataView, box: Box): ReadonlyArray<Box> => boxesIn(view, box.body, box.end)

/** The first box of this path. */
export const find = (view: DataView, box: Box, ...path: ReadonlyArray<string>): Box | null => {
  let at: Box | null = box
  for (const type of path) {
    if (at === null) return null
    at = childrenOf(view, at).find((child) => child.type === type) ?? null
  }
  return at
}

/** Of a full box. */
export const versionOf = (view: DataView, box: Box): number => view.getUint8(box.body)
export const flagsOf = (view: DataView, box: Box): number => view.getUint32(box.body) & 0xff_ffff

export const uint64 = (view: DataView, at: number): number => Number(view.getBigUint64(at))

/** A table of entries of one size behind a count. One that doesn't hold what it declares is refused. */
export const tableOf = (view: DataView, box: Box, entryBytes: number, skip = 0) => {
  const count = view.getUint32(box.body + 4 + skip)
  const at = box.body + 8 + skip
  if (at + count * entryBytes > box.end) throw new Refused(`declares more in its table (${box.type}) than it holds`)
  return { count, at }
}

/** Writes a box. */
export const box = (type: string, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const size = parts.reduce((sum, part) => sum + part.length, 8)
  const bytes = new Uint8Array(size)
  new DataView(bytes.buffer).setUint32(0, size)
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i)
  let at = 8
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Writes a full box (4.2). */
export const fullBox = (type: string, version: number, flags: number, ...parts: ReadonlyArray<Uint8Array>) =>
  box(type, uint32s((version << 24) | flags), ...parts)

export const uint32s = (...values: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setUint32(i * 4, value))
  return bytes
}

export const uint16s = (...values: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(values.length * 2)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setUint16(i * 2, value))
  return bytes
}
