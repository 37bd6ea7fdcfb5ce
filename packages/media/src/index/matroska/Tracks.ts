import { Refused } from "../../demux/DemuxMessages.ts"
import { languageTag } from "../../Languages.ts"
import { labelOf } from "../Labels.ts"
import { maxTracks } from "../MediaIndex.ts"
import { bodyOf, childrenOf, type Element, elementsIn, floatOf, Id, textOf, uintOf } from "./Elements.ts"

/** RFC 9559, section 5.1.4. */
const Field = {
  trackNumber: 0xd7,
  trackUid: 0x73c5,
  trackType: 0x83,
  flagDefault: 0x88,
  defaultDuration: 0x23e383,
  name: 0x536e,
  language: 0x22b59c,
  languageBcp47: 0x22b59d,
  codecId: 0x86,
  codecPrivate: 0x63a2,
  codecDelay: 0x56aa,
  contentEncodings: 0x6d80,
  video: 0xe0,
  pixelWidth: 0xb0,
  pixelHeight: 0xba,
  displayWidth: 0x54b0,
  displayHeight: 0x54ba,
  displayUnit: 0x54b2,
  color: 0x55b0,
  matrix: 0x55b1,
  range: 0x55b9,
  transfer: 0x55ba,
  primaries: 0x55bb,
  maxContent: 0x55bc,
  maxFrameAverage: 0x55bd,
  mastering: 0x55d0,
  firstMastering: 0x55d1,
  addition: 0x41e4,
  additionType: 0x41e7,
  additionRecord: 0x41ed,
  audio: 0xe1,
  samplingFrequency: 0xb5,
  outputSamplingFrequency: 0x78b5,
  channels: 0x9f,
  bitDepth: 0x6264
} as const

/** A track of pictures or sound, as its TrackEntry has it. */
export interface TrackEntry {
  readonly number: number
  /** What tags call it, as it is written. */
  readonly uid: string
  readonly kind: "video" | "audio"
  readonly codecId: string
  readonly codecPrivate: Uint8Array
  /** Its frames lie in the object as decoders take them: neither compressed nor encrypted. */
  readonly isPlain: boolean
  readonly isDefault: boolean
  readonly language: string | null
  readonly label: string | null
  /** Nanoseconds of a frame; 0 where it isn't said. */
  readonly frameNanoseconds: number
  /** What decoders take in before the first presentation, in nanoseconds. */
  readonly delayNanoseconds: number
  readonly width: number
  readonly height: number
  /** Width to height of one pixel. */
  readonly aspect: readonly [width: number, height: number]
  /** Codes of ITU-T H.273; `null` where nothing is said of them. */
  readonly color: {
    readonly primaries: number
    readonly transfer: number
    readonly matrix: number
    readonly isFull: boolean
  } | null
  /** The brightest pixel and the brightest average of a picture, in candelas per square meter. */
  readonly light: readonly [most: number, average: number] | null
  /** Of the screen that it was made for: red, green, blue and white as pairs, then the most and least candelas. */
  readonly mastering: ReadonlyArray<number> | null
  /** The record of Dolby Vision, and the type of box that it is in elsewhere. */
  readonly dolbyVision: { readonly type: string; readonly record: Uint8Array } | null
  readonly channels: number
  readonly sampleRate: number
  readonly bits: number
}

class Fields {
  readonly #bytes: Uint8Array
  readonly #found = new Map<number, Element>()
  readonly #all: ReadonlyArray<Element>

  constructor(bytes: Uint8Array, elements: Iterable<Element>) {
    this.#bytes = bytes
    this.#all = [...elements]
    for (const element of this.#all) if (!this.#found.has(element.id)) this.#found.set(element.id, element)
  }

  all(id: number): ReadonlyArray<Fields> {
    const own = this.#all.filter((element) => element.id === id)
    return own.map((element) => new Fields(this.#bytes, childrenOf(this.#bytes, element)))
  }

  of(id: number): Fields | null {
    const element = this.#found.get(id)
    return element === undefined ? null : new Fields(this.#bytes, childrenOf(this.#bytes, element))
  }

  has(id: number): boolean {
    return this.#found.has(id)
  }

  uint(id: number, otherwise: number): number {
    const element = this.#found.get(id)
    return element === undefined ? otherwise : uintOf(this.#bytes, element)
  }

  float(id: number, otherwise: number): number {
    const element = this.#found.get(id)
    const value = element === undefined ? Number.NaN : floatOf(this.#bytes, element)
    return Number.isFinite(value) ? value : otherwise
  }

  text(id: number): string | null {
    const element = this.#found.get(id)
    return element === undefined ? null : textOf(this.#bytes, element)
  }

  bytes(id: number): Uint8Array {
    const element = this.#found.get(id)
    return element === undefined ? new Uint8Array() : bodyOf(this.#bytes, element)
  }
}

const kinds: Readonly<Record<number, TrackEntry["kind"]>> = { 1: "video", 2: "audio" }

const readColor = (color: Fields | null): TrackEntry["color"] => {
  // 2 is "unspecified".
  const [primaries, transfer, matrix] = [Field.primaries, Field.transfer, Field.matrix].map(
    (id) => color?.uint(id, 2) ?? 2
  )
  const codes = { primaries: primaries ?? 2, transfer: transfer ?? 2, matrix: matrix ?? 2 }
  const isSaid = Object.values(codes).some((code) => code !== 2)
  return isSaid ? { ...codes, isFull: color?.uint(Field.range, 0) === 2 } : null
}

const readLight = (color: Fields | null): TrackEntry["light"] =>
  color?.has(Field.maxContent) === true
    ? [Math.min(0xffff, color.uint(Field.maxContent, 0)), Math.min(0xffff, color.uint(Field.maxFrameAverage, 0))]
    : null

const readMastering = (mastering: Fields | null): TrackEntry["mastering"] => {
  const ids = Array.from({ length: 10 }, (_, i) => Field.firstMastering + i)
  return mastering !== null && ids.every((id) => mastering.has(id)) ? ids.map((id) => mastering.float(id, 0)) : null
}

/** What goes with each frame beside it is named by a box of MP4. */
const readDolbyVision = (entry: Fields): TrackEntry["dolbyVision"] => {
  for (const addition of entry.all(Field.addition)) {
    const type = addition.uint(Field.additionType, 0)
    const name = type === 0x6476_6343 ? "dvcC" : type === 0x6476_7643 ? "dvvC" : null
    const record = addition.bytes(Field.additionRecord)
    if (name !== null && record.length >= 5) return { type: name, record }
  }
  return null
}

/** As shown, in pixels: the unit 0 is pixels, and any other says no more than a ratio. */
const readAspect = (video: Fields | null, width: number, height: number): TrackEntry["aspect"] => {
  const shown = [video?.uint(Field.displayWidth, width) ?? width, video?.uint(Field.displayHeight, height) ?? height]
  const [across = 0, down = 0] = [(shown[0] ?? 0) * height, (shown[1] ?? 0) * width]
  const isSane = across > 0 && down > 0 && across < 2 ** 40 && down < 2 ** 40
  return isSane && across !== down ? [across, down] : [1, 1]
}

/** Numbers of 64 bits, too large to count with. */
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").replace(/^0+/, "")

const readTrack = (entry: Fields): TrackEntry | null => {
  const kind = kinds[entry.uint(Field.trackType, 0)]
  if (kind === undefined) return null
  const [video, audio] = [entry.of(Field.video), entry.of(Field.audio)]
  const color = video?.of(Field.color) ?? null
  const width = Math.min(0xffff, video?.uint(Field.pixelWidth, 0) ?? 0)
  const height = Math.min(0xffff, video?.uint(Field.pixelHeight, 0) ?? 0)
  const rate = audio?.float(Field.samplingFrequency, 8000) ?? 8000
  const sampleRate = Math.round(audio?.float(Field.outputSamplingFrequency, rate) ?? rate)
  return {
    number: entry.uint(Field.trackNumber, 0),
    uid: hexOf(entry.bytes(Field.trackUid)),
    kind,
    codecId: entry.text(Field.codecId) ?? "unknown",
    codecPrivate: entry.bytes(Field.codecPrivate),
    isPlain: !entry.has(Field.contentEncodings),
    isDefault: entry.uint(Field.flagDefault, 1) === 1,
    // English is what is not said (5.1.4.1.19).
    language: languageTag(entry.text(Field.languageBcp47) ?? entry.text(Field.language) ?? "eng"),
    label: labelOf(entry.text(Field.name) ?? ""),
    frameNanoseconds: entry.uint(Field.defaultDuration, 0),
    delayNanoseconds: Math.min(1e9, entry.uint(Field.codecDelay, 0)),
    width,
    height,
    aspect: readAspect(video, width, height),
    color: readColor(color),
    light: readLight(color),
    mastering: readMastering(color?.of(Field.mastering) ?? null),
    dolbyVision: readDolbyVision(entry),
    channels: Math.min(0xff, audio?.uint(Field.channels, 1) ?? 1),
    sampleRate: sampleRate > 0 && sampleRate < 2 ** 24 ? sampleRate : 8000,
    bits: Math.min(64, audio?.uint(Field.bitDepth, 16) ?? 16)
  }
}

/** Reads the body of Tracks. Of two tracks with one number, the first. */
export const readTracks = (bytes: Uint8Array): ReadonlyArray<TrackEntry> => {
  const tracks = new Map<number, TrackEntry>()
  let entries = 0
  for (const element of elementsIn(bytes, 0, bytes.length)) {
    if (element.id !== Id.trackEntry) continue
    if (++entries > maxTracks) throw new Refused(`declares more than ${maxTracks} streams`)
    const track = readTrack(new Fields(bytes, childrenOf(bytes, element)))
    if (track !== null && !tracks.has(track.number)) tracks.set(track.number, track)
  }
  return [...tracks.values()]
}
