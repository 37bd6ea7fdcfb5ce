import { childrenOf, elementsIn, Id, uintOf } from "./Elements.ts"

/** A frame at which decoding can begin. */
export interface CuePoint {
  /** The container's own ticks. */
  readonly time: number
  /** Where the cluster begins that it is in. */
  readonly offset: number
  /** Bytes between the head of that cluster and its block; 0 where that isn't said. */
  readonly skip: number
}

/** More than an index of 8 MiB has; and two hours at which every frame is one have as many. */
const maxPoints = 500_000

/** Reads the body of Cues: of one track, positions in the object whose segment begins at `segmentBody`. */
export const readCues = (bytes: Uint8Array, track: number, segmentBody: number): ReadonlyArray<CuePoint> => {
  const points: Array<CuePoint> = []
  for (const point of elementsIn(bytes, 0, bytes.length)) {
    if (point.id !== Id.cuePoint) continue
    let time = 0
    for (const element of childrenOf(bytes, point)) {
      if (element.id === Id.cueTime) time = uintOf(bytes, element)
      if (element.id !== Id.cueTrackPositions) continue
      const fields = new Map<number, number>()
      for (const field of childrenOf(bytes, element)) fields.set(field.id, uintOf(bytes, field))
      const position = fields.get(Id.cueClusterPosition)
      if (position === undefined || fields.get(Id.cueTrack) !== track) continue
      points.push({ time, offset: segmentBody + position, skip: fields.get(Id.cueRelativePosition) ?? 0 })
      if (points.length === maxPoints) return points
    }
  }
  return points
}

/**
 * In their order, within the clusters, each both later and further on than the one before. In place of the first there is
 * the beginning of all clusters: what stands there before the first keyframe is played with it.
 */
export const inOrder = (
  points: ReadonlyArray<CuePoint>,
  { end, start, time }: { readonly start: number; readonly end: number; readonly time: number }
): ReadonlyArray<CuePoint> => {
  const kept: Array<CuePoint> = [{ time, offset: start, skip: 0 }]
  const sorted = points.toSorted((a, b) => a.offset - b.offset || a.skip - b.skip || a.time - b.time)
  for (const point of sorted.slice(1)) {
    const last = kept.at(-1)
    if (last === undefined || point.offset >= end || point.skip > 0xffff_ffff) continue
    const isFurther = point.offset > last.offset || (point.offset === last.offset && point.skip > last.skip)
    if (isFurther && point.time > last.time) kept.push(point)
  }
  return kept
}
