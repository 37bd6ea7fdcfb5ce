import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { ETag } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import { bytes, inByteOrder, key, listAll, oddKeys, pattern, readAll, type StoreUnderTest } from "./contractTools.ts"

/** What every store must do, told as one suite. */
export const objectStoreContract = <R>(
  name: string,
  requirements: Layer.Layer<R>,
  make: Effect.Effect<StoreUnderTest, never, R | Scope.Scope>
): void =>
  layer(requirements)(name, (it) => {
    const filled = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
      const tested = yield* make
      yield* Effect.forEach(keys, (name) => tested.put(name, bytes(name)), { concurrency: 16, discard: true })
      return tested
    })

    it.effect(
      "lists 2,500 keys in the byte order of keys, a thousand a page",
      Effect.fnUntraced(function* () {
        const keys = Array.from({ length: 2_500 }, (_, index) =>
          index % 5 === 0 ? `films/${index % 250}/${index}.mp4` : index % 2 === 0 ? `films-${index}` : `f/${index}`
        )
        const { store } = yield* filled(keys)
        const all = yield* listAll(store)
        assert.deepStrictEqual(all.keys, inByteOrder(keys))
        assert.deepStrictEqual(all.pages, [1_000, 1_000, 500])
        const films = yield* listAll(store, { prefix: "films/", limit: 77 })
        assert.deepStrictEqual(films.keys, inByteOrder(keys.filter((key) => key.startsWith("films/"))))
        const behind = yield* listAll(store, { startAfter: "films/100/", limit: 600 })
        const from = Buffer.from("films/100/")
        assert.deepStrictEqual(
          behind.keys,
          inByteOrder(keys.filter((key) => Buffer.compare(Buffer.from(key), from) > 0))
        )
      }),
      60_000
    )

    it.effect(
      "lists up to any key, be it odd, there or not, and says when it has got there",
      Effect.fnUntraced(function* () {
        const { store } = yield* filled(oddKeys)
        const sorted = inByteOrder(oddKeys)
        for (const end of [...oddKeys, "a", "a/", "a/b", "a/b/", "caf", "zz", "\u{10FFFF}"]) {
          const upTo = Buffer.from(end)
          const wanted = sorted.filter((key) => Buffer.compare(Buffer.from(key), upTo) <= 0)
          for (const limit of [3, 1000]) {
            assert.deepStrictEqual((yield* listAll(store, { upTo: end, limit })).keys, wanted, `up to ${end}`)
          }
          const startAfter = wanted.at(-2)
          if (startAfter === undefined) continue
          const last = yield* store.list({ startAfter, upTo: end })
          assert.deepStrictEqual(
            [last.objects.map(({ key }): string => key), last.nextStartAfter],
            [wanted.slice(-1), null]
          )
        }
      }),
      60_000
    )

    it.effect(
      "lists what is under any prefix and behind any key, be they odd",
      Effect.fnUntraced(function* () {
        const { store } = yield* filled(oddKeys)
        assert.deepStrictEqual((yield* listAll(store)).keys, inByteOrder(oddKeys))
        assert.deepStrictEqual((yield* listAll(store, { limit: 1 })).keys, inByteOrder(oddKeys))
        const bounds = [
          ...oddKeys.slice(0, -1),
          "",
          "a",
          "a/",
          "a/b",
          "a/b/",
          "a/b/3",
          ".",
          "zz",
          "日本語/",
          "日本語/映"
        ]
        for (const prefix of bounds) {
          for (const startAfter of bounds) {
            const expected = inByteOrder(
              oddKeys.filter(
                (key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(startAfter)) > 0
              )
            )
            const listed = yield* listAll(store, { prefix, startAfter })
            assert.deepStrictEqual(listed.keys, expected, `${prefix} behind ${startAfter}`)
          }
        }
      }),
      60_000
    )

    it.effect(
      "says the same of an object when it lists, looks, and reads it",
      Effect.fnUntraced(function* () {
        const { store } = yield* filled(oddKeys)
        for (const listed of (yield* listAll(store)).objects) {
          assert.deepStrictEqual(yield* store.head(listed.key), listed)
          const read = yield* readAll(store, listed.key, { ifMatch: listed.etag })
          assert.deepStrictEqual(read.object, listed)
          assert.strictEqual(read.data.toString(), listed.key)
        }
      })
    )

    it.effect(
      "writes, reads back and deletes objects under odd keys",
      Effect.fnUntraced(function* () {
        const { store } = yield* make
        for (const name of oddKeys) {
          const written = yield* store.write(key(name), bytes(name), { contentType: "text/plain" })
          const read = yield* readAll(store, name)
          assert.strictEqual(read.data.toString(), name)
          assert.strictEqual(read.object.etag, written.etag)
          assert.strictEqual(written.sizeBytes, bytes(name).byteLength)
        }
        for (const name of oddKeys) yield* store.delete(key(name))
        assert.deepStrictEqual(yield* store.list(), { objects: [], unusable: [], nextStartAfter: null })
      })
    )

    it.effect(
      "gives back every byte of what was written, whatever its length",
      Effect.fnUntraced(function* () {
        const { store } = yield* make
        for (const length of [0, 1, 65_535, 65_536, 65_537, 524_288, 524_289, 1_500_000]) {
          const body = pattern(length)
          yield* store.write(key("derived/one.bin"), body)
          const read = yield* readAll(store, "derived/one.bin")
          assert.isTrue(Buffer.from(body).equals(read.data), `${length} bytes`)
          assert.strictEqual(read.object.sizeBytes, length)
          assert.deepStrictEqual(read.range, length === 0 ? null : { start: 0, end: length - 1 })
        }
      })
    )

    it.effect(
      "writes what is in a file, whatever its length, and tells the version that is then there",
      Effect.fnUntraced(function* () {
        const { store } = yield* make
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "joy-store-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        )
        const path = join(folder, "a film.mp4")
        // The last one is sent to S3 in three parts.
        for (const length of [0, 1, 1_048_577, 2 ** 25 + 1]) {
          const body = pattern(length)
          writeFileSync(path, body)
          const written = yield* store.writeFile(key("derived/film.mp4"), path, { contentType: "video/mp4" })
          const read = yield* readAll(store, "derived/film.mp4", { ifMatch: written.etag })
          assert.isTrue(Buffer.from(body).equals(read.data), `${length} bytes`)
          assert.strictEqual(written.sizeBytes, length)
        }
        const before = yield* store.head(key("derived/film.mp4"))
        const missing = yield* Effect.flip(store.writeFile(key("derived/film.mp4"), join(folder, "none")))
        assert.strictEqual(missing._tag, "StoreUnavailable")
        assert.deepStrictEqual(yield* store.head(key("derived/film.mp4")), before)
        assert.deepStrictEqual((yield* listAll(store)).keys, ["derived/film.mp4"])
      })
    )

    it.effect(
      "reads ranges up to the edges of an object, and cuts what lies beyond",
      Effect.fnUntraced(function* () {
        const { put, store } = yield* make
        yield* put("ten", bytes("0123456789"))
        const range = (start: number, end: number) =>
          Effect.map(readAll(store, "ten", { range: { start, end } }), (read) => [read.data.toString(), read.range])
        assert.deepStrictEqual(yield* range(0, 0), ["0", { start: 0, end: 0 }])
        assert.deepStrictEqual(yield* range(9, 9), ["9", { start: 9, end: 9 }])
        assert.deepStrictEqual(yield* range(2, 5), ["2345", { start: 2, end: 5 }])
        assert.deepStrictEqual(yield* range(0, 9), ["0123456789", { start: 0, end: 9 }])
        assert.deepStrictEqual(yield* range(7, 10), ["789", { start: 7, end: 9 }])
        assert.deepStrictEqual(yield* range(7, Number.MAX_SAFE_INTEGER), ["789", { start: 7, end: 9 }])
        assert.deepStrictEqual(yield* range(0, Infinity), ["0123456789", { start: 0, end: 9 }])
        assert.strictEqual((yield* readAll(store, "ten", { range: { start: 3, end: 4 } })).object.sizeBytes, 10)
      })
    )

    it.effect(
      "refuses ranges that begin behind the end or are none, and says how long the object is",
      Effect.fnUntraced(function* () {
        const { put, store } = yield* make
        yield* put("ten", bytes("0123456789"))
        yield* put("empty", bytes(""))
        const refused = (name: string, start: number, end: number) =>
          Effect.map(Effect.flip(readAll(store, name, { range: { start, end } })), (error) =>
            error._tag === "RangeNotSatisfiable" ? error.sizeBytes : error._tag
          )
        assert.strictEqual(yield* refused("ten", 10, 10), 10)
        assert.strictEqual(yield* refused("ten", 99, 100), 10)
        assert.strictEqual(yield* refused("ten", 5, 4), 10)
        assert.strictEqual(yield* refused("ten", -1, 4), 10)
        assert.strictEqual(yield* refused("empty", 0, 0), 0)
        assert.strictEqual(yield* refused("none", 5, 4), "ObjectNotFound")
      })
    )

    it.effect(
      "reads an object only in the version that was asked for [M9]",
      Effect.fnUntraced(function* () {
        const { store } = yield* make
        const first = yield* store.write(key("a/film"), bytes("first"))
        assert.strictEqual((yield* readAll(store, "a/film", { ifMatch: first.etag })).data.toString(), "first")
        const second = yield* store.write(key("a/film"), bytes("other"))
        assert.notStrictEqual(second.etag, first.etag)
        assert.strictEqual((yield* store.head(key("a/film"))).etag, second.etag)
        for (const range of [undefined, { start: 0, end: 1 }, { start: 90, end: 91 }]) {
          const error = yield* Effect.flip(readAll(store, "a/film", { ifMatch: first.etag, range }))
          assert.strictEqual(error._tag, "ObjectChanged")
        }
        const other = yield* Effect.flip(readAll(store, "a/film", { ifMatch: ETag.make("none-such") }))
        assert.strictEqual(other._tag, "ObjectChanged")
      })
    )

    it.effect(
      "does not find what is not there, and deletes it nevertheless",
      Effect.fnUntraced(function* () {
        const { put, store } = yield* make
        yield* put("folder/file", bytes("x"))
        for (const name of ["none", "none/deeper", "folder", "folder/file/below", "folder/fil"]) {
          assert.strictEqual((yield* Effect.flip(store.head(key(name))))._tag, "ObjectNotFound", name)
          assert.strictEqual((yield* Effect.flip(readAll(store, name)))._tag, "ObjectNotFound", name)
          yield* store.delete(key(name))
        }
        assert.deepStrictEqual((yield* listAll(store)).keys, ["folder/file"])
        yield* store.delete(key("folder/file"))
        yield* store.delete(key("folder/file"))
        assert.deepStrictEqual((yield* listAll(store)).keys, [])
      })
    )

    it.effect(
      "keeps its own folder out of the library",
      Effect.fnUntraced(function* () {
        const { put, store } = yield* make
        for (const name of [".joy/item/etag/thumbnail", ".joy/tmp/half", ".joys", "video"]) yield* put(name, bytes("x"))
        assert.deepStrictEqual((yield* listAll(store)).keys, [".joys", "video"])
        assert.deepStrictEqual((yield* listAll(store, { limit: 1 })).keys, [".joys", "video"])
        assert.deepStrictEqual((yield* listAll(store, { prefix: ".joy/" })).keys, [])
        const own = key(".joy/item/etag/thumbnail")
        assert.strictEqual((yield* Effect.flip(store.head(own)))._tag, "ObjectNotFound")
        assert.strictEqual((yield* Effect.flip(readAll(store, own)))._tag, "ObjectNotFound")
        assert.strictEqual((yield* Effect.flip(store.write(own, bytes("x"))))._tag, "StoreUnavailable")
      })
    )

    it.effect(
      "streams a big object whole to a consumer that is slow",
      Effect.fnUntraced(function* () {
        const { put, store } = yield* make
        const body = pattern(24 * 1024 * 1024)
        yield* put("big", body)
        const hash = createHash("sha256")
        const later = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        const read = yield* store.read(key("big"))
        let biggest = 0
        yield* Stream.runForEach(read.stream, (chunk) => {
          biggest = Math.max(biggest, chunk.byteLength)
          return Effect.map(later, () => hash.update(chunk))
        })
        assert.strictEqual(hash.digest("hex"), createHash("sha256").update(body).digest("hex"))
        assert.isAtMost(biggest, 1024 * 1024)
      })
    )

    it.effect(
      "reads on after a read that was given up half way",
      Effect.fnUntraced(function* () {
        const { put, store } = yield* make
        yield* put("big", pattern(8 * 1024 * 1024))
        for (let round = 0; round < 20; round++) {
          const begun = Effect.scoped(
            Effect.flatMap(store.read(key("big")), (body) => Stream.runHead(body.stream.pipe(Stream.take(1))))
          )
          yield* begun
        }
        assert.strictEqual(
          (yield* readAll(store, "big", { range: { start: 8_000_000, end: 8_000_009 } })).data.length,
          10
        )
      })
    )

    it.effect(
      "signs URLs that read, and that write just what was agreed, or says that it can't",
      Effect.fnUntraced(function* () {
        const { presigns, store } = yield* make
        const options = { expiresIn: "1 minute", contentType: "image/webp", sizeBytes: 5 } as const
        if (!presigns) {
          assert.strictEqual((yield* Effect.flip(store.presignGet(key("a"), options)))._tag, "PresignUnsupported")
          assert.strictEqual((yield* Effect.flip(store.presignPut(key("a"), options)))._tag, "PresignUnsupported")
          return
        }
        const name = key("uploads/ä b+c.webp")
        const put = yield* store.presignPut(name, options)
        const send = (type: string, body: string) =>
          Effect.promise(() => fetch(put, { method: "PUT", headers: { "content-type": type }, body }))
        assert.strictEqual((yield* send("text/html", "12345")).status, 403)
        assert.strictEqual((yield* send("image/webp", "123456")).status, 403)
        assert.strictEqual((yield* Effect.flip(store.head(name)))._tag, "ObjectNotFound")
        assert.strictEqual((yield* send("image/webp", "12345")).status, 200)
        const get = yield* store.presignGet(name, options)
        const answer = yield* Effect.promise(() => fetch(get))
        assert.strictEqual(yield* Effect.promise(() => answer.text()), "12345")
        const forged = get.replace(/X-Amz-Signature=..../, "X-Amz-Signature=0000")
        assert.strictEqual((yield* Effect.promise(() => fetch(forged))).status, 403)
      })
    )
  })
