import { type ByteString, toPrintable, toText } from "./ByteString.ts"
import * as ErrorCodes from "./ErrorCodes.ts"
import { ListingFailed } from "./ListingFailed.ts"
import * as Paths from "./Paths.ts"
import * as Stat from "./Stat.ts"
import * as SyncCalls from "./SyncCalls.ts"
import type { Entry } from "./Walk.ts"

/** What stands at a place of the listing: an object, something that can't be used, or nothing any more. */
export type Seen =
  | {
      readonly _tag: "Usable"
      readonly key: string
      readonly version: string
      readonly size: number
      readonly modifiedAt: number
    }
  | { readonly _tag: "Unusable"; readonly key: string; readonly reason: string }
  | { readonly _tag: "Gone" }

const gone: Seen = { _tag: "Gone" }

const unusable = (key: ByteString, reason: string): Seen => ({ _tag: "Unusable", key: toPrintable(key), reason })

const noPermission = "This process has no permission to read it: correct its owner or mode"

/** Why a name could not be looked at. It vanished, or is at fault itself; what isn't its fault fails the listing. */
const unseen = (key: ByteString, path: ByteString, error: SyncCalls.CallFailed): Seen => {
  if (ErrorCodes.isGeneral(error)) throw new ListingFailed("entry", path, error)
  if (error.code === "ENAMETOOLONG") return unusable(key, "Its path is too long for this system")
  if (ErrorCodes.isAbsent(error)) return gone
  return unusable(key, ErrorCodes.isRefused(error) ? noPermission : `It can't be read (${error.code})`)
}

const ofFile = (key: ByteString, path: ByteString, stats: ReturnType<typeof SyncCalls.lstat>): Seen => {
  if (!stats.isFile()) return unusable(key, Stat.strangeKind(stats) ?? "It is no file")
  if (!Stat.seemsReadable(stats) && !SyncCalls.isReadable(path)) return unusable(key, noPermission)
  return {
    _tag: "Usable",
    key: toText(key) ?? "",
    version: Stat.versionOf(stats),
    size: Number(stats.size),
    modifiedAt: Number(stats.mtimeMs)
  }
}

const throughLink = (root: ByteString, key: ByteString): Seen => {
  const target = SyncCalls.realpath(`${root}/${key}`)
  const stats = SyncCalls.lstat(target)
  if (stats.isDirectory())
    return unusable(key, "It is a link to a folder, which could go round in circles: not followed")
  if (!Paths.isInside(root, target)) {
    return unusable(key, "It is a link that leads out of the library: move the file in, or mount its folder inside")
  }
  return ofFile(key, target, stats)
}

const ofLink = (root: ByteString, key: ByteString): Seen => {
  const seen = SyncCalls.result(() => throughLink(root, key))
  if (!(seen instanceof SyncCalls.CallFailed)) return seen
  if (seen.code === "ELOOP") return unusable(key, "It is a link that leads back to itself")
  return seen.code === "ENOENT" || seen.code === "ENOTDIR"
    ? unusable(key, "It is a link to something that is not there")
    : unseen(key, `${root}/${key}`, seen)
}

export const look = (root: ByteString, { key, problem }: Entry): Seen => {
  if (problem !== null) return unusable(key, problem)
  const path = `${root}/${key}`
  const stats = SyncCalls.result(() => SyncCalls.lstat(path))
  if (stats instanceof SyncCalls.CallFailed) return unseen(key, path, stats)
  if (stats.isSymbolicLink()) return ofLink(root, key)
  // A folder now was a file a moment ago. Its contents come with the next listing.
  return stats.isDirectory() ? gone : ofFile(key, path, stats)
}
