import * as fs from "node:fs"
import * as path from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { collect, key, listAll } from "./contractTools.ts"
import { makeStore, put } from "./folderTools.ts"

describe("FolderStore and links", () => {
  it.effect(
    "takes a link to a file inside for an object, and every other link for unusable [M7]",
    Effect.fnUntraced(function* () {
      const { outside, root, store } = yield* makeStore()
      put(root, "real/film.mp4", "film")
      fs.symlinkSync("real/film.mp4", path.join(root, "inside.mp4"))
      fs.symlinkSync(path.join(root, "inside.mp4"), path.join(root, "twice.mp4"))
      fs.symlinkSync(path.join(outside, "secret"), path.join(root, "out.mp4"))
      fs.symlinkSync("../outside/secret", path.join(root, "real/out too.mp4"))
      fs.symlinkSync("nowhere", path.join(root, "dangling.mp4"))
      fs.symlinkSync("self.mp4", path.join(root, "self.mp4"))
      fs.symlinkSync("..", path.join(root, "real/cycle"))
      fs.symlinkSync(outside, path.join(root, "folder out"))

      const page = yield* store.list()
      assert.deepStrictEqual(
        page.objects.map((object): string => object.key),
        ["inside.mp4", "real/film.mp4", "twice.mp4"]
      )
      const reasons = new Map(page.unusable.map((entry) => [entry.key, entry.reason]))
      assert.deepStrictEqual(
        [...reasons.keys()],
        ["dangling.mp4", "folder out", "out.mp4", "real/cycle", "real/out too.mp4", "self.mp4"]
      )
      assert.match(reasons.get("dangling.mp4") ?? "", /not there/)
      assert.match(reasons.get("out.mp4") ?? "", /out of the library/)
      assert.match(reasons.get("real/cycle") ?? "", /link to a folder/)
      assert.match(reasons.get("self.mp4") ?? "", /leads back to itself/)

      for (const name of ["inside.mp4", "twice.mp4"]) {
        const body = yield* store.read(key(name))
        assert.strictEqual((yield* collect(body.stream)).toString(), "film")
        assert.deepStrictEqual(yield* store.head(key(name)), body.object)
      }
      for (const name of [...reasons.keys(), "folder out/secret", "real/cycle/inside.mp4"]) {
        assert.strictEqual((yield* Effect.flip(store.head(key(name))))._tag, "ObjectNotFound", name)
        assert.strictEqual((yield* Effect.flip(store.read(key(name))))._tag, "ObjectNotFound", name)
        assert.strictEqual((yield* Effect.flip(store.openLocal(key(name))))._tag, "ObjectNotFound", name)
      }
    })
  )

  it.effect(
    "writes and deletes nothing through a linked folder [M7]",
    Effect.fnUntraced(function* () {
      const { outside, root, store } = yield* makeStore()
      fs.symlinkSync(outside, path.join(root, "link"))
      const error = yield* Effect.flip(store.write(key("link/new"), new Uint8Array(1)))
      assert.strictEqual(error._tag, "StoreUnavailable")
      yield* store.delete(key("link/secret"))
      assert.deepStrictEqual(fs.readdirSync(outside), ["secret"])
      assert.deepStrictEqual(fs.readdirSync(path.join(root, ".joy/tmp")), [])
    })
  )

  it.effect(
    "deletes a link and not what it leads to",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "film.mp4")
      fs.symlinkSync("film.mp4", path.join(root, "link.mp4"))
      yield* store.delete(key("link.mp4"))
      assert.deepStrictEqual((yield* listAll(store)).keys, ["film.mp4"])
    })
  )
})

describe("FolderStore and names", () => {
  it.effect(
    "never leaves its root, whatever the key says [M7]",
    Effect.fnUntraced(function* () {
      const { outside, root, store } = yield* makeStore()
      put(root, "a/b")
      const secret = path.join(outside, "secret")
      const bad = [
        "../outside/secret",
        "a/../../outside/secret",
        secret,
        "a//b",
        "a/./b",
        "./a/b",
        "a/b/",
        "/a/b",
        "a\0b",
        ".."
      ]
      for (const name of [...bad, "\ud800"]) {
        assert.strictEqual((yield* Effect.flip(store.head(key(name))))._tag, "ObjectNotFound", name)
        assert.strictEqual((yield* Effect.flip(store.read(key(name))))._tag, "ObjectNotFound", name)
        assert.strictEqual((yield* Effect.flip(store.openLocal(key(name))))._tag, "ObjectNotFound", name)
        assert.strictEqual(
          (yield* Effect.flip(store.write(key(name), new Uint8Array(1))))._tag,
          "StoreUnavailable",
          name
        )
        yield* store.delete(key(name))
      }
      assert.deepStrictEqual((yield* listAll(store)).keys, ["a/b"])
      assert.strictEqual(fs.readFileSync(secret, "utf8"), "secret")
    })
  )

  it.effect(
    "tells of names that are not UTF-8, and goes on behind them on the next page",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      for (const name of ["a", "b", "y", "z"]) put(root, name)
      put(root, Buffer.from([0x61, 0xff, 0x2e, 0x6d, 0x70, 0x34]))
      put(root, Buffer.from([0x62, 0xc3, 0x28, 0x2f, 0x78]))
      put(root, Buffer.from([0xff, 0xfe]))
      const names = ["a\\xff.mp4", "b\\xc3(/", "\\xff\\xfe"]
      for (const limit of [1, 2, 3, 4, 1_000]) {
        const unusable: Array<string> = []
        const objects: Array<string> = []
        let startAfter: string | null = ""
        do {
          const page: Effect.Success<ReturnType<typeof store.list>> = yield* store.list({ startAfter, limit })
          objects.push(...page.objects.map((object) => object.key))
          unusable.push(...page.unusable.map((entry) => entry.key))
          assert.isTrue(page.unusable.every((entry) => entry.reason.includes("not UTF-8")))
          startAfter = page.nextStartAfter
        } while (startAfter !== null)
        assert.deepStrictEqual(objects, ["a", "b", "y", "z"])
        assert.deepStrictEqual(unusable, names)
      }
    })
  )

  it.effect(
    "names a hundred names that are not UTF-8 and counts the others",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      for (let index = 0; index < 130; index++)
        put(root, Buffer.from([0xff, 0x30 + (index % 10), 0x30 + Math.floor(index / 10)]))
      const page = yield* store.list({ limit: 5 })
      assert.strictEqual(page.unusable.length, 100)
      assert.match(page.unusable.at(-1)?.reason ?? "", /and 30 more/)
      assert.isNull(page.nextStartAfter)
    })
  )

  it.effect(
    "holds names of 255 bytes, and finds none of 256",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const longest = `${"ä".repeat(125)}.mp44`
      put(root, longest)
      assert.strictEqual(Buffer.byteLength(longest), 255)
      assert.deepStrictEqual((yield* listAll(store)).keys, [longest])
      const longer = key("x".repeat(256))
      assert.strictEqual((yield* Effect.flip(store.head(longer)))._tag, "ObjectNotFound")
      assert.strictEqual((yield* Effect.flip(store.read(longer)))._tag, "ObjectNotFound")
      yield* store.delete(longer)
      const error = yield* Effect.flip(store.write(longer, new Uint8Array(1)))
      assert.match(error.message, /too long/)
    })
  )

  it.effect(
    "tells of paths that are longer than a key may be",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const part = "p".repeat(250)
      const folder = `${part}/${part}/${part}/${part}`
      put(root, `${folder}/${"q".repeat(20)}`)
      put(root, `${folder}/${"q".repeat(21)}`)
      put(root, `${folder}/${"r".repeat(30)}/s`)
      put(root, "z")
      for (const limit of [1, 1_000]) {
        const unusable: Array<string> = []
        let startAfter: string | null = ""
        do {
          const page: Effect.Success<ReturnType<typeof store.list>> = yield* store.list({ startAfter, limit })
          unusable.push(...page.unusable.map((entry) => entry.key))
          startAfter = page.nextStartAfter
        } while (startAfter !== null)
        assert.deepStrictEqual(unusable, [`${folder}/${"q".repeat(21)}`, `${folder}/${"r".repeat(30)}/`])
      }
      assert.deepStrictEqual((yield* listAll(store)).keys, [`${folder}/${"q".repeat(20)}`, "z"])
    })
  )

  it.effect(
    "sees what comes and goes in a big folder between two pages",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const names = Array.from({ length: 3_000 }, (_, index) => `big/${String(index).padStart(4, "0")}`)
      for (const name of names) put(root, name)
      const first = yield* store.list({ limit: 100 })
      assert.strictEqual(first.nextStartAfter, "big/0099")
      const second = yield* store.list({ limit: 100, startAfter: "big/0099" })
      assert.strictEqual(second.objects[0]?.key, "big/0100")
      // So that the folder's time can be seen to have moved on, however coarse it is.
      fs.utimesSync(path.join(root, "big"), 1, 1)
      put(root, "big/0200 new")
      fs.rmSync(path.join(root, "big/0201"))
      fs.utimesSync(path.join(root, "big"), 2, 2)
      const third = yield* store.list({ limit: 3, startAfter: "big/0199" })
      assert.deepStrictEqual(
        third.objects.map((object): string => object.key),
        ["big/0200", "big/0200 new", "big/0202"]
      )
      assert.strictEqual((yield* listAll(store, { limit: 499 })).keys.length, 3_000)
    }),
    60_000
  )
})
