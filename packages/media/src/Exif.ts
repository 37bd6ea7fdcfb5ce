import { cleanText, cleanTime } from "./Tags.ts"

/** What a camera wrote into a picture (EXIF 2.32), as far as it is of use here. Places are left alone. */
export interface ExifData {
  /** ISO 8601 in UTC; a camera that doesn't tell its time zone is taken as if it stood in UTC. */
  readonly capturedAt: string | null
  /** `make`, `model`, `software`, `description`, `artist`, `copyright`. */
  readonly tags: Record<string, string>
}

const Tag = {
  exifIfd: 0x8769,
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

/** The ASCII (type 2) and the pointers (type 4) of one directory. Every offset is checked: this is what attackers write. */
const readDirectory = (view: DataView, offset: number, isLittle: boolean) => {
  const strings = new Map<number, string>()
  const numbers = new Map<number, number>()
  if (offset <= 0 || offset + 2 > view.byteLength) return { strings, numbers }
  const count = Math.min(view.getUint16(offset, isLittle), maxEntries)
  for (let i = 0; i < count; i++) {
    const at = offset + 2 + i * 12
    if (at + 12 > view.byteLength) break
    const tag = view.getUint16(at, isLittle)
    const type = view.getUint16(at + 2, isLittle)
    const length = view.getUint32(at + 4, isLittle)
    if (type === 4) numbers.set(tag, view.getUint32(at + 8, isLittle))
    if (type !== 2) continue
    const start = length <= 4 ? at + 8 : view.getUint32(at + 8, isLittle)
    if (start + length > view.byteLength) continue
    const bytes = new Uint8Array(view.buffer, view.byteOffset + start, length)
    strings.set(tag, new TextDecoder().decode(bytes).replace(/\0[\s\S]*$/, ""))
  }
  return { strings, numbers }
}

/** Reads the EXIF block as sharp gives it: `Exif\0\0` and a TIFF header, or the header alone. */
export const parseExif = (block: Uint8Array): ExifData => {
  const isPrefixed = block[0] === 0x45 && block[1] === 0x78
  const tiff = isPrefixed ? block.subarray(6) : block
  if (tiff.length < 8) return { capturedAt: null, tags: {} }
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
  return { capturedAt: cleanTime(time === undefined ? undefined : time + (isZoned ? zone : "")), tags }
}
