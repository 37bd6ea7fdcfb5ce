import * as fs from "node:fs"
import * as path from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { vi } from "vitest"

import * as FolderStore from "../src/FolderStore.ts"
import { DerivedStore, SourceStore } from "../src/ObjectStore.ts"
import { collect, key, listAll, pattern } from "./contractTools.ts"
import { makeFolders, makeStore, openFiles, put } from "./folderTools.ts"
import { objectStoreContract } from "./objectStoreContract.ts"

objectStoreContract(
  "FolderStore",
  Layer.empty,
  Effect.map(makeStore(), ({ root, store }) => ({
    store,
    presigns: false,
    put: (key: string, body: Uint8Array) => Effect.sync(() => put(root, key, body))
  }))
)

describe("FolderStore and reads", () => {
  it.effect(
    "frees the file of a read that is interrupted half way, and of one that nobody consumed",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "big", pattern(8 * 1024 * 1024))
      for (let round = 0; round < 25; round++) {
        const fiber = yield* Effect.scoped(
          Effect.flatMap(store.read(key("big")), (body) => Stream.runForEach(body.stream, () => Effect.yieldNow))
        ).pipe(Effect.forkChild({ startImmediately: true }))
        for (let turn = 0; turn < round; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
        yield* Effect.scoped(store.read(key("big")))
        yield* Effect.scoped(store.openLocal(key("big")))
        yield* Effect.scoped(Effect.flip(store.read(key("big"), { range: { start: 1e9, end: 2e9 } })))
      }
      // A read that is under way is not cut off: its file is closed behind it.
      yield* Effect.promise(() => vi.waitFor(() => assert.strictEqual(openFiles(root), 0), { timeout: 10_000 }))
    })
  )

  it.effect(
    "reads the old bytes to their end when the file is replaced meanwhile",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const old = pattern(3 * 1024 * 1024)
      put(root, "film.mp4", old)
      const body = yield* store.read(key("film.mp4"))
      yield* store.write(key("film.mp4"), new Uint8Array(10))
      assert.isTrue((yield* collect(body.stream)).equals(old))
      assert.strictEqual(
        (yield* Effect.flip(store.read(key("film.mp4"), { ifMatch: body.object.etag })))._tag,
        "ObjectChanged"
      )
    })
  )

  it.effect(
    "fails when the file is cut while it is read",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "film.mp4", pattern(2 * 1024 * 1024))
      const body = yield* store.read(key("film.mp4"))
      fs.truncateSync(path.join(root, "film.mp4"), 700_000)
      const error = yield* Effect.flip(collect(body.stream))
      assert.match(error.reason, /film\.mp4 ended early: it was cut to 700000 bytes/)
    })
  )

  it.effect(
    "sees a file that was changed in place as another version",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "film.mp4", "same length")
      const before = yield* store.head(key("film.mp4"))
      fs.utimesSync(path.join(root, "film.mp4"), 1, 1)
      assert.notStrictEqual((yield* store.head(key("film.mp4"))).etag, before.etag)
      assert.match(before.etag, /^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$/)
    })
  )

  it.effect(
    "lends the open file itself, of the version that was asked for",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "film.mp4", "0123456789")
      const object = yield* store.head(key("film.mp4"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const local = yield* store.openLocal(key("film.mp4"), { ifMatch: object.etag })
          assert.isNotNull(local)
          assert.deepStrictEqual(local?.object, object)
          assert.strictEqual(fs.readFileSync(local?.fd ?? -1, "utf8"), "0123456789")
        })
      )
      put(root, "film.mp4", "other")
      const error = yield* Effect.flip(store.openLocal(key("film.mp4"), { ifMatch: object.etag }))
      assert.strictEqual(error._tag, "ObjectChanged")
      assert.strictEqual(openFiles(root), 0)
    })
  )
})

describe("FolderStore and changes", () => {
  it.effect(
    "changes nothing when it is read-only, not even its root [M8]",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore(true)
      put(root, "a/film.mp4")
      assert.strictEqual((yield* Effect.flip(store.write(key("b"), new Uint8Array(1))))._tag, "StoreReadOnly")
      assert.strictEqual((yield* Effect.flip(store.delete(key("a/film.mp4"))))._tag, "StoreReadOnly")
      assert.deepStrictEqual(fs.readdirSync(root), ["a"])
    })
  )

  it.effect(
    "makes the folders of what it writes, and removes those that a deletion leaves empty",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      yield* store.write(key("item/etag/one"), new Uint8Array(1))
      yield* store.write(key("item/etag/two"), new Uint8Array(1))
      yield* store.delete(key("item/etag/one"))
      assert.deepStrictEqual(fs.readdirSync(path.join(root, "item/etag")), ["two"])
      yield* store.delete(key("item/etag/two"))
      assert.deepStrictEqual(fs.readdirSync(root), [".joy"])
      assert.deepStrictEqual(fs.readdirSync(path.join(root, ".joy/tmp")), [])
    })
  )

  it.effect(
    "survives writes and deletions that take each other's folder away",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const round = (index: number) =>
        Effect.andThen(
          store.write(key(`item/etag/${index}`), new Uint8Array(8)),
          store.delete(key(`item/etag/${index}`))
        )
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, index) => index),
        round,
        { concurrency: 8 }
      )
      assert.deepStrictEqual(fs.readdirSync(root), [".joy"])
    })
  )

  it.effect(
    "shows readers the whole old object or the whole new one, never half of one",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const versions = [1, 2, 3].map((value) => new Uint8Array(300_000).fill(value))
      put(root, "a/b", versions[0])
      const write = Effect.forEach(
        Array.from({ length: 60 }, (_, index) => index),
        (index) => store.write(key("a/b"), versions[index % 3] ?? new Uint8Array())
      )
      const fiber = yield* Effect.forkChild(write)
      while (fiber.pollUnsafe() === undefined) {
        const data = yield* Effect.scoped(Effect.flatMap(store.read(key("a/b")), (body) => collect(body.stream)))
        assert.strictEqual(data.length, 300_000)
        assert.isTrue(data.every((byte) => byte === data[0]))
      }
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(fs.readdirSync(path.join(root, ".joy/tmp")), [])
    })
  )

  it.effect(
    "leaves nothing behind when it can't write, and says why",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "folder/file")
      for (const name of ["folder", "folder/file/below"]) {
        const error = yield* Effect.flip(store.write(key(name), new Uint8Array(1)))
        assert.match(error.message, /a file and a folder want the same name/)
      }
      assert.deepStrictEqual(fs.readdirSync(path.join(root, ".joy/tmp")), [])
      assert.deepStrictEqual((yield* listAll(store)).keys, ["folder/file"])
      assert.strictEqual(openFiles(root), 0)
    })
  )

  it.live(
    "clears away what a killed process left half written, and not what another is writing",
    Effect.fnUntraced(function* () {
      const { root } = yield* makeFolders
      put(root, ".joy/tmp/old")
      put(root, ".joy/tmp/new")
      fs.utimesSync(path.join(root, ".joy/tmp/old"), 1, 1)
      yield* FolderStore.make({ root, readOnly: false })
      assert.deepStrictEqual(fs.readdirSync(path.join(root, ".joy/tmp")), ["new"])
    })
  )

  it.effect(
    "comes as the source, which is never written, and as the derived store, which makes its folder",
    Effect.fnUntraced(function* () {
      const { folder, root } = yield* makeFolders
      const layers = Layer.mergeAll(
        FolderStore.layerSource(root),
        FolderStore.layerDerived(path.join(folder, "data/derived"))
      )
      yield* Effect.gen(function* () {
        const source = yield* SourceStore
        const derived = yield* DerivedStore
        assert.strictEqual((yield* Effect.flip(source.write(key("a"), new Uint8Array(1))))._tag, "StoreReadOnly")
        yield* derived.write(key("a"), new Uint8Array(1))
        assert.strictEqual(derived.location, path.join(folder, "data/derived"))
        assert.deepStrictEqual((yield* listAll(derived)).keys, ["a"])
      }).pipe(Effect.provide(layers))
    })
  )
})
