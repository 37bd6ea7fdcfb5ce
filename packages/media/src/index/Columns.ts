import { Refused } from "../demux/DemuxMessages.ts"

/**
 * Columns of whole numbers as few bytes: variable lengths (seven bits a byte, the lowest first), and where values repeat
 * in runs, each run once. A film of two hours takes a tenth of what it takes in memory.
 */

/** Signed numbers as unsigned ones, small where they are near 0. */
const zigzag = (value: number): number => (value < 0 ? -value * 2 - 1 : value * 2)
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2)

export class ColumnWriter {
  #bytes = new Uint8Array(64 * 2 ** 10)
  #length = 0

  number(value: number): void {
    if (this.#length + 8 > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  signed(value: number): void {
    this.number(zigzag(value))
  }

  /** `count` numbers that are not negative. */
  column(count: number, valueAt: (i: number) => number): void {
    let runs = 0
    for (let i = 0; i < count; i++) if (i === 0 || valueAt(i) !== valueAt(i - 1)) runs++
    const isInRuns = runs * 2 < count
    this.number(isInRuns ? 1 : 0)
    for (let i = 0; i < count;) {
      let length = 1
      if (isInRuns) {
        while (i + length < count && valueAt(i + length) === valueAt(i)) length++
        this.number(length)
      }
      this.number(valueAt(i))
      i += length
    }
  }

  signedColumn(count: number, valueAt: (i: number) => number): void {
    this.column(count, (i) => zigzag(valueAt(i)))
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** Refuses what no writer has written. */
export class ColumnReader {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  number(): number {
    let value = 0
    let scale = 1
    while (true) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined || scale > 2 ** 49) throw new Refused("has columns that end too early")
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new Refused("has a number beyond all")
    return value
  }

  signed(): number {
    return unzigzag(this.number())
  }

  column(count: number, put: (i: number, value: number) => void): void {
    const isInRuns = this.number() === 1
    for (let i = 0; i < count;) {
      const last = i + (isInRuns ? this.number() : 1)
      if (last > count || last === i) throw new Refused("has a run that doesn't fit")
      const value = this.number()
      for (; i < last; i++) put(i, value)
    }
  }

  signedColumn(count: number, put: (i: number, value: number) => void): void {
    this.column(count, (i, value) => put(i, unzigzag(value)))
  }
}
