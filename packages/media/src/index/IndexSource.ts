import * as Effect from "effect/Effect"

import { Refused } from "../demux/DemuxMessages.ts"
import { type MediaResourceExceeded, type StoreFailure, UnreadableMedia } from "../MediaError.ts"

/** What an index is made from: one version of an object, read here and there. Every read may be a request to a store. */
export interface IndexSource {
  readonly sizeBytes: number
  /** The bytes from `start` up to, not including, `end`; both lie within the object. */
  readonly read: (start: number, end: number) => Effect.Effect<Uint8Array, StoreFailure | MediaResourceExceeded>
}

/** What is read of every object first: its kind shows in it, and often the index is there whole. */
export const headBytes = 64 * 2 ** 10

/** Reads windows of at least this many bytes, so that what stands side by side costs one read. */
export const windowOf = (source: IndexSource, windowBytes: number) => {
  let start = 0
  let bytes: Uint8Array = new Uint8Array()
  /** The bytes up to `end`, as far as the object goes. */
  return Effect.fnUntraced(function* (from: number, end: number) {
    const until = Math.min(end, source.sizeBytes)
    if (from < start || until > start + bytes.length) {
      const ahead = from === 0 ? headBytes : windowBytes
      bytes = yield* source.read(from, Math.min(source.sizeBytes, Math.max(until, from + ahead)))
      start = from
    }
    return bytes.subarray(from - start, Math.max(from, until) - start)
  })
}

export type IndexFailure = UnreadableMedia | MediaResourceExceeded | StoreFailure

/** The step that errors name. */
export const step = "index"

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Runs a parser over bytes at hand. What it refuses, and what reaches beyond the bytes, is told of the object. */
export const parse = <A>(parser: () => A): Effect.Effect<A, UnreadableMedia> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(parser())
    } catch (error) {
      if (error instanceof Refused) return Effect.fail(new UnreadableMedia({ step, reason: error.message }))
      // DataView's own answer to a position behind the end.
      if (error instanceof RangeError) {
        return Effect.fail(new UnreadableMedia({ step, reason: "has an index that ends too early" }))
      }
      return Effect.die(error)
    }
  })
