import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

import type { ObjectStore, StoreChange } from "../src/ObjectStore.ts"
import { makeStore, put } from "./folderTools.ts"

const nameOf = (change: StoreChange) =>
  change._tag === "Key" ? change.key : change._tag === "Below" ? change.prefix : "anything"

/** What a store tells, from when it listens. */
const watched = Effect.fnUntraced(function* (store: ObjectStore) {
  const told: Array<string> = []
  const { watch } = store
  if (watch === null) return yield* Effect.die(new Error("It tells nothing"))
  const fiber = yield* Effect.forkScoped(
    Stream.runForEach(watch, (changes) => Effect.sync(() => told.push(...changes.map(nameOf))))
  )
  const until = (isEnough: (told: ReadonlyArray<string>) => boolean) =>
    Effect.gen(function* () {
      while (!isEnough(told)) yield* Effect.sleep("10 millis")
      return told.splice(0)
    }).pipe(
      Effect.timeoutOrElse({
        duration: "20 seconds",
        orElse: () => Effect.die(new Error(`It told ${JSON.stringify(told)}`))
      })
    )
  assert.deepStrictEqual(yield* until((told) => told.length > 0), ["anything"])
  return { until, ended: Fiber.await(fiber) }
})

const has =
  (...names: ReadonlyArray<string>) =>
  (told: ReadonlyArray<string>) =>
    names.every((name) => told.includes(name))

describe("A folder that is watched", () => {
  it.live("tells of files that come, change, move and go, however deep", () =>
    Effect.gen(function* () {
      const { root, store } = yield* makeStore()
      put(root, "there/deep/down/old.mp4")
      const { until } = yield* watched(store)
      put(root, "new.mp4")
      yield* until(has("new.mp4"))
      put(root, "there/deep/down/old.mp4", "changed")
      put(root, "there/é ～🎵.mp4")
      yield* until(has("there/deep/down/old.mp4", "there/é ～🎵.mp4"))
      fs.renameSync(path.join(root, "new.mp4"), path.join(root, "there/deep/new.mp4"))
      yield* until(has("new.mp4", "there/deep/new.mp4"))
      fs.rmSync(path.join(root, "there/deep/new.mp4"))
      yield* until(has("there/deep/new.mp4"))
    })
  )

  it.live("tells of folders that come, move and go, and of what happens in them from then on", () =>
    Effect.gen(function* () {
      const { outside, root, store } = yield* makeStore()
      put(root, "a/b/1.mp4")
      const { until } = yield* watched(store)
      put(outside, "season/1.mp4")
      fs.renameSync(path.join(outside, "season"), path.join(root, "a/season"))
      yield* until(has("a/season/"))
      put(root, "a/season/2.mp4")
      yield* until(has("a/season/2.mp4"))
      fs.renameSync(path.join(root, "a"), path.join(root, "z"))
      yield* until(has("a/", "z/"))
      put(root, "z/season/3.mp4")
      put(root, "z/b/2.mp4")
      yield* until(has("z/season/3.mp4", "z/b/2.mp4"))
      // Another one under the same name.
      fs.renameSync(path.join(root, "z/b"), path.join(outside, "b"))
      fs.mkdirSync(path.join(root, "z/b"))
      yield* until(has("z/b/"))
      put(root, "z/b/3.mp4")
      yield* until(has("z/b/3.mp4"))
      fs.rmSync(path.join(root, "z"), { recursive: true })
      yield* until(has("z/"))
    })
  )

  it.live("tells nothing of what is its own, and names no file that has no key", () =>
    Effect.gen(function* () {
      const { root, store } = yield* makeStore()
      const { until } = yield* watched(store)
      put(root, ".joy/derived/x.webp")
      put(root, Buffer.from("bad-\xff.mp4", "latin1"))
      put(root, Buffer.concat([Buffer.from("bad-\xff/", "latin1"), Buffer.from("1.mp4")]))
      put(root, "last.mp4")
      assert.deepStrictEqual(yield* until(has("last.mp4")), ["last.mp4"])
    })
  )

  it.live("says that anything may have changed in a flood, and sees what comes after it", () =>
    Effect.gen(function* () {
      const { root, store } = yield* makeStore()
      const { until } = yield* watched(store)
      for (let folder = 0; folder < 30; folder++) {
        for (let file = 0; file < 60; file++) put(root, `${folder}/${file}.mp4`)
        for (let file = 0; file < 60; file++) put(root, `${folder} ${file}.mp4`)
      }
      yield* until(has("anything"))
      // All folders are watched by then, or told of.
      put(root, "29/late.mp4")
      yield* until((told) => told.includes("29/late.mp4") || told.includes("29/") || told.includes("anything"))
    })
  )

  it.live("fails when the folder is another one than it was", () =>
    Effect.gen(function* () {
      const { folder, root, store } = yield* makeStore()
      const { ended } = yield* watched(store)
      fs.renameSync(root, path.join(folder, "unmounted"))
      fs.mkdirSync(root)
      const exit = yield* ended
      assert.isTrue(Exit.isFailure(exit))
      assert.match(JSON.stringify(exit), /no longer the folder that it was/)
    })
  )

  it.live("fails, and says what to do, when the system has nothing left to watch with", () =>
    Effect.gen(function* () {
      const { root } = yield* makeStore()
      const script = path.join(import.meta.dirname, "watchWithoutDescriptors.ts")
      const said = execFileSync("sh", ["-c", `ulimit -n 80; exec '${process.execPath}' '${script}' '${root}'`], {
        encoding: "utf8"
      })
      assert.match(said, /no watches left for .*: raise fs\.inotify\.max_user_watches/)
      assert.match(said, /retryable: false/)
    })
  )
})
