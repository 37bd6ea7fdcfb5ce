import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:net"
import * as path from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import * as FolderStore from "../src/FolderStore.ts"
import { inByteOrder, key, listAll } from "./contractTools.ts"
import { isRoot, makeFolders, makeStore, put } from "./folderTools.ts"

describe("FolderStore and what is no file", () => {
  it.effect(
    "tells of pipes, sockets and devices, and waits for none of them",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      execFileSync("mkfifo", [path.join(root, "pipe")])
      const server = createServer()
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(path.join(root, "socket"), () => resume(Effect.void))),
        () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const page = yield* store.list()
      assert.deepStrictEqual(
        page.unusable.map((entry) => [entry.key, entry.reason]),
        [
          ["pipe", "It is a named pipe (FIFO), not a file"],
          ["socket", "It is a socket, not a file"]
        ]
      )
      for (const name of ["pipe", "socket"]) {
        assert.strictEqual((yield* Effect.flip(store.read(key(name))))._tag, "ObjectNotFound")
        assert.strictEqual((yield* Effect.flip(store.openLocal(key(name))))._tag, "ObjectNotFound")
        assert.strictEqual((yield* Effect.flip(store.head(key(name))))._tag, "ObjectNotFound")
      }
    })
  )

  it.effect(
    "tells of files and folders that it has no permission for",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      put(root, "closed/film.mp4")
      put(root, "closed.mp4")
      fs.chmodSync(path.join(root, "closed"), 0)
      fs.chmodSync(path.join(root, "closed.mp4"), 0)
      yield* Effect.addFinalizer(() => Effect.sync(() => fs.chmodSync(path.join(root, "closed"), 0o755)))
      for (const passable of [path.dirname(root), root]) fs.chmodSync(passable, 0o755)
      // To uid 0 nothing is closed.
      yield* Effect.acquireUseRelease(
        Effect.sync(() => (isRoot ? process.seteuid?.(65_534) : undefined)),
        () =>
          Effect.gen(function* () {
            const page = yield* store.list()
            assert.deepStrictEqual(
              page.unusable.map((entry) => entry.key),
              // access(2) asks for the real user, who is still uid 0; opening asks for the effective one.
              isRoot ? ["closed/"] : ["closed.mp4", "closed/"]
            )
            assert.match((yield* Effect.flip(store.read(key("closed.mp4")))).message, /no permission/)
          }),
        () => Effect.sync(() => (isRoot ? process.seteuid?.(0) : undefined))
      )
    })
  )

  it.effect(
    "says that a missing root is missing, and works once it is there",
    Effect.fnUntraced(function* () {
      const { folder } = yield* makeFolders
      const root = path.join(folder, "unmounted")
      const store = yield* FolderStore.make({ root, readOnly: true })
      for (const attempt of [store.list(), store.head(key("a")), store.read(key("a")), store.openLocal(key("a"))]) {
        const error = yield* Effect.flip(attempt as Effect.Effect<unknown, { readonly message: string }>)
        assert.match(error.message, /unmounted does not exist: create it, or mount/)
      }
      put(root, "a")
      assert.deepStrictEqual((yield* listAll(store)).keys, ["a"])
      const file = yield* FolderStore.make({ root: path.join(root, "a"), readOnly: true })
      assert.match((yield* Effect.flip(file.list())).message, /is not a folder/)
    })
  )
})

describe("FolderStore and its thread", () => {
  it.effect(
    "lets a program end that has listed and has nothing else to do",
    Effect.fnUntraced(function* () {
      const { root } = yield* makeStore()
      put(root, "a.mp4")
      const said = execFileSync(process.execPath, [path.join(import.meta.dirname, "listOnce.ts"), root], {
        encoding: "utf8"
      })
      assert.strictEqual(said, "1 listed")
    })
  )
})

describe("FolderStore and byte order", () => {
  it.effect(
    "lists random trees as sorting their keys by bytes does, from any place",
    Effect.fnUntraced(function* () {
      const { root, store } = yield* makeStore()
      const letters = ["!", "-", ".", "0", "a", "é", "\u{ff5e}", "\u{1f600}"]
      let seed = 7
      const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below
      const part = () => `x${Array.from({ length: 1 + next(2) }, () => letters[next(letters.length)]).join("")}`
      const keys = new Set<string>()
      for (let count = 0; count < 400; count++) {
        const name = Array.from({ length: 1 + next(3) }, part).join("/")
        const clashes = [...keys].some((other) => other.startsWith(`${name}/`) || name.startsWith(`${other}/`))
        if (!clashes) keys.add(name)
      }
      for (const name of keys) put(root, name)
      const sorted = inByteOrder([...keys])
      assert.deepStrictEqual((yield* listAll(store, { limit: 7 })).keys, sorted)
      for (let at = 0; at < sorted.length; at += 5) {
        const page = yield* store.list({ startAfter: sorted[at], limit: 3 })
        assert.deepStrictEqual(
          page.objects.map((object): string => object.key),
          sorted.slice(at + 1, at + 4)
        )
      }
    })
  )
})
