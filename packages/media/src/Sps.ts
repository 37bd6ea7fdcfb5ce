import { colorCode, type ColorCodes } from "./demux/Outline.ts"

/** What a sequence parameter set of H.264 (ITU-T H.264, 7.3.2.1.1 and E.1.1) says beyond the container. */
export interface H264Sps {
  /** Every picture is a frame: nothing is interlaced. */
  readonly isProgressive: boolean
  readonly sampleAspectRatio: string | null
  readonly color: ColorCodes | null
}

/** Table E-1, without "unspecified". */
const aspectRatios: ReadonlyArray<string | null> =
  "- 1:1 12:11 10:11 16:11 40:33 24:11 20:11 32:11 80:33 18:11 15:11 64:33 160:99 4:3 3:2 2:1"
    .split(" ")
    .map((ratio) => (ratio === "-" ? null : ratio))
const extendedRatio = 255

const withChroma = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128])

/** Reads bits of a unit whose emulation prevention bytes (00 00 03) are gone. Beyond the end there are zeros. */
class Bits {
  readonly #bytes: ReadonlyArray<number>
  #position = 0
  constructor(unit: Uint8Array) {
    const bytes = [...unit]
    this.#bytes = bytes.filter((byte, i) => !(byte === 3 && bytes[i - 1] === 0 && bytes[i - 2] === 0))
  }
  get isOver() {
    return this.#position > this.#bytes.length * 8
  }
  read(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++, this.#position++) {
      value = value * 2 + (((this.#bytes[this.#position >> 3] ?? 0) >> (7 - (this.#position & 7))) & 1)
    }
    return value
  }
  flag(): boolean {
    return this.read(1) === 1
  }
  /** Exp-Golomb (9.1). */
  golomb(): number {
    let zeros = 0
    while (zeros < 32 && !this.flag()) zeros++
    return 2 ** zeros - 1 + this.read(zeros)
  }
  signedGolomb(): number {
    const code = this.golomb()
    return code % 2 === 0 ? -code / 2 : (code + 1) / 2
  }
}

const skipScalingLists = (bits: Bits, lists: number) => {
  for (let list = 0; list < lists; list++) {
    if (!bits.flag()) continue
    let next = 8
    let last = 8
    for (let i = 0; i < (list < 6 ? 16 : 64); i++) {
      if (next !== 0) next = (last + bits.signedGolomb() + 256) % 256
      last = next === 0 ? last : next
    }
  }
}

const readVui = (bits: Bits) => {
  let sampleAspectRatio: string | null = null
  let color: ColorCodes | null = null
  if (bits.flag()) {
    const ratio = bits.read(8)
    sampleAspectRatio = ratio === extendedRatio ? `${bits.read(16)}:${bits.read(16)}` : (aspectRatios[ratio] ?? null)
  }
  if (bits.flag()) bits.read(1)
  if (bits.flag()) {
    bits.read(3)
    const isFullRange = bits.flag()
    const isDescribed = bits.flag()
    const code = () => (isDescribed ? colorCode(bits.read(8)) : null)
    color = { isFullRange, primaries: code(), transfer: code(), matrix: code() }
  }
  return { sampleAspectRatio, color }
}

/** Reads the unit with its header byte; `null` when it is none, or ends too early. */
export const parseH264Sps = (unit: Uint8Array): H264Sps | null => {
  const bits = new Bits(unit.subarray(0, 1024))
  if ((bits.read(8) & 0x1f) !== 7) return null
  const profile = bits.read(8)
  bits.read(16)
  bits.golomb()
  if (withChroma.has(profile)) {
    const chroma = bits.golomb()
    if (chroma === 3) bits.read(1)
    bits.golomb()
    bits.golomb()
    bits.read(1)
    if (bits.flag()) skipScalingLists(bits, chroma === 3 ? 12 : 8)
  }
  bits.golomb()
  const orderType = bits.golomb()
  if (orderType === 0) bits.golomb()
  else if (orderType === 1) {
    bits.read(1)
    bits.golomb()
    bits.golomb()
    for (let left = Math.min(bits.golomb(), 255); left > 0; left--) bits.golomb()
  }
  bits.golomb()
  bits.read(1)
  bits.golomb()
  bits.golomb()
  const isProgressive = bits.flag()
  if (!isProgressive) bits.read(1)
  bits.read(1)
  if (bits.flag()) for (let side = 0; side < 4; side++) bits.golomb()
  const vui = bits.flag() ? readVui(bits) : { sampleAspectRatio: null, color: null }
  return bits.isOver ? null : { isProgressive, ...vui }
}
