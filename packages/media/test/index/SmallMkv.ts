import { uint16s } from "../../src/index/mp4/Boxes.ts"

/** A Matroska file of a few bytes, each of whose parts can be another. */

/** A number in as few bytes as it takes. */
const uint = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  for (let rest = value; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.from(bytes)
}

/** A size of eight bytes: any that there is. */
const sizeOf = (value: number): Uint8Array => {
  const size = new DataView(new ArrayBuffer(8))
  size.setBigUint64(0, (1n << 56n) | BigInt(value))
  return new Uint8Array(size.buffer)
}

export const unknownSize = Uint8Array.of(0xff)

export type Part = Uint8Array | number | string

const bytesOf = (part: Part): Uint8Array =>
  typeof part === "number" ? uint(part) : typeof part === "string" ? new TextEncoder().encode(part) : part

/** An element. Its size is another than it should be where `size` says it. */
export const sized = (id: number, size: number | Uint8Array | null, ...parts: ReadonlyArray<Part>): Uint8Array => {
  const body = Buffer.concat(parts.map(bytesOf))
  const head = size === null ? sizeOf(body.length) : typeof size === "number" ? sizeOf(size) : size
  return Buffer.concat([uint(id), head, body])
}

export const element = (id: number, ...parts: ReadonlyArray<Part>): Uint8Array => sized(id, null, ...parts)

export const float64 = (value: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  return new Uint8Array(view.buffer)
}

export const Lacing = { none: 0, xiph: 2, fixed: 4, ebml: 6 } as const

/** A block of track 1: its head, and behind it whatever lacing has, and the frames. */
export const blockBody = (time: number, flags: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  Buffer.concat([Uint8Array.of(0x81), uint16s(time & 0xffff), Uint8Array.of(flags), ...parts])

export const simpleBlock = (time: number, flags: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  element(0xa3, blockBody(time, flags, ...parts))

export const frame = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill)

/** MP3, which needs no configuration: 48 kHz, and frames of 24 ms. */
export const track = (...more: ReadonlyArray<Uint8Array>): Uint8Array =>
  element(
    0xae,
    element(0xd7, 1),
    element(0x83, 2),
    element(0x86, "A_MPEG/L3"),
    element(0xe1, element(0xb5, float64(48_000)), element(0x9f, 2)),
    ...more
  )

export const ebml = element(0x1a45dfa3, element(0x4282, "matroska"))
export const info = element(0x1549a966, element(0x2ad7b1, 1_000_000), element(0x4489, float64(960)))
export const tracks = (...entries: ReadonlyArray<Uint8Array>): Uint8Array => element(0x1654ae6b, ...entries)
export const cluster = (time: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  element(0x1f43b675, element(0xe7, time), ...parts)
export const segment = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  Buffer.concat([ebml, element(0x18538067, ...parts)])

/** Positions count from the body of the segment. */
export const cuePoint = (time: number, position: number, relative = 0): Uint8Array =>
  element(0xbb, element(0xb3, time), element(0xb7, element(0xf7, 1), element(0xf1, position), element(0xf0, relative)))
export const cues = (...points: ReadonlyArray<Uint8Array>): Uint8Array => element(0x1c53bb6b, ...points)
/** Where the cluster would begin behind these parts of a segment. */
export const behind = (...parts: ReadonlyArray<Uint8Array>): number =>
  parts.reduce((sum, { length }) => sum + length, 0)

/** A track of pictures whose codec needs no configuration either. */
export const pictures = element(
  0xae,
  element(0xd7, 1),
  element(0x83, 1),
  element(0x86, "V_VP8"),
  element(0xe0, element(0xb0, 64), element(0xba, 36))
)
/** The flag of a keyframe, and of every frame of sound. */
export const key = 0x80

export const inOneCluster = (...blocks: ReadonlyArray<Uint8Array>) =>
  segment(info, tracks(track()), cluster(100, ...blocks))
