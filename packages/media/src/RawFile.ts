import * as Effect from "effect/Effect"

import type { MediaResourceExceeded, StoreFailure } from "./MediaError.ts"
import type { ObjectBytes } from "./ObjectBytes.ts"

/** A camera's preview is a JPEG of its largest size. */
export const maxPreviewBytes = 64 * 2 ** 20

/** A JPEG in a camera's raw file. */
export interface RawPreview {
  readonly offset: number
  readonly length: number
}

/** What a camera's raw file says of itself. Its own pixels are for programs that know the camera. */
export interface RawFile {
  /** The largest first. */
  readonly previews: ReadonlyArray<RawPreview>
  /** Of the sensor's picture, before it is turned, where the file says it. */
  readonly width: number | null
  readonly height: number | null
  /** EXIF 2.32, tag 0x0112. */
  readonly orientation: number | null
}

type Read<A> = Effect.Effect<A, StoreFailure | MediaResourceExceeded>

/** TIFF 6.0, TIFF/EP, DNG 1.7 and what makers add. */
const Tag = {
  width: 0x0100,
  height: 0x0101,
  compression: 0x0103,
  photometric: 0x0106,
  stripOffsets: 0x0111,
  orientation: 0x0112,
  stripByteCounts: 0x0117,
  subIfds: 0x014a,
  jpegOffset: 0x0201,
  jpegLength: 0x0202,
  /** Panasonic: the JPEG as a value. */
  jpegFromRaw: 0x002e,
  dngVersion: 0xc612
}
/** Color filter array, and the DNG that was made of one. */
const rawPhotometric = new Set([32_803, 34_892])
const jpegCompression = new Set([6, 7])

const maxDirectories = 32
const maxEntries = 512
const sizeOfType: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 7: 1, 13: 4 }

interface Directory {
  readonly next: number
  /** Numbers of an entry, at most sixteen. */
  readonly values: ReadonlyMap<number, ReadonlyArray<number>>
  /** Where an entry's bytes are, and how many. */
  readonly places: ReadonlyMap<number, RawPreview>
}

const readDirectory = Effect.fnUntraced(function* (bytes: ObjectBytes, offset: number, isLittle: boolean) {
  const viewAt = (start: number, length: number): Read<DataView> =>
    Effect.map(bytes.read(start, start + length), (part) => new DataView(part.buffer, part.byteOffset, part.length))
  const head = yield* viewAt(offset, 2)
  const count = head.byteLength < 2 ? 0 : Math.min(head.getUint16(0, isLittle), maxEntries)
  const table = yield* viewAt(offset + 2, count * 12 + 4)
  const values = new Map<number, ReadonlyArray<number>>()
  const places = new Map<number, RawPreview>()
  for (let at = 0; at + 12 <= table.byteLength && at < count * 12; at += 12) {
    const tag = table.getUint16(at, isLittle)
    const size = sizeOfType[table.getUint16(at + 2, isLittle)]
    const length = table.getUint32(at + 4, isLittle)
    if (size === undefined || length === 0) continue
    const isInline = length * size <= 4
    const place = isInline ? offset + 2 + at + 8 : table.getUint32(at + 8, isLittle)
    places.set(tag, { offset: place, length: length * size })
    if (size === 1 || length > 16) continue
    const view = yield* viewAt(place, length * size)
    if (view.byteLength < length * size) continue
    values.set(
      tag,
      Array.from({ length }, (_, i) => (size === 2 ? view.getUint16(i * 2, isLittle) : view.getUint32(i * 4, isLittle)))
    )
  }
  const next = table.byteLength < count * 12 + 4 ? 0 : table.getUint32(count * 12, isLittle)
  return { next, values, places } satisfies Directory
})

const previewOf = ({ places, values }: Directory): ReadonlyArray<RawPreview> => {
  const one = (tag: number) => values.get(tag)?.[0]
  const [offset, length] = [one(Tag.jpegOffset), one(Tag.jpegLength)]
  if (offset !== undefined && length !== undefined) return [{ offset, length }]
  const whole = places.get(Tag.jpegFromRaw)
  if (whole !== undefined) return [whole]
  // In one piece, and as a picture: a sensor's picture may be a JPEG too, lossless and of another kind.
  const isPicture = jpegCompression.has(one(Tag.compression) ?? 0) && !rawPhotometric.has(one(Tag.photometric) ?? 0)
  const [start, size, ...more] = [...(values.get(Tag.stripOffsets) ?? []), ...(values.get(Tag.stripByteCounts) ?? [])]
  return isPicture && start !== undefined && size !== undefined && more.length === 0
    ? [{ offset: start, length: size }]
    : []
}

/** The raw files that are TIFF: DNG, CR2, NEF, ARW, PEF, SRW, and with other first bytes ORF and RW2. */
const readTiff = Effect.fnUntraced(function* (bytes: ObjectBytes, head: Uint8Array) {
  const isLittle = head[0] === 0x49
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const waiting = [view.getUint32(4, isLittle)]
  const seen = new Set<number>()
  const found: Array<Directory> = []
  while (waiting.length > 0 && found.length < maxDirectories) {
    const offset = waiting.shift() ?? 0
    if (offset <= 0 || offset >= bytes.sizeBytes || seen.has(offset)) continue
    seen.add(offset)
    const directory = yield* readDirectory(bytes, offset, isLittle)
    found.push(directory)
    waiting.push(directory.next, ...(directory.values.get(Tag.subIfds) ?? []))
  }
  const one = (directory: Directory | undefined, tag: number) => directory?.values.get(tag)?.[0] ?? null
  const sensor = found.find((directory) => rawPhotometric.has(one(directory, Tag.photometric) ?? 0))
  const isPlain = view.getUint16(2, isLittle) === 42
  const isCr2 = head[8] === 0x43 && head[9] === 0x52
  if (isPlain && !isCr2 && sensor === undefined && found[0]?.places.has(Tag.dngVersion) !== true) return null
  return {
    previews: found.flatMap(previewOf),
    width: one(sensor, Tag.width),
    height: one(sensor, Tag.height),
    orientation: one(found[0], Tag.orientation)
  } satisfies RawFile
})

/** Fujifilm's RAF: numbers with the highest byte first; the JPEG has the EXIF, and is turned by it. */
const readRaf = (head: Uint8Array): RawFile => {
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const previews = head.length < 92 ? [] : [{ offset: view.getUint32(84), length: view.getUint32(88) }]
  return { previews, width: null, height: null, orientation: null }
}

const cr3Bytes = 8 * 2 ** 20

/** Canon's CR3: a box `PRVW` near its beginning has a JPEG of 1620 pixels behind a header of 24 bytes. */
const readCr3 = Effect.fnUntraced(function* (bytes: ObjectBytes) {
  const start = Buffer.from(yield* bytes.read(0, cr3Bytes))
  const at = start.indexOf("PRVW")
  const previews = at < 0 || at + 20 > start.length ? [] : [{ offset: at + 20, length: start.readUInt32BE(at + 16) }]
  return { previews, width: null, height: null, orientation: null } satisfies RawFile
})

const isJpeg = (head: Uint8Array) => head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff

/** Reads what is around the pixels of a raw file; `null` for a TIFF that is none. */
export const readRawFile = Effect.fnUntraced(function* (
  bytes: ObjectBytes
): Effect.fn.Return<RawFile | null, StoreFailure | MediaResourceExceeded> {
  const head = yield* bytes.read(0, 512)
  const text = Buffer.from(head).toString("latin1")
  if (head.length < 16) return null
  const file = text.startsWith("FUJIFILMCCD-RAW")
    ? readRaf(head)
    : text.startsWith("ftypcrx ", 4)
      ? yield* readCr3(bytes)
      : yield* readTiff(bytes, head)
  if (file === null) return null
  const inside = file.previews.filter(({ length, offset }) => length > 0 && offset + length <= bytes.sizeBytes)
  const previews: Array<RawPreview> = []
  for (const preview of inside.toSorted((a, b) => b.length - a.length)) {
    if (isJpeg(yield* bytes.read(preview.offset, preview.offset + 3))) previews.push(preview)
  }
  return { ...file, previews }
})
