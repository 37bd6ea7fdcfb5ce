import { execFile } from "node:child_process"
import { readFile, readlink, rm } from "node:fs/promises"
import { join } from "node:path"

import * as Effect from "effect/Effect"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, FolderInUse } from "./EmbeddedPostgresError.ts"
import * as PostgresFiles from "./PostgresFiles.ts"
import * as PostgresProcess from "./PostgresProcess.ts"

/** What `postmaster.pid` says (Postgres, *src/include/utils/pidfile.h*). */
export interface Postmaster {
  readonly pid: number
  readonly port: number | null
  readonly ready: boolean
}

const pidFile = (data: string) => join(data, "postmaster.pid")

/** The server that runs, or ran, on this data; none when it was stopped in order. */
export const read = Effect.fnUntraced(function* (
  data: string
): Effect.fn.Return<Postmaster | null, EmbeddedPostgresError> {
  const path = pidFile(data)
  const text = yield* PostgresFiles.attemptOption(path, () => readFile(path, "utf8"))
  if (text._tag === "None") return null
  const lines = text.value.split("\n").map((line) => line.trim())
  const pid = Math.abs(Number(lines[0]))
  const port = Number(lines[3])
  if (!Number.isInteger(pid) || pid === 0) return null
  return { pid, port: Number.isInteger(port) && port > 0 ? port : null, ready: lines[7] === "ready" }
})

const commandOf = (pid: number): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile("ps", ["-ww", "-o", "command=", "-p", String(pid)], (_error, stdout) => resume(Effect.succeed(stdout)))
  })

/** Whether a process is a postmaster on this data: its number alone may be another's by now. */
const isPostmasterOf = Effect.fnUntraced(function* (pid: number, data: string): Effect.fn.Return<boolean> {
  if (!PostgresProcess.isAlive(pid)) return false
  // A postmaster's working folder is its data.
  if (process.platform === "linux") {
    return yield* PostgresFiles.attempt(data, () => readlink(`/proc/${pid}/cwd`)).pipe(
      Effect.map((cwd) => cwd === data),
      Effect.orElseSucceed(() => false)
    )
  }
  return (yield* commandOf(pid)).includes(data)
})

const poll = "50 millis"
const pollsPerSecond = 20

/** Waits up to `seconds` for a process to end; says every few seconds what for. */
const awaitEnd = Effect.fnUntraced(function* (pid: number, data: string, seconds: number): Effect.fn.Return<boolean> {
  for (let polls = 0; polls < seconds * pollsPerSecond; polls++) {
    if (!(yield* isPostmasterOf(pid, data))) return true
    if (polls % (3 * pollsPerSecond) === pollsPerSecond) {
      yield* Effect.logInfo(`Waiting for the previous Postgres (process ${pid}) to end`)
    }
    yield* Effect.sleep(poll)
  }
  return false
})

/**
 * Makes way for a new server on `data`. To be called by who holds the folder's lock: whatever still runs there has lost
 * the process that looked after it. It is stopping by itself mostly (PostgresProcess.ts, `lifeline`), and is asked to
 * where not.
 */
export const settle = Effect.fnUntraced(function* (
  folder: string,
  data: string
): Effect.fn.Return<void, EmbeddedPostgresError> {
  const previous = yield* read(data)
  if (previous === null) return
  const { pid } = previous
  if (!(yield* awaitEnd(pid, data, 3))) {
    PostgresProcess.signal(pid, "SIGINT")
    if (!(yield* awaitEnd(pid, data, 30))) {
      PostgresProcess.signal(pid, "SIGQUIT")
      if (!(yield* awaitEnd(pid, data, 10))) return yield* failure(new FolderInUse({ path: folder, pid }))
    }
  }
  // Postgres takes any living process with the number for its predecessor.
  const left = yield* read(data)
  if (left !== null && left.pid === pid && PostgresProcess.isAlive(pid)) {
    const path = pidFile(data)
    yield* PostgresFiles.attempt(path, () => rm(path, { force: true }))
  }
})
