import { parentPort } from "node:worker_threads"

import * as argon2 from "@node-rs/argon2"

/** What a thread that hashes is told, and answers in the order that it was told. See `HashingThreads.ts`. */
export type Task =
  | { readonly kind: "hash"; readonly password: string; readonly options: argon2.Options }
  | { readonly kind: "verify"; readonly password: string; readonly hash: string }

const matches = (hash: string, password: string) => {
  try {
    return argon2.verifySync(hash, password)
  } catch {
    // It can't be read.
    return false
  }
}

const answerTo = (task: Task) =>
  task.kind === "hash" ? argon2.hashSync(task.password, task.options) : matches(task.hash, task.password)

parentPort?.on("message", (task: Task) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
  parentPort?.postMessage(answerTo(task))
})
