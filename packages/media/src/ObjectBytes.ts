import * as fs from "node:fs"

import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import { ObjectChanged, StoreUnavailable } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import { MediaResourceExceeded, type StoreFailure } from "./MediaError.ts"
import * as ReadMetrics from "./ReadMetrics.ts"

/** Random access to one version of an object. */
export interface ObjectBytes {
  /** Length of the object in bytes. */
  readonly sizeBytes: number
  /** The bytes from `start` up to, not including, `end`; cut to the object. */
  readonly read: (start: number, end: number) => Effect.Effect<Uint8Array, StoreFailure | MediaResourceExceeded>
  /** What the store was asked for so far. */
  readonly stats: { bytes: number; reads: number }
}

export interface ObjectBytesOptions {
  /** For errors. */
  readonly step: string
  /** Most bytes that may be asked of the store. Default 256 MiB. */
  readonly budgetBytes?: number | undefined
  /** Reads are widened to whole blocks of this size and kept. Default 64 KiB; every read costs a request on S3. */
  readonly blockBytes?: number | undefined
  /** Most bytes of blocks that are kept. Default 8 MiB. */
  readonly cacheBytes?: number | undefined
}

/** Reads the range in full, as one request (S3) or one `pread` loop (a folder), and only of the version of `object`. */
const readRange = Effect.fnUntraced(
  function* (store: ObjectStore, object: StoredObject, fd: number | null, start: number, end: number) {
    const bytes = new Uint8Array(end - start)
    let filled = 0
    if (fd !== null) {
      while (filled < bytes.length) {
        const count = yield* readLocal(fd, bytes, filled, bytes.length - filled, start + filled)
        // The file is shorter than its version says: somebody cut it while it was open.
        if (count === 0) return yield* new ObjectChanged({ key: object.key })
        filled += count
      }
      return bytes
    }
    const body = yield* store.read(object.key, { range: { start, end: end - 1 }, ifMatch: object.etag })
    yield* Stream.runForEach(body.stream, (chunk) =>
      Effect.sync(() => {
        const part = chunk.subarray(0, bytes.length - filled)
        bytes.set(part, filled)
        filled += part.length
      })
    )
    if (filled < bytes.length) return yield* new ObjectChanged({ key: object.key })
    return bytes
  },
  Effect.scoped,
  Effect.catchTag("RangeNotSatisfiable", ({ key }) => new ObjectChanged({ key }))
)

/** One `pread`. Not interruptible: the file must not be closed, and its number given to another, under a read in flight. */
export const readLocal = (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number
): Effect.Effect<number, StoreUnavailable> =>
  Effect.uninterruptible(
    Effect.callback((resume) => {
      fs.read(fd, buffer, offset, length, position, (error, count) => {
        resume(
          error === null
            ? Effect.succeed(count)
            : Effect.fail(new StoreUnavailable({ operation: "read", reason: error.message, retryable: true }))
        )
      })
    })
  )

/** A part of an object, in one request: from `start` up to, not including, `end`. */
export const readPart = Effect.fnUntraced(
  function* (
    store: ObjectStore,
    object: StoredObject,
    start: number,
    end: number
  ): Effect.fn.Return<Uint8Array, StoreFailure, Scope.Scope> {
    if (start === end) return new Uint8Array()
    const local = yield* store.openLocal(object.key, { ifMatch: object.etag })
    return yield* readRange(store, object, local === null ? null : local.fd, start, end)
  },
  (effect) => Effect.scoped(effect)
)

/** All of an object. For what is known to be small enough. */
export const readWhole = (
  store: ObjectStore,
  object: StoredObject,
  step: string
): Effect.Effect<Uint8Array, StoreFailure> =>
  Effect.andThen(ReadMetrics.count(step, object.sizeBytes), readPart(store, object, 0, object.sizeBytes))

/**
 * Opens one version of an object for small reads here and there, as a container's index wants them: the blocks around
 * each read are kept, so that a walk over boxes of a few bytes costs few requests.
 */
export const open = Effect.fnUntraced(function* (
  store: ObjectStore,
  object: StoredObject,
  options: ObjectBytesOptions
): Effect.fn.Return<ObjectBytes, StoreFailure, Scope.Scope> {
  const budget = options.budgetBytes ?? 256 * 2 ** 20
  const blockBytes = options.blockBytes ?? 64 * 2 ** 10
  const cachedBlocks = Math.max(1, Math.floor((options.cacheBytes ?? 8 * 2 ** 20) / blockBytes))
  const local = yield* store.openLocal(object.key, { ifMatch: object.etag })
  const stats = { bytes: 0, reads: 0 }
  const blocks = new Map<number, Uint8Array>()

  const fetch = Effect.fnUntraced(function* (start: number, end: number) {
    if (stats.bytes + (end - start) > budget) {
      return yield* new MediaResourceExceeded({ step: options.step, resource: "input" })
    }
    stats.bytes += end - start
    stats.reads += 1
    yield* ReadMetrics.count(options.step, end - start)
    return yield* readRange(store, object, local === null ? null : local.fd, start, end)
  })

  const read = Effect.fnUntraced(function* (from: number, to: number) {
    const start = Math.max(0, Math.min(from, object.sizeBytes))
    const end = Math.max(start, Math.min(to, object.sizeBytes))
    const bytes = new Uint8Array(end - start)
    let position = start
    while (position < end) {
      const index = Math.floor(position / blockBytes)
      let block = blocks.get(index)
      if (block === undefined) {
        // One request for the whole run of blocks that is not there yet.
        let last = index
        while ((last + 1) * blockBytes < end && !blocks.has(last + 1)) last++
        const runStart = index * blockBytes
        const run = yield* fetch(runStart, Math.min((last + 1) * blockBytes, object.sizeBytes))
        for (let i = index; i <= last; i++) {
          blocks.set(i, run.subarray((i - index) * blockBytes, (i - index + 1) * blockBytes))
        }
        const wanted = run.subarray(position - runStart, end - runStart)
        bytes.set(wanted, position - start)
        position += wanted.length
        for (const key of blocks.keys()) {
          if (blocks.size <= cachedBlocks) break
          blocks.delete(key)
        }
        continue
      }
      // Used again: moves to the end of the map, whose beginning is dropped first.
      blocks.delete(index)
      blocks.set(index, block)
      const wanted = block.subarray(position - index * blockBytes, end - index * blockBytes)
      bytes.set(wanted, position - start)
      position += wanted.length
    }
    return bytes
  })

  return { sizeBytes: object.sizeBytes, read, stats }
})
