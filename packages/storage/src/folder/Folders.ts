import { reservedFolder } from "../ReservedKeys.ts"
import type { ByteString } from "./ByteString.ts"
import * as SyncCalls from "./SyncCalls.ts"

/** The names in a folder, sorted by their bytes; those of folders end in `/`, which is what sorts their contents. */
export type Names = ReadonlyArray<ByteString>

const kept = 16
const keptForMillis = 60_000

interface Kept {
  readonly startAfter: string
  readonly at: number
  readonly folders: ReadonlyMap<ByteString, { readonly mtimeNs: bigint; readonly names: Names }>
}

/**
 * Reads the folders of one page of a listing. A folder of 200,000 names takes half a second to read, so reading it anew
 * for each page of 1,000 would make listing quadratic. Therefore a page leaves the folders that it stopped in to the page
 * that goes on exactly there, for a minute at most, and only while the folder's own time stands still.
 */
export interface Reader {
  /** `path` ends in `/`. */
  readonly names: (path: ByteString) => Names
  /** Says that the listing has left this folder and won't need its names again. */
  readonly leave: (path: ByteString) => void
  readonly keepFor: (startAfter: ByteString) => void
}

const read = (path: ByteString, isRoot: boolean): Names => {
  const names: Array<ByteString> = []
  for (const entry of SyncCalls.readdir(path)) {
    const name = entry.name.toString("latin1") + (entry.isDirectory() ? "/" : "")
    if (!(isRoot && (name === reservedFolder || `${name}/` === reservedFolder))) names.push(name)
  }
  return names.sort()
}

export const makeReaders = () => {
  let listings: ReadonlyArray<Kept> = []

  return (root: ByteString, startAfter: ByteString): Reader => {
    const now = performance.now()
    const left = listings.find((listing) => listing.startAfter === startAfter)
    listings = listings.filter((listing) => listing !== left && now - listing.at < keptForMillis)
    const earlier = left !== undefined && now - left.at < keptForMillis ? left.folders : new Map<never, never>()
    const folders = new Map<ByteString, { readonly mtimeNs: bigint; readonly names: Names }>()

    return {
      names: (path) => {
        // Before the names: what comes in between is seen as a change.
        const { mtimeNs } = SyncCalls.lstat(path)
        const known = earlier.get(path)
        const names = known?.mtimeNs === mtimeNs ? known.names : read(path, path === `${root}/`)
        folders.set(path, { mtimeNs, names })
        return names
      },
      leave: (path) => folders.delete(path),
      keepFor: (next) => {
        listings = [...listings, { startAfter: next, at: performance.now(), folders }].slice(-kept)
      }
    }
  }
}
