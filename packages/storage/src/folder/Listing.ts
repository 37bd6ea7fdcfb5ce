import { Worker } from "node:worker_threads"

import { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import type { ObjectPage, ObjectStore } from "../ObjectStore.ts"
import type { StoreUnavailable } from "../StoreError.ts"
import { type ByteString, fromText } from "./ByteString.ts"
import * as Failure from "./Failure.ts"
import type { Answer, Columns, Request } from "./ListingThread.ts"
import { SyscallError } from "./Syscall.ts"

const maxLimit = 1000

/** Beside this file, or beside the bundle that holds it (rolldown.config.ts). */
const threadUrl = new URL(
  import.meta.url.endsWith(".ts") ? "./ListingThread.ts" : "./listing-thread.js",
  import.meta.url
)

/** What the thread says is so already, a thousand times a page. */
const unchecked = { disableChecks: true }

const toPage = (columns: Columns): ObjectPage => ({
  objects: columns.keys.map(
    (key, at) =>
      new StoredObject(
        {
          key: ObjectKey.make(key, unchecked),
          etag: ETag.make(columns.versions[at] ?? "", unchecked),
          sizeBytes: columns.sizes[at] ?? 0,
          modifiedAt: columns.modified[at] ?? 0
        },
        unchecked
      )
  ),
  unusable: columns.unusable,
  nextStartAfter: columns.next
})

/**
 * A thread that lists, started at the first listing. The calls of a listing are many and short, and cost a fraction of
 * what they do in the thread pool when they simply block; they must not block the thread that serves.
 */
const makeThread = () => {
  const waiting = new Map<number, (answer: Answer | Error) => void>()
  let worker: Worker | null = null
  let requests = 0

  const settle = (id: number, answer: Answer | Error) => {
    const resume = waiting.get(id)
    waiting.delete(id)
    // A thread that has nothing to do keeps no process alive. Before who waits goes on, and perhaps stops it.
    if (waiting.size === 0) worker?.unref()
    resume?.(answer)
  }

  const ended = (error: Error) => {
    worker = null
    for (const id of waiting.keys()) settle(id, error)
  }

  const start = (): Worker => {
    // Its garbage is young: a small nursery is as fast as a large one, and does not grow.
    const resourceLimits = { maxYoungGenerationSizeMb: 4 }
    const started = new Worker(threadUrl, { name: "joy-listing", env: {}, execArgv: [], resourceLimits })
    started.on("message", (answer: Answer) => settle(answer.id, answer))
    started.on("error", ended)
    started.on("exit", () => ended(new Error("The thread that lists folders ended")))
    return started
  }

  return {
    ask: (request: Omit<Request, "id">): Effect.Effect<Answer> =>
      Effect.callback((resume) => {
        const id = requests++
        waiting.set(id, (answer) => resume(answer instanceof Error ? Effect.die(answer) : Effect.succeed(answer)))
        worker ??= start()
        worker.ref()
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
        worker.postMessage({ id, ...request })
      }),
    stop: Effect.promise(() => {
      // Who waits for its end is alive.
      worker?.ref()
      return worker?.terminate() ?? Promise.resolve(0)
    })
  }
}

export const make = Effect.fnUntraced(function* (
  root: ByteString
): Effect.fn.Return<ObjectStore["list"], never, Scope.Scope> {
  const { ask } = yield* Effect.acquireRelease(Effect.sync(makeThread), ({ stop }) => stop)

  return Effect.fn("FolderStore.list")(function* (options = {}): Effect.fn.Return<ObjectPage, StoreUnavailable> {
    const answer = yield* ask({
      root,
      prefix: fromText(options.prefix ?? ""),
      startAfter: fromText(options.startAfter ?? ""),
      upTo: options.upTo === undefined ? null : fromText(options.upTo),
      limit: Math.min(Math.max(options.limit ?? maxLimit, 1), maxLimit)
    })
    if ("page" in answer) return toPage(answer.page)
    const { path, where, ...error } = answer.failed
    const fail = where === "root" ? Failure.rootUnavailable : Failure.unavailable
    return yield* fail("list", path)(new SyscallError(error))
  })
})
