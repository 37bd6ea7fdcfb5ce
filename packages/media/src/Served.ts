import type * as http from "node:http"

import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import { ObjectChanged } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import type { MediaResourceExceeded, StoreFailure } from "./MediaError.ts"
import { readLocal } from "./ObjectBytes.ts"

/** What a tool may read: one version of one object, or bytes that were taken out of one. */
export type Served = { readonly store: ObjectStore; readonly object: StoredObject } | { readonly bytes: Uint8Array }

/** Counts bytes before they are sent, and fails when they are too many. */
type Take = (bytes: number) => Effect.Effect<void, MediaResourceExceeded>

/** How what is served gets to a reader. */
export interface Source {
  readonly sizeBytes: number
  /** Sends the bytes from `start` to `end`, both included. */
  readonly send: (
    response: http.ServerResponse,
    range: { readonly start: number; readonly end: number },
    take: Take
  ) => Effect.Effect<void, StoreFailure | MediaResourceExceeded>
  /** Looks again whether it is still what it was, where reading does not show it. */
  readonly recheck: Effect.Effect<StoreFailure | null>
}

const chunkBytes = 256 * 2 ** 10
const unchanged = Effect.succeed(null)

/** Hands bytes to the socket and comes back when they are gone: back-pressure, and the buffer may be used again. */
const write = (response: http.ServerResponse, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // The callback of a write to a closed socket may never come: then the fiber is interrupted by "close".
    response.write(bytes, () => resume(Effect.void))
  })

const ofFile = (store: ObjectStore, object: StoredObject, fd: number): Source => ({
  sizeBytes: object.sizeBytes,
  send: Effect.fnUntraced(function* (response, { end, start }, take) {
    // One buffer a request: a chunk is gone before the next one is read.
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - start + 1))
    let position = start
    while (position <= end) {
      const count = yield* readLocal(fd, buffer, 0, Math.min(buffer.length, end - position + 1), position)
      if (count === 0) return yield* new ObjectChanged({ key: object.key })
      yield* take(count)
      yield* write(response, buffer.subarray(0, count))
      position += count
    }
  }),
  // An open file doesn't tell that it was replaced.
  recheck: store.head(object.key).pipe(
    Effect.match({
      onFailure: (failure) => failure,
      onSuccess: (now) => (now.etag === object.etag ? null : new ObjectChanged({ key: object.key }))
    })
  )
})

const ofRemote = (store: ObjectStore, object: StoredObject): Source => ({
  sizeBytes: object.sizeBytes,
  send: Effect.fnUntraced(
    function* (response, range, take) {
      const body = yield* store.read(object.key, { range, ifMatch: object.etag })
      yield* Stream.runForEach(body.stream, (chunk) => Effect.andThen(take(chunk.length), write(response, chunk)))
    },
    Effect.scoped,
    Effect.catchTag("RangeNotSatisfiable", ({ key }) => new ObjectChanged({ key }))
  ),
  recheck: unchanged
})

const ofBytes = (bytes: Uint8Array): Source => ({
  sizeBytes: bytes.length,
  send: Effect.fnUntraced(function* (response, { end, start }, take) {
    for (let position = start; position <= end; position += chunkBytes) {
      const chunk = bytes.subarray(position, Math.min(position + chunkBytes, end + 1))
      yield* take(chunk.length)
      yield* write(response, chunk)
    }
  }),
  recheck: unchanged
})

/** Opens what is to be served. A file is closed with the scope. */
export const open = Effect.fnUntraced(function* (served: Served): Effect.fn.Return<Source, StoreFailure, Scope.Scope> {
  if ("bytes" in served) return ofBytes(served.bytes)
  const { object, store } = served
  const local = yield* store.openLocal(object.key, { ifMatch: object.etag })
  return local === null ? ofRemote(store, object) : ofFile(store, object, local.fd)
})
