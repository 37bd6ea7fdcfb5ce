import { cleanLocation } from "./Places.ts"
import type { Location } from "./ProbeResult.ts"
import { cleanText, cleanTime } from "./Tags.ts"

/** What a camera wrote into a picture (EXIF 2.32), as far as it is of use here. */
export interface ExifData {
  /** ISO 8601 in UTC; a camera that doesn't tell its time zone is taken as if it stood in UTC. */
  readonly capturedAt: string | null
  /** `make`, `model`, `software`, `description`, `artist`, `copyright`. */
  readonly tags: Record<string, string>
  readonly location: Location | null
}

export const noExif: ExifData = { capturedAt: null, tags: {}, location: null }

const Tag = {
  exifIfd: 0x8769,
  gpsIfd: 0x8825,
  latitudeRef: 1,
  latitude: 2,
  longitudeRef: 3,
  longitude: 4,
  altitudeRef: 5,
  altitude: 6,
  dateTime: 0x0132,
  dateTimeOriginal: 0x9003,
  offsetTime: 0x9010,
  offsetTimeOriginal: 0x9011
}

const texts: ReadonlyArray<readonly [tag: number, name: string]> = [
  [0x010e, "description"],
  [0x010f, "make"],
  [0x0110, "model"],
  [0x0131, "software"],
  [0x013b, "artist"],
  [0x8298, "copyright"]
]

/** No camera writes as many entries; a damaged count would be 65,535. */
const maxEntries = 512

/** The ASCII (type 2), bytes (1), pointers (4) and rationals (5) of one directory. Every offset is checked: this is what attackers write. */
const readDirectory = (view: DataView, offset: number, isLittle: boolean) => {
  const strings = new Map<number, string>()
  const numbers = new Map<number, number>()
  const rationals = new Map<number, ReadonlyArray<number>>()
  if (offset <= 0 || offset + 2 > view.byteLength) return { strings, numbers, rationals }
  const count = Math.min(view.getUint16(offset, isLittle), maxEntries)
  for (let i = 0; i < count; i++) {
    const at = offset + 2 + i * 12
    if (at + 12 > view.byteLength) break
    const tag = view.getUint16(at, isLittle)
    const type = view.getUint16(at + 2, isLittle)
    const length = view.getUint32(at + 4, isLittle)
    if (type === 4) numbers.set(tag, view.getUint32(at + 8, isLittle))
    if (type === 1) numbers.set(tag, view.getUint8(at + 8))
    if (type === 5 && length > 0 && length <= 3) {
      const start = view.getUint32(at + 8, isLittle)
      if (start + length * 8 > view.byteLength) continue
      const value = (i: number) => view.getUint32(start + i * 8, isLittle) / view.getUint32(start + i * 8 + 4, isLittle)
      rationals.set(
        tag,
        Array.from({ length }, (_, i) => value(i))
      )
    }
    if (type !== 2) continue
    const start = length <= 4 ? at + 8 : view.getUint32(at + 8, isLittle)
    if (start + length > view.byteLength) continue
    const bytes = new Uint8Array(view.buffer, view.byteOffset + start, length)
    strings.set(tag, new TextDecoder().decode(bytes).replace(/\0[\s\S]*$/, ""))
  }
  return { strings, numbers, rationals }
}

const readLocation = ({ numbers, rationals, strings }: ReturnType<typeof readDirectory>): Location | null => {
  const degrees = (tag: number, ref: number, negative: string) => {
    const [whole = Number.NaN, minutes = 0, seconds = 0] = rationals.get(tag) ?? []
    const value = whole + minutes / 60 + seconds / 3600
    return strings.get(ref)?.trim().toUpperCase() === negative ? -value : value
  }
  const [height] = rationals.get(Tag.altitude) ?? []
  return cleanLocation(
    degrees(Tag.latitude, Tag.latitudeRef, "S"),
    degrees(Tag.longitude, Tag.longitudeRef, "W"),
    height === undefined ? null : numbers.get(Tag.altitudeRef) === 1 ? -height : height
  )
}

/** Reads the EXIF block as sharp gives it: `Exif\0\0` and a TIFF header, or the header alone. */
export const parseExif = (block: Uint8Array): ExifData => {
  const isPrefixed = block[0] === 0x45 && block[1] === 0x78
  const tiff = isPrefixed ? block.subarray(6) : block
  if (tiff.length < 8) return noExif
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length)
  const isLittle = tiff[0] === 0x49
  const main = readDirectory(view, view.getUint32(4, isLittle), isLittle)
  const exif = readDirectory(view, main.numbers.get(Tag.exifIfd) ?? 0, isLittle)

  const original = exif.strings.get(Tag.dateTimeOriginal)
  const local = original ?? main.strings.get(Tag.dateTime)
  const zone = exif.strings.get(original === undefined ? Tag.offsetTime : Tag.offsetTimeOriginal)?.trim() ?? ""
  // "2024:05:06 07:08:09"
  const time = local?.replace(/^(\d{4}):(\d{2}):(\d{2}) /, "$1-$2-$3T").trim()
  const isZoned = /^[+-]\d{2}:\d{2}$/.test(zone)
  const tags: Record<string, string> = {}
  for (const [tag, name] of texts) {
    const text = cleanText(main.strings.get(tag) ?? "")
    if (text !== "") tags[name] = text
  }
  const gps = main.numbers.get(Tag.gpsIfd)
  return {
    capturedAt: cleanTime(time === undefined ? undefined : time + (isZoned ? zone : "")),
    tags,
    location: gps === undefined ? null : readLocation(readDirectory(view, gps, isLittle))
  }
}
