import { Worker } from "node:worker_threads"

import type { Options } from "@node-rs/argon2"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import type { Task } from "./HashingThread.ts"

/** Beside this file, or beside the bundle that holds it (rolldown.config.ts). */
const threadUrl = new URL(
  import.meta.url.endsWith(".ts") ? "./HashingThread.ts" : "./hashing-thread.js",
  import.meta.url
)

/** Hashes are made outside the heap: a small nursery holds what there is to say. */
const resourceLimits = { maxYoungGenerationSizeMb: 2 }

interface Thread {
  readonly worker: Worker
  /** Who waits for an answer, in the order in which the answers come. */
  readonly waiting: Array<(answer: Effect.Effect<unknown>) => void>
}

export interface HashingThreads {
  readonly hash: (password: string, options: Options) => Effect.Effect<string>
  /** Whether it is the password of the hash; false for a hash that can't be read. */
  readonly verify: (password: string, hash: string) => Effect.Effect<boolean>
}

/**
 * Up to `count` threads that hash, started when they are needed. Threads of our own and not libuv's, since a hash there
 * waits for the event loop to hand it over and files for the hashes: given one hash ahead, a thread of ours goes from
 * one to the next at once. Who waits on a thread that ends dies; the next hash starts another one.
 */
export const make = Effect.fnUntraced(function* (count: number): Effect.fn.Return<HashingThreads, never, Scope.Scope> {
  const threads = new Set<Thread>()

  const start = (): Thread => {
    const thread: Thread = {
      worker: new Worker(threadUrl, { name: "joy-hashing", env: {}, execArgv: [], resourceLimits }),
      waiting: []
    }
    const lost = (reason: unknown) => {
      threads.delete(thread)
      for (const answer of thread.waiting.splice(0)) answer(Effect.die(reason))
    }
    thread.worker.on("message", (value: unknown) => thread.waiting.shift()?.(Effect.succeed(value)))
    thread.worker.on("error", lost)
    thread.worker.on("exit", () => lost(new Error("A thread that hashes passwords has ended")))
    threads.add(thread)
    return thread
  }

  /** The one with the least to do. */
  const choose = () => {
    const [first, ...others] = threads
    if (first === undefined) return start()
    const idlest = others.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a), first)
    return idlest.waiting.length > 0 && threads.size < count ? start() : idlest
  }

  const ask = (task: Task) =>
    Effect.callback<unknown>((resume) => {
      const thread = choose()
      thread.waiting.push(resume)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
      thread.worker.postMessage(task)
    })

  yield* Effect.addFinalizer(() =>
    Effect.promise(() => Promise.all([...threads].map(({ worker }) => worker.terminate())))
  )

  return {
    hash: (password, options) => Effect.map(ask({ kind: "hash", password, options }), String),
    verify: (password, hash) => Effect.map(ask({ kind: "verify", password, hash }), (answer) => answer === true)
  }
})
