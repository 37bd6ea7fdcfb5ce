import * as Effect from "effect/Effect"

import { MediaResourceExceeded } from "../../MediaError.ts"
import { type IndexSource, parse, step, viewOf } from "../IndexSource.ts"
import { boxAt, type Box, tableOf, typeAt, uint64, versionOf } from "./Boxes.ts"
import type { Fragment } from "./Fragments.ts"

/** Of all `moof` together. */
const maxBytes = 64 * 2 ** 20
const maxFragments = 200_000
/** Reads on their way at once, where it is known where fragments begin. */
const concurrency = 16
/** What is read for a fragment of which nothing is known; then as much as the last one had. */
const guessBytes = 4 * 2 ** 10

/** A part of the object that begins with a fragment, or something before one. */
interface Stretch {
  readonly start: number
  readonly end: number
}

/** `sidx` (8.16.3): where the parts are that it tells of; `null` where those have a `sidx` of their own. */
const readSidx = (view: DataView, sidx: Box, end: number): ReadonlyArray<Stretch> | null => {
  const isLong = versionOf(view, sidx) === 1
  const at = sidx.body + (isLong ? 28 : 20)
  const count = view.getUint16(at + 2)
  let start = end + (isLong ? uint64(view, sidx.body + 20) : view.getUint32(sidx.body + 16))
  const stretches: Array<Stretch> = []
  for (let i = 0; i < count; i++) {
    const reference = view.getUint32(at + 4 + i * 12)
    if (reference >= 0x8000_0000) return null
    stretches.push({ start, end: start + reference })
    start += reference
  }
  return stretches
}

/** `mfra` (8.8.9): where fragments are that begin with a keyframe. Others may lie between them. */
const readMfra = Effect.fnUntraced(function* (source: IndexSource) {
  const { sizeBytes } = source
  const tail = viewOf(yield* source.read(Math.max(0, sizeBytes - 16), sizeBytes))
  if (tail.byteLength < 16 || typeAt(tail, 4) !== "mfro") return []
  const length = tail.getUint32(12)
  if (length > sizeBytes || length > maxBytes || length < 24) return []
  const view = viewOf(yield* source.read(sizeBytes - length, sizeBytes))
  return yield* parse(() => {
    const starts = new Set<number>()
    for (let at = 8; at + 8 <= length;) {
      const tfra = boxAt(view, at, length)
      if (tfra === null || tfra.end > length) break
      at = tfra.end
      if (tfra.type !== "tfra") continue
      const isLong = versionOf(view, tfra) === 1
      const sizes = view.getUint32(tfra.body + 8)
      const numbers = ((sizes >> 4) & 3) + ((sizes >> 2) & 3) + (sizes & 3) + 3
      const table = tableOf(view, tfra, (isLong ? 16 : 8) + numbers, 8)
      for (let i = 0; i < table.count; i++) {
        const entry = table.at + i * ((isLong ? 16 : 8) + numbers)
        starts.add(isLong ? uint64(view, entry + 8) : view.getUint32(entry + 4))
      }
    }
    return [...starts].toSorted((a, b) => a - b)
  })
})

/** Reads the fragments of an object whose `moov` ends at `from`, in the order in which they lie. */
export const read = Effect.fnUntraced(function* (source: IndexSource, from: number) {
  const { sizeBytes } = source
  let bytes = 0
  let found = 0
  let guess = guessBytes

  /** Every fragment that begins within a stretch. Something that is no box is the end of what was recorded. */
  const walk = Effect.fnUntraced(function* ({ end, start }: Stretch) {
    const fragments: Array<Fragment> = []
    let at = start
    while (at + 8 <= end) {
      const head = yield* source.read(at, Math.min(sizeBytes, at + guess))
      const box = yield* parse(() => boxAt(viewOf(head), 0, head.length))
      const size = box === null || viewOf(head).getUint32(0) === 0 ? 0 : box.end
      if (box === null || size === 0 || at + size > sizeBytes) break
      if (box.type === "moof") {
        bytes += size
        if (bytes > maxBytes || ++found > maxFragments) {
          return yield* new MediaResourceExceeded({ step, resource: "input" })
        }
        const moof = size <= head.length ? head.subarray(0, size) : yield* source.read(at, at + size)
        // A view would hold all that was read ahead.
        fragments.push({ start: at, bytes: moof.slice() })
        guess = Math.max(guessBytes, Math.min(size + 64, 256 * 2 ** 10))
      } else if (++found > maxFragments) break
      at += size
    }
    return { fragments, isWhole: at === end }
  })

  const sidx = Effect.fnUntraced(function* () {
    const head = yield* source.read(from, Math.min(sizeBytes, from + 64 * 2 ** 10))
    return yield* parse(() => {
      for (let at = 0; ;) {
        const box = boxAt(viewOf(head), at, head.length)
        if (box === null || box.end > head.length || viewOf(head).getUint32(at) === 0) return null
        if (box.type === "sidx") return readSidx(viewOf(head), box, from + box.end)
        at = box.end
      }
    })
  })

  const told = yield* sidx()
  const starts = told === null || told.length === 0 ? yield* readMfra(source) : told.map(({ start }) => start)
  // From each that is known to the next, from the end of `moov` to the end of the object: nothing is left out.
  const edges = [from, ...starts.filter((start) => start > from && start < sizeBytes), sizeBytes]
  const sorted = [...new Set(edges)].toSorted((a, b) => a - b)
  const stretches = sorted.slice(0, -1).map((start, i) => ({ start, end: sorted[i + 1] ?? sizeBytes }))
  const walked = yield* Effect.forEach(stretches, walk, { concurrency })
  if (walked.slice(0, -1).every(({ isWhole }) => isWhole)) return walked.flatMap(({ fragments }) => fragments)
  // What told where fragments begin was wrong: they tell it themselves, one after the other.
  bytes = 0
  found = 0
  return (yield* walk({ start: from, end: sizeBytes })).fragments
})
