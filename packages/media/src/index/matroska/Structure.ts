import * as Effect from "effect/Effect"

import { MediaResourceExceeded, UnreadableMedia } from "../../MediaError.ts"
import { type IndexSource, parse, step, windowOf } from "../IndexSource.ts"
import { childrenOf, type Element, elementAt, elementsIn, headLength, Id, uintOf } from "./Elements.ts"

/** The index of ten hours with a keyframe a second, and far more than what else is read has. */
export const maxBodyBytes = 8 * 2 ** 20
/** Tags may hold whatever people like; what is said of the tracks is short. */
const maxTagsBytes = 128 * 2 ** 10
/** What is read at once where something may stand: the index of two hours, and what follows it. */
const windowBytes = 128 * 2 ** 10
/** Files have a dozen elements before their first cluster, most of them void. */
const maxElements = 1_000

/** What stands in a file beside its clusters: positions in the object, and the bodies of what tells of it. */
export interface Structure {
  readonly segment: { readonly body: number; readonly end: number }
  /** Where the first cluster begins; `null` where there is none. */
  readonly firstCluster: number | null
  readonly bodies: ReadonlyMap<number, Uint8Array>
}

const wanted: ReadonlySet<number> = new Set([Id.info, Id.tracks, Id.cues, Id.seekHead, Id.tags])

/** Identifiers and positions within the segment that a SeekHead names. */
const readSeekHead = (bytes: Uint8Array) =>
  [...elementsIn(bytes, 0, bytes.length)]
    .filter(({ id }) => id === Id.seek)
    .flatMap((seek) => {
      const fields = [...childrenOf(bytes, seek)]
      const [id, position] = [Id.seekId, Id.seekPosition].map((id) => fields.find((field) => field.id === id))
      return id === undefined || position === undefined
        ? []
        : [{ id: uintOf(bytes, id), position: uintOf(bytes, position) }]
    })

/** Reads what stands before the first cluster, and what is elsewhere by the word of a SeekHead. */
export const readStructure = Effect.fnUntraced(function* (source: IndexSource) {
  const read = windowOf(source, windowBytes)
  const bodies = new Map<number, Uint8Array>()
  const seeks: Array<{ id: number; position: number }> = []
  let elements = 0

  const elementIn = Effect.fnUntraced(function* (at: number, limit: number) {
    if (++elements > maxElements) {
      return yield* new UnreadableMedia({ step, reason: "has too many elements before its clusters" })
    }
    const head = yield* read(at, Math.min(at + headLength, limit))
    const found = yield* parse(() => elementAt(head, 0, head.length))
    return found === null ? null : { id: found.id, start: at, body: at + found.body, end: at + found.end }
  })

  /** Keeps the first of each kind. */
  const take = Effect.fnUntraced(function* ({ body, end, id }: Element, limit: number) {
    if (bodies.has(id) || end > limit || (id === Id.tags && end - body > maxTagsBytes)) return
    if (end - body > maxBodyBytes) return yield* new MediaResourceExceeded({ step, resource: "input" })
    const bytes = yield* read(body, end)
    if (id === Id.seekHead) seeks.push(...(yield* parse(() => readSeekHead(bytes))).slice(0, 100))
    else bodies.set(id, bytes)
  })

  const find = Effect.fnUntraced(function* (id: number, from: number, limit: number) {
    for (let at = from; at < limit;) {
      const element = yield* elementIn(at, limit)
      if (element === null || element.id === id) return element
      if (wanted.has(element.id)) yield* take(element, limit)
      at = element.end
    }
    return null
  })

  const segment = yield* find(Id.segment, 0, source.sizeBytes)
  if (segment === null) return yield* new UnreadableMedia({ step, reason: "is cut short: it has no segment" })
  // What was cut short, or is still being written, ends where it ends.
  const end = Math.min(segment.end, source.sizeBytes)
  const cluster = yield* find(Id.cluster, segment.body, end)
  // It may name others of its kind, which grow.
  for (let i = 0; i < seeks.length && i < 100; i++) {
    const { id, position } = seeks[i] ?? { id: 0, position: 0 }
    const at = segment.body + position
    if (!wanted.has(id) || bodies.has(id) || at >= end) continue
    const element = yield* elementIn(at, end)
    if (element?.id === id) yield* take(element, end)
  }
  return { segment: { body: segment.body, end }, firstCluster: cluster?.start ?? null, bodies } satisfies Structure
})
