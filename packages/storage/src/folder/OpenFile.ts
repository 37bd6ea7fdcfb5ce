import { constants } from "node:fs"

import type { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import type { ByteRange, LocalFile } from "../ObjectStore.ts"
import { ObjectChanged, ObjectNotFound, StoreUnavailable } from "../StoreError.ts"
import type { ByteString } from "./ByteString.ts"
import * as Failure from "./Failure.ts"
import * as Place from "./Place.ts"
import * as Stored from "./Stored.ts"
import * as Syscall from "./Syscall.ts"

/** No link is followed that `resolve` has not seen, and opening a FIFO comes back instead of waiting for a writer. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Asked of the open file and not of its name, so that a replacement in between can't pass for what is read. */
const identify = Effect.fnUntraced(function* (fd: number, path: ByteString, key: ObjectKey, ifMatch: ETag | undefined) {
  const stats = yield* Effect.mapError(Syscall.fstat(fd), Failure.unavailable("open", path))
  if (!stats.isFile()) return yield* new ObjectNotFound({ key })
  const object = Stored.ofStats(key, stats)
  if (ifMatch !== undefined && ifMatch !== object.etag) return yield* new ObjectChanged({ key })
  return { object, fd }
})

const close = (fd: number) => Effect.ignore(Syscall.close(fd))

/** Opens the file behind a key for as long as the scope lives, and says which version it opened. */
export const open = Effect.fnUntraced(function* (
  root: ByteString,
  operation: string,
  key: ObjectKey,
  ifMatch: ETag | undefined
): Effect.fn.Return<LocalFile, ObjectNotFound | ObjectChanged | StoreUnavailable, Scope.Scope> {
  const located = yield* Place.resolve(root, operation, key)
  const { path } = located
  const opened = Effect.mapError(Syscall.open(path, flags), Place.orNotFound(operation, key, path)).pipe(
    // What turns out not to be wanted is closed at once, and not held until the scope ends.
    Effect.flatMap((fd) =>
      Effect.onError(
        Effect.flatMap(Place.holds(located, operation, fd), (isOurs) =>
          isOurs ? identify(fd, path, key, ifMatch) : Effect.fail(new ObjectNotFound({ key }))
        ),
        () => close(fd)
      )
    )
  )
  return yield* Effect.acquireRelease(opened, (file) => close(file.fd))
})

/** Reads of 64 KiB cost half as much CPU again per byte; bigger ones than this only hold more memory per viewer. */
const chunkBytes = 512 * 1024

const pull = Effect.fnUntraced(function* (fd: number, object: StoredObject, at: number, end: number) {
  // A fresh piece of memory each time: whoever took the last one may still be writing it to a socket.
  const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at + 1))
  const count = yield* Effect.mapError(
    Syscall.read(fd, chunk, at),
    (error) => new StoreUnavailable({ operation: "read", reason: `${object.key}: ${error.detail}`, retryable: true })
  )
  if (count === 0) {
    return yield* new StoreUnavailable({
      operation: "read",
      reason: `${object.key} ended early: it was cut to ${at} bytes while it was read`,
      retryable: false
    })
  }
  return count === chunk.byteLength ? chunk : chunk.subarray(0, count)
})

/** The bytes of a range, one read ahead of nobody: each is asked for when the one before is consumed. */
export const stream = (file: LocalFile, range: ByteRange | null): Stream.Stream<Uint8Array, StoreUnavailable> =>
  range === null
    ? Stream.empty
    : Stream.fromPull(
        Effect.sync(() => {
          let at = range.start
          return Effect.gen(function* () {
            if (at > range.end) return yield* Cause.done()
            const chunk = yield* pull(file.fd, file.object, at, range.end)
            at += chunk.byteLength
            return Arr.of<Uint8Array>(chunk)
          })
        })
      )
