import { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import { ObjectChanged, ObjectNotFound, RangeNotSatisfiable, StoreUnavailable } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A store without files, as S3 is one: what is read comes as a stream, and every read checks the version. */
export interface MemoryStore extends ObjectStore {
  readonly put: (key: string, bytes: Uint8Array, etag: string) => StoredObject
  readonly remove: (key: string) => void
  /** What was asked for, in order: `start-end`. */
  readonly reads: Array<string>
  /** Called before each read, for what happens meanwhile. */
  onRead: (count: number) => Effect.Effect<void, StoreUnavailable>
}

const chunkBytes = 16 * 1024
const unsupported = Effect.die(new Error("not needed here"))

export const make = (): MemoryStore => {
  const objects = new Map<string, { readonly object: StoredObject; readonly bytes: Uint8Array }>()
  const find = Effect.fnUntraced(function* (key: ObjectKey) {
    return objects.get(key) ?? (yield* new ObjectNotFound({ key }))
  })
  const store: MemoryStore = {
    kind: "s3",
    location: "memory",
    reads: [],
    onRead: () => Effect.void,
    put: (key, bytes, etag) => {
      const object = StoredObject.make({
        key: ObjectKey.make(key),
        etag: ETag.make(etag),
        sizeBytes: bytes.length,
        modifiedAt: 0
      })
      objects.set(key, { object, bytes })
      return object
    },
    remove: (key) => void objects.delete(key),
    list: () => Effect.succeed({ objects: [], unusable: [], nextStartAfter: null }),
    head: (key) => Effect.map(find(key), ({ object }) => object),
    read: Effect.fnUntraced(function* (key, options = {}) {
      yield* store.onRead(store.reads.length)
      const { object, bytes } = yield* find(key)
      if (options.ifMatch !== undefined && options.ifMatch !== object.etag) return yield* new ObjectChanged({ key })
      const { start, end } = options.range ?? { start: 0, end: bytes.length - 1 }
      if (start >= bytes.length) return yield* new RangeNotSatisfiable({ key, sizeBytes: bytes.length })
      store.reads.push(`${start}-${end}`)
      const part = bytes.subarray(start, end + 1)
      const chunks = Array.from({ length: Math.ceil(part.length / chunkBytes) }, (_, i) =>
        part.slice(i * chunkBytes, (i + 1) * chunkBytes)
      )
      return { object, range: { start, end }, stream: Stream.fromIterable(chunks) }
    }),
    watch: null,
    openLocal: () => Effect.succeed(null),
    write: () => unsupported,
    writeFile: () => unsupported,
    delete: () => unsupported,
    presignGet: () => unsupported,
    presignPut: () => unsupported
  }
  return store
}

export const unavailable = new StoreUnavailable({ operation: "read", reason: "the test says so", retryable: true })
