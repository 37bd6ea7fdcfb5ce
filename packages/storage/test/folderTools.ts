import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

import * as Effect from "effect/Effect"

import * as FolderStore from "../src/FolderStore.ts"

/** Permissions mean nothing to this user, so what they forbid can't be tested. */
export const isRoot = process.geteuid?.() === 0

/** A library folder beside one that nothing in it may reach. */
export const makeFolders = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "joy-folder-")))
    const root = path.join(folder, "library")
    const outside = path.join(folder, "outside")
    fs.mkdirSync(root)
    fs.mkdirSync(outside)
    fs.writeFileSync(path.join(outside, "secret"), "secret")
    return { folder, root, outside }
  }),
  ({ folder }) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

export const put = (root: string, name: string | Buffer, body: string | Uint8Array = "x") => {
  const file = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name)])
  fs.mkdirSync(file.subarray(0, file.lastIndexOf("/")), { recursive: true })
  fs.writeFileSync(file, body)
}

export const makeStore = Effect.fnUntraced(function* (readOnly = false) {
  const folders = yield* makeFolders
  const store = yield* FolderStore.make({ root: folders.root, readOnly })
  return { ...folders, store }
})

/** How many descriptors of this process lead to files below the folder. */
export const openFiles = (folder: string): number =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false
    }
  }).length
