import { fullBox, uint16s } from "../mp4/Boxes.ts"
import type { TrackEntry } from "./Tracks.ts"

/** `vpcC` (VP Codec ISO Media File Format Binding): which files of WebM keep as features, or leave to the first frame. */

/** Picture sizes of the levels (VP9 levels, "Max Luma Picture Size"), in tenths of a level. */
const levels: ReadonlyArray<readonly [level: number, pixels: number]> = [
  [10, 36_864],
  [11, 73_728],
  [20, 122_880],
  [21, 245_760],
  [30, 552_960],
  [31, 983_040],
  [40, 2_228_224],
  [50, 8_912_896],
  [60, 35_651_584]
]

export const vpcC = (record: Uint8Array): Uint8Array => fullBox("vpcC", 1, 0, record)

/** CodecPrivate of WebM: identifier, length and value of each feature. */
const features = (bytes: Uint8Array): ReadonlyMap<number, number> => {
  const found = new Map<number, number>()
  for (let at = 0; at + 2 < bytes.length; at += 2 + (bytes[at + 1] ?? 0)) found.set(bytes[at] ?? 0, bytes[at + 2] ?? 0)
  return found
}

/** What the head of a keyframe says (VP9 bitstream, 6.2): profile, depth, and how colours are sampled. */
const readFrame = (frame: Uint8Array) => {
  let bit = 0
  const read = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++, bit++) value = value * 2 + (((frame[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1)
    return value
  }
  const marker = read(2)
  const profile = read(1) + read(1) * 2
  if (profile === 3) read(1)
  const showsExisting = read(1)
  const isInter = read(1)
  read(2)
  if (marker !== 2 || showsExisting === 1 || isInter === 1 || read(24) !== 0x49_8342) return null
  const depth = profile >= 2 ? (read(1) === 1 ? 12 : 10) : 8
  const isRgb = read(3) === 7
  const isFull = isRgb ? 1 : read(1)
  const isSaid = profile === 1 || profile === 3
  const [across, down] = isRgb ? [0, 0] : isSaid ? [read(1), read(1)] : [1, 1]
  return { profile, depth, isFull, subsampling: across === 1 ? (down === 1 ? 1 : 2) : 3 }
}

/** The record behind version and flags. */
export const vp9Record = ({ codecPrivate, color, height, width }: TrackEntry, frame: Uint8Array): Uint8Array => {
  const said = features(codecPrivate)
  const seen = readFrame(frame)
  const profile = said.get(1) ?? seen?.profile ?? 0
  const level = said.get(2) ?? levels.find(([, pixels]) => width * height <= pixels)?.[0] ?? 62
  const depth = said.get(3) ?? seen?.depth ?? (profile >= 2 ? 10 : 8)
  const subsampling = said.get(4) ?? seen?.subsampling ?? 1
  const isFull = color === null ? (seen?.isFull ?? 0) : color.isFull ? 1 : 0
  const colors = [color?.primaries ?? 2, color?.transfer ?? 2, color?.matrix ?? 2]
  return Uint8Array.of(profile, level, (depth << 4) | (subsampling << 1) | isFull, ...colors, ...uint16s(0))
}
