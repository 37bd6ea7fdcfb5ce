import { resolve } from "node:path"

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import * as ByteRanges from "./ByteRanges.ts"
import { fromText } from "./folder/ByteString.ts"
import * as Changes from "./folder/Changes.ts"
import * as Listing from "./folder/Listing.ts"
import * as OpenFile from "./folder/OpenFile.ts"
import * as Place from "./folder/Place.ts"
import * as Stored from "./folder/Stored.ts"
import * as Syscall from "./folder/Syscall.ts"
import * as Watch from "./folder/Watch.ts"
import { DerivedStore, type ObjectStore, SourceStore } from "./ObjectStore.ts"
import { ObjectNotFound, PresignUnsupported, RangeNotSatisfiable, StoreReadOnly } from "./StoreError.ts"

export interface Options {
  /** The folder whose files are the objects. Keys are paths below it. */
  readonly root: string
  /** Refuses `write` and `delete`. A writable root is made when it is missing, a read-only one must exist. */
  readonly readOnly: boolean
}

/**
 * A store whose objects are the files of a folder. It never leaves its root: links to files inside are objects, links
 * out, linked folders, pipes, devices and names that are not UTF-8 are told as unusable. Keys that begin with a dot are
 * objects like any other, but `.joy/` at the top is our own.
 */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<ObjectStore, never, Scope.Scope> {
  const location = resolve(options.root)
  const root = fromText(location)
  if (!options.readOnly) yield* Changes.prepare(root, yield* Clock.currentTimeMillis)

  return {
    kind: "folder",
    location,
    list: yield* Listing.make(root),
    watch: Watch.changes(root),
    head: Effect.fn("FolderStore.head")(function* (key) {
      const { path } = yield* Place.resolve(root, "head", key)
      const stats = yield* Effect.mapError(Syscall.lstat(path), Place.orNotFound("head", key, path))
      if (!stats.isFile()) return yield* new ObjectNotFound({ key })
      return Stored.ofStats(key, stats)
    }),
    read: Effect.fn("FolderStore.read")(function* (key, read = {}) {
      const file = yield* OpenFile.open(root, "read", key, read.ifMatch)
      const range = ByteRanges.cut(read.range, file.object.sizeBytes)
      if (range === "unsatisfiable") {
        return yield* new RangeNotSatisfiable({ key, sizeBytes: file.object.sizeBytes })
      }
      return { object: file.object, range, stream: OpenFile.stream(file, range) }
    }),
    openLocal: Effect.fn("FolderStore.openLocal")(function* (key, open = {}) {
      return yield* OpenFile.open(root, "openLocal", key, open.ifMatch)
    }),
    write: Effect.fn("FolderStore.write")(function* (key, body) {
      if (options.readOnly) return yield* new StoreReadOnly({ key })
      return yield* Effect.scoped(Changes.write(root, key, body))
    }),
    writeFile: Effect.fn("FolderStore.writeFile")(function* (key, path) {
      if (options.readOnly) return yield* new StoreReadOnly({ key })
      return yield* Effect.scoped(Changes.copy(root, key, fromText(resolve(path))))
    }),
    delete: Effect.fn("FolderStore.delete")(function* (key) {
      if (options.readOnly) return yield* new StoreReadOnly({ key })
      yield* Changes.remove(root, key)
    }),
    presignGet: () => Effect.fail(new PresignUnsupported({})),
    presignPut: () => Effect.fail(new PresignUnsupported({}))
  }
})

export const layerSource = (root: string): Layer.Layer<SourceStore> =>
  Layer.effect(SourceStore, make({ root, readOnly: true }))

export const layerDerived = (root: string): Layer.Layer<DerivedStore> =>
  Layer.effect(DerivedStore, make({ root, readOnly: false }))
