import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import * as ByteString from "../src/folder/ByteString.ts"
import * as Place from "../src/folder/Place.ts"

const folders = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), "joy-place-")))
    const root = path.join(folder, "library")
    const outside = path.join(folder, "outside")
    for (const each of [path.join(root, "sub"), path.join(root, ".joy"), outside])
      fs.mkdirSync(each, { recursive: true })
    for (const each of [root, path.join(root, "sub"), path.join(root, ".joy"), outside]) {
      fs.writeFileSync(path.join(each, "a.mp4"), each)
    }
    return { folder, root, outside }
  }),
  ({ folder }) => Effect.sync(() => fs.rmSync(folder, { recursive: true }))
)

const opened = (file: string) =>
  Effect.acquireRelease(
    Effect.sync(() => fs.openSync(file, "r")),
    (fd) => Effect.sync(() => fs.closeSync(fd))
  )

const holds = (root: string, file: string, fd: number) =>
  Place.holds({ real: ByteString.fromText(root), path: ByteString.fromText(file) }, "open", fd)

describe("what was opened", () => {
  it.live("is the root's when it lies in it", () =>
    Effect.gen(function* () {
      const { root } = yield* folders
      for (const file of [path.join(root, "a.mp4"), path.join(root, "sub/a.mp4")]) {
        assert.isTrue(yield* holds(root, file, yield* opened(file)))
      }
    })
  )

  it.live("is not the root's when a folder on its path was swapped for a link before it was opened [M7]", () =>
    Effect.gen(function* () {
      const { outside, root } = yield* folders
      const file = path.join(root, "sub/a.mp4")
      fs.renameSync(path.join(root, "sub"), path.join(root, "aside"))
      fs.symlinkSync(outside, path.join(root, "sub"))
      assert.isFalse(yield* holds(root, file, yield* opened(file)))
    })
  )

  it.live("is not the root's when it is what the root keeps for itself", () =>
    Effect.gen(function* () {
      const { root } = yield* folders
      const file = path.join(root, ".joy/a.mp4")
      assert.isFalse(yield* holds(root, file, yield* opened(file)))
    })
  )
})
