import * as Effect from "effect/Effect"

import { MediaResourceExceeded } from "../../MediaError.ts"
import { type IndexSource, parse, step, windowOf } from "../IndexSource.ts"
import { peekBlock } from "./Blocks.ts"
import { type CuePoint, readCues } from "./CuePoints.ts"
import { type Element, elementAt, headLength, Id, uintOf } from "./Elements.ts"
import { maxBodyBytes } from "./Structure.ts"

/** What is read of a cluster whose size is known: its first blocks' heads, one of which begins a picture. */
const clusterHeadBytes = 4 * 2 ** 10
/** What is read at once of clusters without a size, whose blocks are walked one by one. */
const windowBytes = 2 ** 20
/** Ten hours have fewer, and a recording that is walked block by block is over before. */
const maxClusters = 50_000
const maxElements = 1_000_000

interface Wanted {
  /** Whose keyframes are looked for. */
  readonly track: number
  readonly segmentBody: number
  readonly start: number
  readonly end: number
}

interface Cluster {
  readonly start: number
  readonly body: number
  /** Where it is over, as far as that is known. */
  readonly end: number
  time: number
}

/** Finds keyframes where no index names them: by the first blocks of each cluster, and of all its blocks if it has no size. */
export const walk = Effect.fnUntraced(function* (source: IndexSource, { end, segmentBody, start, track }: Wanted) {
  const heads = windowOf(source, clusterHeadBytes)
  const blocks = windowOf(source, windowBytes)
  const points: Array<CuePoint> = []
  let clusters = 0

  /** Of an element within `cluster`: notes its time, and a keyframe in it. Says whether the track was found. */
  const look = (bytes: Uint8Array, element: Element, at: number, { body, start }: Cluster, clusterTime: number) => {
    if (element.id !== Id.simpleBlock && element.id !== Id.blockGroup) return false
    const block = peekBlock(bytes, element, clusterTime)
    if (block?.track !== track) return false
    if (block.isKey) points.push({ time: block.time, offset: start, skip: at - body })
    return true
  }

  /** The first blocks of a cluster. What stands before its first picture belongs to it. */
  const lookInto = (bytes: Uint8Array, within: Cluster) => {
    let time = 0
    for (let at = 0; at < bytes.length;) {
      const element = elementAt(bytes, at, bytes.length)
      if (element === null) return
      if (element.id === Id.timestamp && element.end <= bytes.length) time = uintOf(bytes, element)
      if (look(bytes, element, within.body, within, time)) return
      at = element.end
    }
  }

  let cluster: Cluster = { start, body: start, end: start, time: 0 }
  let elements = 0
  for (let at = start; at < end;) {
    if (++elements > maxElements || clusters > maxClusters) {
      return yield* new MediaResourceExceeded({ step, resource: "input" })
    }
    const read = cluster.end === Infinity ? blocks : heads
    const head = yield* read(at, Math.min(at + 64, end))
    const element = yield* parse(() => elementAt(head, 0, head.length))
    if (element === null) break
    const elementEnd = at + element.end
    if (element.id === Id.cluster) {
      clusters++
      cluster = { start: at, body: at + element.body, end: elementEnd, time: 0 }
      if (elementEnd === Infinity) {
        at = cluster.body
        continue
      }
      const within = cluster
      const bytes = yield* heads(within.body, Math.min(end, elementEnd, within.body + clusterHeadBytes - headLength))
      yield* parse(() => lookInto(bytes, within))
    } else if (element.id === Id.cues && elementEnd <= end) {
      if (element.end - element.body > maxBodyBytes) {
        return yield* new MediaResourceExceeded({ step, resource: "input" })
      }
      const bytes = yield* source.read(at + element.body, elementEnd)
      return yield* parse(() => readCues(bytes, track, segmentBody))
    } else if (element.id === Id.ebml || element.id === Id.segment) break
    else if (cluster.end === Infinity) {
      const within = cluster
      yield* parse(() => {
        if (element.id === Id.timestamp) within.time = uintOf(head, element)
        look(head, element, at, within, within.time)
      })
    }
    at = elementEnd
  }
  return points
})
