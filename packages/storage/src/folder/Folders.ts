import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

import { reservedFolder } from "../ReservedKeys.ts"
import type { ByteString } from "./ByteString.ts"
import * as Syscall from "./Syscall.ts"

/** The names in a folder, sorted by their bytes; those of folders end in `/`, which is what sorts their contents. */
export type Names = ReadonlyArray<ByteString>

/** A folder of this many names is not read again for each page of a listing. */
const worthKeeping = 1000
const kept = 8
const keptForMillis = 60_000

interface Kept {
  readonly startAfter: string
  readonly at: number
  readonly folders: ReadonlyMap<ByteString, { readonly mtimeNs: bigint; readonly names: Names }>
}

/**
 * Reads the folders of one page of a listing. A folder of 200,000 names takes half a second to read, so reading it anew
 * for each page of 1,000 would make listing quadratic. Therefore a page leaves the big folders that it stopped in to
 * the page that goes on exactly there, for a minute at most, and only while the folder's own time stands still.
 */
export interface Reader {
  /** `path` ends in `/`. */
  readonly names: (path: ByteString) => Effect.Effect<Names, Syscall.SyscallError>
  /** Says that the listing has left this folder and won't need its names again. */
  readonly leave: (path: ByteString) => void
  readonly keepFor: (startAfter: string) => Effect.Effect<void>
}

const read = Effect.fnUntraced(function* (
  path: ByteString,
  isRoot: boolean
): Effect.fn.Return<Names, Syscall.SyscallError> {
  const entries = yield* Syscall.readdir(path)
  const names: Array<ByteString> = []
  for (const entry of entries) {
    const name = entry.name.toString("latin1") + (entry.isDirectory() ? "/" : "")
    if (!(isRoot && (name === reservedFolder || `${name}/` === reservedFolder))) names.push(name)
  }
  return names.sort()
})

export const makeReaders = () => {
  let listings: ReadonlyArray<Kept> = []

  return Effect.fnUntraced(function* (root: ByteString, startAfter: string): Effect.fn.Return<Reader> {
    const now = yield* Clock.currentTimeMillis
    const left = listings.find((listing) => listing.startAfter === startAfter)
    listings = listings.filter((listing) => listing !== left && now - listing.at < keptForMillis)
    const earlier = left !== undefined && now - left.at < keptForMillis ? left.folders : new Map<never, never>()
    const folders = new Map<ByteString, { readonly mtimeNs: bigint; readonly names: Names }>()

    const names = Effect.fnUntraced(function* (path: ByteString) {
      const known = earlier.get(path)
      if (known !== undefined && (yield* Syscall.lstat(path)).mtimeNs === known.mtimeNs) {
        folders.set(path, known)
        return known.names
      }
      const names = yield* read(path, path === `${root}/`)
      if (names.length > worthKeeping) folders.set(path, { mtimeNs: (yield* Syscall.lstat(path)).mtimeNs, names })
      return names
    })

    return {
      names,
      leave: (path) => folders.delete(path),
      keepFor: (next) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          if (folders.size > 0) listings = [...listings, { startAfter: next, at, folders }].slice(-kept)
        })
    }
  })
}
