import { randomUUID } from "node:crypto"
import { constants } from "node:fs"

import type { ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

import { reservedFolder } from "../ReservedKeys.ts"
import { StoreUnavailable } from "../StoreError.ts"
import { type ByteString, fromText } from "./ByteString.ts"
import * as ErrorCodes from "./ErrorCodes.ts"
import * as Failure from "./Failure.ts"
import * as Paths from "./Paths.ts"
import * as Place from "./Place.ts"
import * as Stored from "./Stored.ts"
import * as Syscall from "./Syscall.ts"

const temporary = `${reservedFolder}tmp`

/** A file that is still half written after this long was left by a process that died. */
const abandonedAfterMillis = 24 * 60 * 60 * 1000

/** A folder of which no part is a link, made where it is missing. Fails with ENOTDIR where something else is. */
const ensureFolder = Effect.fnUntraced(function* (
  root: ByteString,
  folder: ByteString
): Effect.fn.Return<void, Syscall.SyscallError> {
  if (folder === root) return
  const real = yield* Syscall.realpath(folder).pipe(
    Effect.catchIf(
      (error) => error.code === "ENOENT",
      () => Effect.succeed(null)
    )
  )
  if (real === folder) return
  if (real !== null) return yield* new Syscall.SyscallError({ code: "ENOTDIR", detail: "a link is in the way" })
  yield* ensureFolder(root, Paths.parentOf(folder))
  yield* Syscall.mkdir(folder).pipe(
    Effect.catchIf(
      (error) => error.code === "EEXIST",
      () => Effect.void
    )
  )
})

const writeAll = Effect.fnUntraced(function* (fd: number, body: Uint8Array) {
  let at = 0
  while (at < body.byteLength) at += yield* Syscall.write(fd, body.subarray(at), at)
})

/** A file of our own that is gone with the scope, unless it was renamed away by then. */
const makeTemporary = Effect.fnUntraced(function* (
  root: ByteString
): Effect.fn.Return<{ readonly path: ByteString; readonly fd: number }, Syscall.SyscallError, Scope.Scope> {
  const path = yield* Effect.sync(() => `${root}/${temporary}/${randomUUID()}`)
  yield* ensureFolder(root, `${root}/${temporary}`)
  const fd = yield* Effect.acquireRelease(
    Syscall.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, Syscall.ownFile),
    (fd) => Effect.andThen(Effect.ignore(Syscall.close(fd)), Effect.ignore(Syscall.unlink(path)))
  )
  return { path, fd }
})

const copyBytes = 2 ** 20

/** Appends all of a file to an empty one. */
const copyAll = Effect.fnUntraced(function* (fd: number, from: ByteString) {
  const source = yield* Effect.acquireRelease(Syscall.open(from, constants.O_RDONLY), (source) =>
    Effect.ignore(Syscall.close(source))
  )
  const piece = new Uint8Array(copyBytes)
  for (let at = 0; ;) {
    const length = yield* Syscall.read(source, piece, at)
    if (length === 0) return
    for (let done = 0; done < length;) done += yield* Syscall.write(fd, piece.subarray(done, length), at + done)
    at += length
  }
}, Effect.scoped)

/**
 * Writes beside, makes it safe on the disk, and renames into place: a reader sees the old file or the new one, also
 * after the power fails. The folder itself is not synced: the name may be lost, and then the object was not written.
 */
const put = Effect.fnUntraced(function* (
  root: ByteString,
  key: ObjectKey,
  fill: (fd: number) => Effect.Effect<void, Syscall.SyscallError>
): Effect.fn.Return<StoredObject, StoreUnavailable, Scope.Scope> {
  if (!Place.isPlain(key)) {
    return yield* new StoreUnavailable({
      operation: "write",
      reason: `${key} can't be a file's path`,
      retryable: false
    })
  }
  const real = yield* Place.realRoot(root, "write")
  const target = `${real}/${fromText(key)}`
  const written = Effect.gen(function* () {
    const file = yield* makeTemporary(real)
    yield* fill(file.fd)
    yield* Syscall.fsync(file.fd)
    const stats = yield* Syscall.fstat(file.fd)
    yield* ensureFolder(real, Paths.parentOf(target)).pipe(
      Effect.andThen(Syscall.rename(file.path, target)),
      // A deletion may take the folder away, as the last one in it, between these two.
      Effect.retry({ while: (error) => error.code === "ENOENT", schedule: Schedule.recurs(5) })
    )
    return Stored.ofStats(key, stats)
  })
  return yield* Effect.mapError(written, Failure.unavailable("write", target))
})

export const write = (root: ByteString, key: ObjectKey, body: Uint8Array) => put(root, key, (fd) => writeAll(fd, body))

/** As `write`, of what is in the file at `from`. */
export const copy = (root: ByteString, key: ObjectKey, from: ByteString) => put(root, key, (fd) => copyAll(fd, from))

const removeEmptyFolders = Effect.fnUntraced(function* (root: ByteString, from: ByteString) {
  for (let folder = from; folder !== root; folder = Paths.parentOf(folder)) yield* Syscall.rmdir(folder)
})

const ignoreAbsent = <A>(effect: Effect.Effect<A, Syscall.SyscallError>) =>
  Effect.catchIf(effect, ErrorCodes.isAbsent, () => Effect.succeed(null))

export const remove = Effect.fnUntraced(function* (
  root: ByteString,
  key: ObjectKey
): Effect.fn.Return<void, StoreUnavailable> {
  if (!Place.isPlain(key)) return
  const real = yield* Place.realRoot(root, "delete")
  const path = `${real}/${fromText(key)}`
  const folder = Paths.parentOf(path)
  const removed = Effect.gen(function* () {
    // Through a linked folder there are no objects, only other people's files.
    if (folder !== real && (yield* ignoreAbsent(Syscall.realpath(folder))) !== folder) return
    const stats = yield* ignoreAbsent(Syscall.lstat(path))
    if (stats === null || !(stats.isFile() || stats.isSymbolicLink())) return
    yield* ignoreAbsent(Syscall.unlink(path))
    yield* Effect.ignore(removeEmptyFolders(real, folder))
  })
  yield* Effect.mapError(removed, Failure.unavailable("delete", path))
})

/** Makes the root of a store of our own, and clears away what processes that were killed left half written. */
export const prepare = Effect.fnUntraced(
  function* (root: ByteString, nowMillis: number) {
    yield* Syscall.mkdirs(root)
    const folder = `${root}/${temporary}`
    for (const entry of yield* Syscall.readdir(folder)) {
      const path = `${folder}/${entry.name.toString("latin1")}`
      const stats = yield* Syscall.lstat(path)
      if (nowMillis - Number(stats.mtimeMs) > abandonedAfterMillis) yield* Syscall.unlink(path)
    }
  },
  // Whatever goes wrong here is said, with a reason, by the first call that needs the folder.
  (effect) => Effect.ignore(effect)
)
