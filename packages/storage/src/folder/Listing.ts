import type { StoredObject } from "@joy/domain/StoredObject"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

import type { ObjectPage, ObjectStore, UnusableEntry } from "../ObjectStore.ts"
import type { StoreUnavailable } from "../StoreError.ts"
import { type ByteString, fromText, toPrintable, toText } from "./ByteString.ts"
import * as Failure from "./Failure.ts"
import * as Folders from "./Folders.ts"
import * as Place from "./Place.ts"
import * as Stat from "./Stat.ts"
import * as Syscall from "./Syscall.ts"
import { type Entry, walk } from "./Walk.ts"

const maxLimit = 1000

/** Enough to keep the thread pool (four threads) busy, few enough not to keep everyone else out of it. */
const lookConcurrency = 8

type Seen = Data.TaggedEnum<{
  Usable: { readonly object: StoredObject }
  Unusable: { readonly entry: UnusableEntry }
  Gone: {}
}>
const Seen = Data.taggedEnum<Seen>()

const unusable = (key: ByteString, reason: string) => Seen.Unusable({ entry: { key: toPrintable(key), reason } })

const noPermission = "This process has no permission to read it: correct its owner or mode"

/** Why a name could not be looked at. It vanished, or is at fault itself; what isn't its fault fails the listing. */
const unseen =
  (key: ByteString, path: ByteString) =>
  (error: Syscall.SyscallError): Effect.Effect<Seen, StoreUnavailable> => {
    if (Failure.isGeneral(error)) return Effect.fail(Failure.unavailable("list", path)(error))
    if (error.code === "ENAMETOOLONG") return Effect.succeed(unusable(key, "Its path is too long for this system"))
    if (Failure.isAbsent(error)) return Effect.succeed(Seen.Gone())
    return Effect.succeed(unusable(key, Failure.isRefused(error) ? noPermission : `It can't be read (${error.code})`))
  }

const throughLink = Effect.fnUntraced(function* (root: ByteString, key: ByteString, text: string) {
  const path = `${root}/${key}`
  const target = yield* Syscall.realpath(path)
  const stats = yield* Syscall.lstat(target)
  if (stats.isDirectory())
    return unusable(key, "It is a link to a folder, which could go round in circles: not followed")
  if (!Place.isInside(root, target)) {
    return unusable(key, "It is a link that leads out of the library: move the file in, or mount its folder inside")
  }
  if (!stats.isFile()) return unusable(key, Stat.strangeKind(stats) ?? "It is no file")
  if (!Stat.seemsReadable(stats) && !(yield* Syscall.isReadable(target))) return unusable(key, noPermission)
  return Seen.Usable({ object: Stat.toObject(text, stats) })
})

const ofLink = (root: ByteString, key: ByteString, text: string) =>
  throughLink(root, key, text).pipe(
    Effect.catch((error) => {
      if (error.code === "ELOOP") return Effect.succeed(unusable(key, "It is a link that leads back to itself"))
      return error.code === "ENOENT" || error.code === "ENOTDIR"
        ? Effect.succeed(unusable(key, "It is a link to something that is not there"))
        : unseen(key, `${root}/${key}`)(error)
    })
  )

const look = (root: ByteString) =>
  Effect.fnUntraced(function* (entry: Entry): Effect.fn.Return<Seen, StoreUnavailable> {
    if (entry.problem !== null) return unusable(entry.key, entry.problem)
    const path = `${root}/${entry.key}`
    const text = toText(entry.key) ?? ""
    const seen = Effect.gen(function* () {
      const stats = yield* Syscall.lstat(path)
      if (stats.isSymbolicLink()) return yield* ofLink(root, entry.key, text)
      // A folder now was a file a moment ago. Its contents come with the next listing.
      if (stats.isDirectory()) return Seen.Gone()
      if (!stats.isFile()) return unusable(entry.key, Stat.strangeKind(stats) ?? "It is no file")
      if (!Stat.seemsReadable(stats) && !(yield* Syscall.isReadable(path))) return unusable(entry.key, noPermission)
      return Seen.Usable({ object: Stat.toObject(text, stats) })
    })
    return yield* Effect.catchTag(seen, "SyscallError", unseen(entry.key, path))
  })

export const make = (root: ByteString): ObjectStore["list"] => {
  const openReader = Folders.makeReaders()

  return Effect.fn("FolderStore.list")(function* (options = {}): Effect.fn.Return<ObjectPage, StoreUnavailable> {
    const real = yield* Place.realRoot(root, "list")
    const startAfter = fromText(options.startAfter ?? "")
    const reader = yield* openReader(real, startAfter)
    const found = yield* walk(reader, {
      root: real,
      prefix: fromText(options.prefix ?? ""),
      startAfter,
      limit: Math.min(Math.max(options.limit ?? maxLimit, 1), maxLimit)
    })
    const seen = yield* Effect.forEach(found.entries, look(real), { concurrency: lookConcurrency })
    if (found.next !== null) yield* reader.keepFor(found.next)
    return {
      objects: seen.flatMap((one) => (one._tag === "Usable" ? [one.object] : [])),
      unusable: seen.flatMap((one) => (one._tag === "Unusable" ? [one.entry] : [])),
      nextStartAfter: found.next === null ? null : toText(found.next)
    }
  })
}
