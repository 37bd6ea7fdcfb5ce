import { rateFraction } from "../Codecs.ts"
import type { Element, Elements } from "./Ebml.ts"
import { colorCode, readDolbyVision, type TrackOutline, unknownTrack } from "./Outline.ts"
import { ratio } from "./Timing.ts"

type Fields = { -readonly [K in keyof TrackOutline]: TrackOutline[K] }

/** RFC 9559, section 5.1.4. */
const Id = {
  trackNumber: 0xd7,
  trackType: 0x83,
  defaultDuration: 0x23e383,
  blockAdditionMapping: 0x41e4,
  blockAddIdType: 0x41e7,
  blockAddIdExtraData: 0x41ed,
  video: 0xe0,
  flagInterlaced: 0x9a,
  fieldOrder: 0x9d,
  pixelWidth: 0xb0,
  pixelHeight: 0xba,
  displayWidth: 0x54b0,
  displayHeight: 0x54ba,
  color: 0x55b0,
  matrix: 0x55b1,
  range: 0x55b9,
  transfer: 0x55ba,
  primaries: 0x55bb,
  maxContent: 0x55bc,
  maxFrameAverage: 0x55bd,
  mastering: 0x55d0,
  firstMastering: 0x55d1,
  lastMastering: 0x55da
}

const kinds: Readonly<Record<number, TrackOutline["kind"]>> = { 1: "video", 2: "audio", 17: "subtitle" }
/** `dvcC` and `dvvC` as numbers. */
const dolbyVisionTypes = new Set([0x64766343, 0x64767643])

const readMastering = async (elements: Elements, mastering: Element, track: Fields) => {
  const values = new Map<number, number>()
  for await (const element of elements.children(mastering)) {
    if (element.id >= Id.firstMastering && element.id <= Id.lastMastering) {
      values.set(element.id - Id.firstMastering, await elements.float(element))
    }
  }
  if (values.size < 10) return
  const value = (at: number) => values.get(at) ?? 0
  const point = (at: number) => ({ x: value(at), y: value(at + 1) })
  track.masteringDisplay = {
    red: point(0),
    green: point(2),
    blue: point(4),
    whitePoint: point(6),
    maxLuminance: value(8),
    minLuminance: value(9)
  }
}

const readColor = async (elements: Elements, color: Element, track: Fields) => {
  const codes = { primaries: null as number | null, transfer: null as number | null, matrix: null as number | null }
  let range = 0
  let maxContent: number | null = null
  let maxFrameAverage = 0
  for await (const element of elements.children(color)) {
    if (element.id === Id.mastering) {
      await readMastering(elements, element, track)
      continue
    }
    const value = await elements.number(element)
    if (element.id === Id.primaries) codes.primaries = colorCode(value)
    else if (element.id === Id.transfer) codes.transfer = colorCode(value)
    else if (element.id === Id.matrix) codes.matrix = colorCode(value)
    else if (element.id === Id.range) range = value
    else if (element.id === Id.maxContent) maxContent = value
    else if (element.id === Id.maxFrameAverage) maxFrameAverage = value
  }
  track.color = { ...codes, isFullRange: range === 2 ? true : range === 1 ? false : null }
  if (maxContent !== null) track.contentLight = { maxContent, maxFrameAverage }
}

const readVideo = async (elements: Elements, video: Element, track: Fields) => {
  let flag = 0
  let order = 2
  const pixels = { width: 0, height: 0 }
  // As a ratio, in whatever unit.
  const display = { width: 0, height: 0 }
  for await (const element of elements.children(video)) {
    if (element.id === Id.flagInterlaced) flag = await elements.number(element)
    else if (element.id === Id.fieldOrder) order = await elements.number(element)
    else if (element.id === Id.pixelWidth) pixels.width = await elements.number(element)
    else if (element.id === Id.pixelHeight) pixels.height = await elements.number(element)
    else if (element.id === Id.displayWidth) display.width = await elements.number(element)
    else if (element.id === Id.displayHeight) display.height = await elements.number(element)
    else if (element.id === Id.color) await readColor(elements, element, track)
  }
  if (pixels.width * pixels.height * display.width * display.height > 0) {
    track.sampleAspectRatio = ratio(display.width * pixels.height, display.height * pixels.width)
  }
  if (flag === 2) track.interlacing = "progressive"
  // 1 and 9 show the top field first, 6 and 14 the bottom one.
  else if (flag === 1 && (order === 1 || order === 9)) track.interlacing = "top-field-first"
  else if (flag === 1 && (order === 6 || order === 14)) track.interlacing = "bottom-field-first"
}

const readAddition = async (elements: Elements, mapping: Element, track: Fields) => {
  let type = 0
  let record: Uint8Array = new Uint8Array()
  for await (const element of elements.children(mapping)) {
    if (element.id === Id.blockAddIdType) type = await elements.number(element)
    else if (element.id === Id.blockAddIdExtraData) record = await elements.bytes(element, 64)
  }
  if (dolbyVisionTypes.has(type)) track.dolbyVision = readDolbyVision(record)
}

/** Reads one TrackEntry. */
export const readMatroskaTrack = async (elements: Elements, entry: Element): Promise<TrackOutline> => {
  const track: Fields = { ...unknownTrack }
  let duration = 0
  for await (const element of elements.children(entry)) {
    if (element.id === Id.trackNumber) track.id = await elements.number(element)
    else if (element.id === Id.trackType) track.kind = kinds[await elements.number(element)] ?? "data"
    else if (element.id === Id.defaultDuration) duration = await elements.number(element)
    else if (element.id === Id.video) await readVideo(elements, element, track)
    else if (element.id === Id.blockAdditionMapping) await readAddition(elements, element, track)
  }
  // Nanoseconds of a frame, rounded: the common rate next to it is the one that was meant.
  if (duration > 0) track.frameRate = rateFraction(1e9 / duration)
  return track
}
