import type { ObjectKey } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"

import { isReservedKey } from "../ReservedKeys.ts"
import { ObjectNotFound, type StoreUnavailable } from "../StoreError.ts"
import { type ByteString, fromText } from "./ByteString.ts"
import * as ErrorCodes from "./ErrorCodes.ts"
import * as Failure from "./Failure.ts"
import { isInside, parentOf } from "./Paths.ts"
import * as Syscall from "./Syscall.ts"

/**
 * Where keys lie below the root, and the proof that they lie nowhere else: no part of a key climbs, no folder on the
 * way is a link, and a link at its end leads back inside.
 */

/** Whether the key can be a path below a root. A backslash is a character like any other on the systems we run on. */
export const isPlain = (key: string): boolean =>
  key.isWellFormed() &&
  !key.includes("\0") &&
  !isReservedKey(key) &&
  key.split("/").every((part) => part !== "" && part !== "." && part !== "..")

/** The root without links. Asked for anew each time, since a disk may be mounted, and taken away, while we run. */
export const realRoot = (root: ByteString, operation: string): Effect.Effect<ByteString, StoreUnavailable> =>
  Syscall.realpath(root).pipe(
    Effect.mapError(Failure.rootUnavailable(operation, root)),
    Effect.map((real) => (real === "/" ? "" : real))
  )

/** Where an object is: the root and the object's path in it, both without links. */
export interface Located {
  readonly real: ByteString
  readonly path: ByteString
}

/**
 * The path of an object without links. The usual object costs one look: its path is already what the kernel calls it.
 * One that is reached through a linked folder is not listed, and so is not there.
 */
export const resolve = Effect.fnUntraced(function* (
  root: ByteString,
  operation: string,
  key: ObjectKey
): Effect.fn.Return<Located, ObjectNotFound | StoreUnavailable> {
  if (!isPlain(key)) return yield* new ObjectNotFound({ key })
  const real = yield* realRoot(root, operation)
  const path = `${real}/${fromText(key)}`
  const refuse = orNotFound(operation, key, path)
  const found = yield* Effect.mapError(Syscall.realpath(path), refuse)
  if (found === path) return { real, path }
  const parent = yield* Effect.mapError(Syscall.realpath(parentOf(path)), refuse)
  const entry = yield* Effect.mapError(Syscall.lstat(path), refuse)
  // A path that differs although nothing on it is a link is another spelling on a disk that ignores case.
  if (parent !== parentOf(path) || !entry.isSymbolicLink() || !isInside(real, found)) {
    return yield* new ObjectNotFound({ key })
  }
  return { real, path: found }
})

/**
 * Whether the file that was opened is one of the root's. Its path was without links when it was looked at; a folder on it
 * may have been swapped for a link before it was opened. Only the open file itself can tell.
 */
export const holds = Effect.fnUntraced(function* (
  { path, real }: Located,
  operation: string,
  fd: number
): Effect.fn.Return<boolean, StoreUnavailable> {
  if (process.platform === "linux") {
    return yield* Syscall.placeOf(fd).pipe(
      Effect.map((place) => isInside(real, place.toString("latin1"))),
      Effect.mapError(Failure.unavailable(operation, path))
    )
  }
  // Without /proc: what is there by that path now, still without links, is what was opened.
  const [place, there, opened] = yield* Effect.all([
    Syscall.realpath(path),
    Syscall.lstat(path),
    Syscall.fstat(fd)
  ]).pipe(Effect.mapError(Failure.unavailable(operation, path)))
  return isInside(real, place) && there.ino === opened.ino && there.dev === opened.dev
})

/** An object that is absent is not found; everything else is the store's failure. */
export const orNotFound =
  (operation: string, key: ObjectKey, path: ByteString) =>
  (error: Syscall.SyscallError): ObjectNotFound | StoreUnavailable =>
    ErrorCodes.isAbsent(error) ? new ObjectNotFound({ key }) : Failure.unavailable(operation, path)(error)
