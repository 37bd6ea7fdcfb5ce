import { Refused } from "../../demux/DemuxMessages.ts"

/** An element of EBML (RFC 8794) in bytes that are at hand: positions count from where those begin. */
export interface Element {
  readonly id: number
  readonly start: number
  readonly body: number
  /** May lie beyond the bytes; `Infinity` where the element doesn't say it. */
  readonly end: number
}

/** RFC 9559, section 5.1. */
export const Id = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  seek: 0x4dbb,
  seekId: 0x53ab,
  seekPosition: 0x53ac,
  info: 0x1549a966,
  timestampScale: 0x2ad7b1,
  duration: 0x4489,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  cues: 0x1c53bb6b,
  cuePoint: 0xbb,
  cueTime: 0xb3,
  cueTrackPositions: 0xb7,
  cueTrack: 0xf7,
  cueClusterPosition: 0xf1,
  cueRelativePosition: 0xf0,
  cluster: 0x1f43b675,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
  blockGroup: 0xa0,
  block: 0xa1,
  blockDuration: 0x9b,
  referenceBlock: 0xfb,
  tags: 0x1254c367,
  tag: 0x7373,
  targets: 0x63c0,
  tagTrackUid: 0x63c5,
  simpleTag: 0x67c8,
  tagName: 0x45a3,
  tagString: 0x4487
} as const

/** Most bytes of an element's identifier and size. */
export const headLength = 12

/** How many bytes the number has that begins at `at`: as its first byte says. */
const lengthAt = (bytes: Uint8Array, at: number): number => Math.clz32(bytes[at] ?? 0) - 23

const bigEndian = (bytes: Uint8Array, at: number, length: number): number => {
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + (bytes[at + i] ?? 0)
  return value
}

/** A number of variable length (RFC 8794, section 4); `null` where none fits before `limit`. All ones are `Infinity`. */
export const variableAt = (bytes: Uint8Array, at: number, limit: number) => {
  const length = lengthAt(bytes, at)
  if (length > 8 || at + length > limit) return null
  // Without the marker, the highest bit: with it, those of eight bytes would be too many for a number.
  const lead = (bytes[at] ?? 0) & (0xff >> length)
  const value = lead * 256 ** (length - 1) + bigEndian(bytes, at + 1, length - 1)
  // The largest of eight bytes can't be told from its neighbours, which are as impossible.
  return { value: value >= 2 ** (7 * length) - 1 ? Infinity : value, end: at + length, length }
}

/** The head of an element; `null` where none fits before `limit`. */
export const elementAt = (bytes: Uint8Array, start: number, limit: number): Element | null => {
  const idLength = lengthAt(bytes, start)
  if (idLength > 4 || start + idLength > limit) return null
  const size = variableAt(bytes, start + idLength, limit)
  return size === null
    ? null
    : { id: bigEndian(bytes, start, idLength), start, body: size.end, end: size.end + size.value }
}

/** The elements from `start` on, as far as they lie within `end`. */
export const elementsIn = function* (bytes: Uint8Array, start: number, end: number): Generator<Element> {
  for (let at = start; at < end;) {
    const element = elementAt(bytes, at, end)
    if (element === null || element.end > end) return
    yield element
    at = element.end
  }
}

export const childrenOf = (bytes: Uint8Array, { body, end }: Element): Generator<Element> =>
  elementsIn(bytes, body, end)

export const bodyOf = (bytes: Uint8Array, { body, end }: Element): Uint8Array => bytes.subarray(body, end)

/** An unsigned number; 0 of an empty element. */
export const uintOf = (bytes: Uint8Array, { body, end }: Element): number => {
  const value = bigEndian(bytes, body, Math.min(8, end - body))
  if (value > Number.MAX_SAFE_INTEGER) throw new Refused("has a number beyond all")
  return value
}

export const floatOf = (bytes: Uint8Array, { body, end }: Element): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset + body, end - body)
  return end - body === 8 ? view.getFloat64(0) : end - body === 4 ? view.getFloat32(0) : 0
}

/** Text ends at its first zero, whatever it is padded with (RFC 8794, 13). */
export const textOf = (bytes: Uint8Array, element: Element): string =>
  new TextDecoder().decode(bodyOf(bytes, element).subarray(0, 4096)).replace(/\0.*$/s, "")
