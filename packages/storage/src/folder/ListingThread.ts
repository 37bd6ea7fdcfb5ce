import { parentPort } from "node:worker_threads"

import { type ByteString, toText } from "./ByteString.ts"
import * as Folders from "./Folders.ts"
import { ListingFailed } from "./ListingFailed.ts"
import { look } from "./Look.ts"
import * as SyncCalls from "./SyncCalls.ts"
import { walk } from "./Walk.ts"

/**
 * The thread that lists folders (see `Listing`). It imports nothing but what stands beside it: a thread has a heap of its
 * own, and whatever it loads is there twice.
 */

export interface Request {
  readonly id: number
  readonly root: ByteString
  readonly prefix: ByteString
  readonly startAfter: ByteString
  readonly upTo: ByteString | null
  readonly limit: number
}

/** A page in columns, which cross between threads at a fraction of what a thousand records cost. */
export interface Columns {
  readonly keys: ReadonlyArray<string>
  readonly versions: ReadonlyArray<string>
  readonly sizes: Float64Array
  readonly modified: Float64Array
  readonly unusable: ReadonlyArray<{ readonly key: string; readonly reason: string }>
  readonly next: string | null
}

export type Answer =
  | { readonly id: number; readonly page: Columns }
  | { readonly id: number; readonly failed: Pick<ListingFailed, "where" | "path" | "code" | "detail"> }

const readers = new Map<ByteString, ReturnType<typeof Folders.makeReaders>>()

const readerOf = (root: ByteString, startAfter: ByteString) => {
  const open = readers.get(root) ?? Folders.makeReaders()
  readers.set(root, open)
  return open(root, startAfter)
}

const list = (request: Request): Columns => {
  const real = SyncCalls.result(() => SyncCalls.realpath(request.root))
  if (real instanceof SyncCalls.CallFailed) throw new ListingFailed("root", request.root, real)
  const root = real === "/" ? "" : real
  const reader = readerOf(root, request.startAfter)
  const found = walk(reader, { ...request, root })
  const keys: Array<string> = []
  const versions: Array<string> = []
  const sizes: Array<number> = []
  const modified: Array<number> = []
  const unusable: Array<{ readonly key: string; readonly reason: string }> = []
  for (const entry of found.entries) {
    const seen = look(root, entry)
    if (seen._tag === "Usable") {
      keys.push(seen.key)
      versions.push(seen.version)
      sizes.push(seen.size)
      modified.push(seen.modifiedAt)
    } else if (seen._tag === "Unusable") unusable.push({ key: seen.key, reason: seen.reason })
  }
  if (found.next !== null) reader.keepFor(found.next)
  return {
    keys,
    versions,
    sizes: Float64Array.from(sizes),
    modified: Float64Array.from(modified),
    unusable,
    next: found.next === null ? null : toText(found.next)
  }
}

const answer = (request: Request): Answer => {
  try {
    return { id: request.id, page: list(request) }
  } catch (error) {
    if (!(error instanceof ListingFailed)) throw error
    const { code, detail, path, where } = error
    return { id: request.id, failed: { where, path, code, detail } }
  }
}

parentPort?.on("message", (request: Request) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
  parentPort?.postMessage(answer(request))
})
