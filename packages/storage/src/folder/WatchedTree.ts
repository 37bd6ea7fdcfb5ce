import { type FSWatcher, watch } from "node:fs"

import * as Effect from "effect/Effect"

import { isReservedKey } from "../ReservedKeys.ts"
import { type ByteString, toBuffer } from "./ByteString.ts"
import * as ErrorCodes from "./ErrorCodes.ts"
import * as Syscall from "./Syscall.ts"

/**
 * The folders below a root that the system tells of changes in. On Linux each has a watch of its own (inotify); elsewhere
 * the root's covers all of them.
 */
const watchesTrees = process.platform !== "linux"

/** `folder` is the path below the root, ending in `/`; `""` is the root itself. */
type Folder = ByteString

const errorOf = (error: unknown) =>
  new Syscall.SyscallError({
    code: error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN",
    detail: error instanceof Error ? error.message : String(error)
  })

export const make = (
  root: ByteString,
  listener: {
    /** Something happened to this path below the root. `isName`: to its name, it came or went; else to what has the name. */
    readonly changed: (path: ByteString, isName: boolean) => void
    readonly failed: (error: Syscall.SyscallError) => void
  }
) => {
  const watchers = new Map<Folder, FSWatcher>()

  const forget = (folder: Folder) => {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }

  const open = (folder: Folder) =>
    Effect.try({
      try: () => {
        const watcher = watch(
          toBuffer(`${root}/${folder}`),
          { encoding: "buffer", persistent: false, recursive: watchesTrees },
          (event, name) => {
            // Without a name it is about the folder itself, of which its parent tells as well.
            if (name !== null && name.length > 0)
              listener.changed(folder + name.toString("latin1"), event === "rename" || watchesTrees)
          }
        )
        watcher.on("error", (error) => listener.failed(errorOf(error)))
        watchers.set(folder, watcher)
      },
      catch: errorOf
    })

  /** Watches a folder and all below it. One that is gone by now, or may not be read, is left out. */
  const add = (folder: Folder): Effect.Effect<void, Syscall.SyscallError> =>
    Effect.gen(function* () {
      if (isReservedKey(folder)) return
      if (!watchers.has(folder)) yield* open(folder)
      if (watchesTrees) return
      // After its watch: what is made in between is seen twice, and not missed.
      for (const entry of yield* Syscall.readdir(`${root}/${folder}`)) {
        if (entry.isDirectory()) yield* add(`${folder}${entry.name.toString("latin1")}/`)
      }
    }).pipe(
      Effect.catchIf(
        (error) => folder !== "" && (ErrorCodes.isAbsent(error) || ErrorCodes.isRefused(error)),
        () => Effect.sync(() => remove(folder))
      )
    )

  const remove = (folder: Folder) => {
    for (const watched of watchers.keys()) if (watched.startsWith(folder)) forget(watched)
  }

  return {
    add,
    has: (folder: Folder) => watchesTrees || watchers.has(folder),
    /** No longer watches a folder nor what was below it. */
    remove,
    close: () => remove("")
  }
}
