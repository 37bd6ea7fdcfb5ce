/** The records of AC-3 and E-AC-3 (ETSI TS 102 366, annex F), out of the head of a frame. `null` for what is no such frame. */

const headOf = (frame: Uint8Array) => {
  if (frame[0] !== 0x0b || frame[1] !== 0x77 || frame.length < 7) return null
  let bit = 16
  return (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++, bit++) value = value * 2 + (((frame[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1)
    return value
  }
}

const packed = (...fields: ReadonlyArray<readonly [value: number, bits: number]>): Uint8Array => {
  const count = fields.reduce((sum, [, bits]) => sum + bits, 0)
  const bytes = new Uint8Array(count / 8)
  let bit = 0
  for (const [value, bits] of fields) {
    for (let i = bits - 1; i >= 0; i--, bit++) {
      const at = bit >> 3
      bytes[at] = (bytes[at] ?? 0) | (((value >> i) & 1) << (7 - (bit & 7)))
    }
  }
  return bytes
}

/** Channels in front, of which one mixes down to the sides, and behind: what is told between `acmod` and `lfeon` (4.3). */
const mixBits = (mode: number): number => {
  const center = (mode & 1) === 1 && mode !== 1 ? 2 : 0
  const surround = (mode & 4) === 4 ? 2 : 0
  return center + surround + (mode === 2 ? 2 : 0)
}

export const ac3Record = (frame: Uint8Array): Uint8Array | null => {
  const read = headOf(frame)
  if (read === null) return null
  read(16)
  const [rate, size, identification, mode, channels] = [read(2), read(6), read(5), read(3), read(3)]
  read(mixBits(channels))
  const lfe = read(1)
  return packed([rate, 2], [identification, 5], [mode, 3], [channels, 3], [lfe, 1], [size >> 1, 5], [0, 5])
}

/** Of one independent substream, as nearly all have. */
export const eac3Record = (frame: Uint8Array): Uint8Array | null => {
  const read = headOf(frame)
  if (read === null) return null
  read(5)
  const size = read(11) + 1
  const rate = read(2)
  const blocks = read(2)
  const [channels, lfe, identification] = [read(3), read(1), read(5)]
  const frequency = [48_000, 44_100, 32_000][rate] ?? [24_000, 22_050, 16_000][blocks] ?? 48_000
  const count = rate === 3 ? 6 : ([1, 2, 3, 6][blocks] ?? 6)
  const kilobits = Math.min(0x1fff, Math.round((size * 2 * 8 * frequency) / (count * 256) / 1000))
  return packed([kilobits, 13], [0, 3], [rate, 2], [identification, 5], [0, 5], [channels, 3], [lfe, 1], [0, 3], [0, 5])
}
