import { Refused } from "../../demux/DemuxMessages.ts"
import { childrenOf, type Element, elementAt, Id, uintOf, variableAt } from "./Elements.ts"

/** Frames of one track, and when they are presented (RFC 9559, section 10). */
export interface Block {
  readonly track: number
  /** Ticks. */
  readonly time: number
  readonly isKey: boolean
  /** Ticks of all of its frames together; `null` where it isn't said. */
  readonly duration: number | null
  /** Where the element begins, and the frames lie. */
  readonly start: number
  readonly frames: ReadonlyArray<{ readonly start: number; readonly end: number }>
}

/** More than half an hour has of the shortest frames. */
const maxFrames = 500_000
/** Block, and what is left of its head. */
const minBlockBytes = 4

const misfit = () => new Refused("has a block whose frames don't fit into it")

const lacedSizes = (bytes: Uint8Array, from: number, end: number, lacing: number) => {
  const count = (bytes[from] ?? 0) + 1
  let at = from + 1
  const sizes: Array<number> = []
  // Of frames of one size none is told.
  const told = lacing === 2 ? 0 : count - 1
  for (let i = 0; i < told; i++) {
    let size = 0
    if (lacing === 1) {
      let byte = 255
      while (byte === 255) {
        if (at >= end) throw misfit()
        byte = bytes[at++] ?? 0
        size += byte
      }
    } else {
      const number = variableAt(bytes, at, end)
      if (number === null || number.value === Infinity) throw misfit()
      at = number.end
      // From the second on, the difference to the one before, around the middle of what fits (10.3.3).
      size = i === 0 ? number.value : (sizes[i - 1] ?? 0) + number.value - (2 ** (7 * number.length - 1) - 1)
    }
    if (size < 0) throw misfit()
    sizes.push(size)
  }
  const left = end - at - sizes.reduce((sum, size) => sum + size, 0)
  if (left < 0 || (lacing === 2 && left % count !== 0)) throw misfit()
  return { at, sizes: lacing === 2 ? Array<number>(count).fill(left / count) : [...sizes, left] }
}

const framesOf = (bytes: Uint8Array, body: number, end: number, lacing: number): Block["frames"] => {
  if (lacing === 0) return [{ start: body, end }]
  if (body >= end) throw misfit()
  const { at, sizes } = lacedSizes(bytes, body, end, lacing)
  let start = at
  return sizes.map((size) => {
    start += size
    return { start: start - size, end: start }
  })
}

const flagsOf = (bytes: Uint8Array, body: number, end: number) => {
  const track = variableAt(bytes, body, end)
  if (track === null || track.end + minBlockBytes - 1 > end) return null
  const relative = (((bytes[track.end] ?? 0) << 24) >> 16) | (bytes[track.end + 1] ?? 0)
  return { track: track.value, relative, flags: bytes[track.end + 2] ?? 0, body: track.end + 3 }
}

/** A SimpleBlock or a BlockGroup that is at hand as a whole; `null` for one that holds no block. */
const readBlock = (bytes: Uint8Array, element: Element, clusterTime: number): Block | null => {
  const children = element.id === Id.blockGroup ? [...childrenOf(bytes, element)] : []
  const block = element.id === Id.blockGroup ? children.find(({ id }) => id === Id.block) : element
  const head = block === undefined ? null : flagsOf(bytes, block.body, block.end)
  if (block === undefined || head === null) return null
  const duration = children.find(({ id }) => id === Id.blockDuration)
  return {
    track: head.track,
    time: clusterTime + head.relative,
    isKey:
      element.id === Id.blockGroup ? children.every(({ id }) => id !== Id.referenceBlock) : (head.flags & 0x80) !== 0,
    duration: duration === undefined ? null : uintOf(bytes, duration),
    start: element.start,
    frames: framesOf(bytes, head.body, block.end, (head.flags >> 1) & 3)
  }
}

/** Of a block that goes on behind the bytes at hand: whose it is and when, which its first bytes say. */
export const peekBlock = (bytes: Uint8Array, element: Element, clusterTime: number) => {
  const inner = element.id === Id.blockGroup ? elementAt(bytes, element.body, bytes.length) : element
  const head =
    inner === null || (inner !== element && inner.id !== Id.block) ? null : flagsOf(bytes, inner.body, bytes.length)
  if (head === null) return null
  // Whether others depend on a group's block is said behind it.
  const isKey = element.id === Id.simpleBlock && (head.flags & 0x80) !== 0
  return { track: head.track, time: clusterTime + head.relative, isKey }
}

/**
 * The blocks of clusters, from the beginning of one on. What is nested is told apart by its identifier alone, so that
 * clusters without a size are as good as others. Ends where a block isn't there as a whole.
 */
export const blocksIn = function* (bytes: Uint8Array): Generator<Block> {
  let clusterTime = 0
  let frames = 0
  for (let at = 0; at < bytes.length;) {
    const element = elementAt(bytes, at, bytes.length)
    if (element === null) return
    if (element.id === Id.cluster) {
      at = element.body
      continue
    }
    if (element.end > bytes.length) return
    if (element.id === Id.timestamp) clusterTime = uintOf(bytes, element)
    else if (element.id === Id.simpleBlock || element.id === Id.blockGroup) {
      const block = readBlock(bytes, element, clusterTime)
      frames += block?.frames.length ?? 0
      if (frames > maxFrames) throw new Refused("has more frames in one part than any film")
      if (block !== null) yield block
    }
    at = element.end
  }
}
