import { type ReadBytes, Refused } from "./DemuxMessages.ts"

export interface Box {
  readonly type: string
  readonly bodyStart: number
  readonly end: number
}

export interface Boxes {
  readonly read: ReadBytes
  readonly boxAt: (position: number, limit: number) => Promise<Box | null>
  /** The boxes from `start` on, as far as they lie within `end`. */
  readonly within: (start: number, end: number) => AsyncGenerator<Box>
}

/** No real file has as many boxes on the way to its index; a fragmented one has its index first. */
const maxBoxes = 100_000

export const ascii = (bytes: Uint8Array, start: number): string =>
  String.fromCharCode(...bytes.subarray(start, start + 4))

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Walks the boxes of ISO 14496-12. */
export const boxesOf = (read: ReadBytes): Boxes => {
  let count = 0

  const boxAt = async (position: number, limit: number): Promise<Box | null> => {
    if (++count > maxBoxes) throw new Refused("has too many boxes before its index")
    const head = await read(position, Math.min(position + 16, limit))
    if (head.length < 8) return null
    const view = viewOf(head)
    const small = view.getUint32(0)
    if (small === 1 && head.length < 16) return null
    const size = small === 1 ? Number(view.getBigUint64(8)) : small === 0 ? limit - position : small
    const headerSize = small === 1 ? 16 : 8
    if (size < headerSize) return null
    return { type: ascii(head, 4), bodyStart: position + headerSize, end: position + size }
  }

  const within = async function* (start: number, end: number): AsyncGenerator<Box> {
    let position = start
    while (position + 8 <= end) {
      const box = await boxAt(position, end)
      if (box === null || box.end > end) return
      yield box
      position = box.end
    }
  }

  return { read, boxAt, within }
}
