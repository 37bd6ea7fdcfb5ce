import type { Keyframes } from "@joy/domain/MediaStream"

/** RFC 9559, section 5.1.5. */
const Id = { cuePoint: 0xbb, cueTime: 0xb3, cueTrackPositions: 0xb7, cueTrack: 0xf7 }

/** How much of an index is read: some ten hours with a keyframe every second. The rest of a longer one is like it. */
export const cuesBytes = 512 * 2 ** 10

interface Part {
  readonly id: number
  readonly body: Uint8Array
}

/** The elements in `bytes`. An index may have tens of thousands: they are walked in memory. */
const parts = function* (bytes: Uint8Array): Generator<Part> {
  let position = 0
  const numberOf = (length: number) => {
    const value = bytes.subarray(position, position + length).reduce((sum, byte) => sum * 256 + byte, 0)
    position += length
    return value
  }
  while (position < bytes.length) {
    const idLength = Math.clz32(bytes[position] ?? 0) - 23
    if (idLength > 4) return
    const id = numberOf(idLength)
    const sizeLength = Math.clz32(bytes[position] ?? 0) - 23
    if (sizeLength > 8 || position >= bytes.length) return
    // The marker is the highest bit of a size.
    const size = numberOf(sizeLength) - 2 ** (7 * sizeLength)
    if (position + size > bytes.length) return
    yield { id, body: bytes.subarray(position, position + size) }
    position += size
  }
}

const unsigned = (body: Uint8Array) => body.subarray(0, 8).reduce((sum, byte) => sum * 256 + byte, 0)

/** The times that the index names, by track, in ticks. For video these are the keyframes. */
export const readCues = (bytes: Uint8Array): ReadonlyMap<number, ReadonlySet<number>> => {
  const times = new Map<number, Set<number>>()
  for (const point of parts(bytes)) {
    if (point.id !== Id.cuePoint) continue
    let time = 0
    for (const element of parts(point.body)) {
      if (element.id === Id.cueTime) time = unsigned(element.body)
      if (element.id !== Id.cueTrackPositions) continue
      for (const inner of parts(element.body)) {
        if (inner.id !== Id.cueTrack) continue
        const track = unsigned(inner.body)
        const known = times.get(track) ?? new Set()
        times.set(track, known.add(time))
      }
    }
  }
  return times
}

/** How far the keyframes of a track are apart, the last one from the end included where the index is `isWhole`. */
export const cadence = (
  times: ReadonlySet<number>,
  options: { readonly endTicks: number; readonly isWhole: boolean; readonly secondsPerTick: number }
): Keyframes | null => {
  const ordered = [...times].toSorted((a, b) => a - b)
  if (options.isWhole && options.endTicks > (ordered.at(-1) ?? Infinity)) ordered.push(options.endTicks)
  const gaps = ordered.slice(1).map((time, i) => time - (ordered[i] ?? 0))
  if (gaps.length === 0) return null
  const sum = gaps.reduce((total, gap) => total + gap, 0)
  return {
    averageSeconds: (sum / gaps.length) * options.secondsPerTick,
    longestSeconds: gaps.reduce((most, gap) => Math.max(most, gap), 0) * options.secondsPerTick
  }
}
