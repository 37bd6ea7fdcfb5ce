import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, StartFailed } from "./EmbeddedPostgresError.ts"
import type { PostgresUser } from "./PostgresUser.ts"

/**
 * Processes are started with `node:child_process`: Effect's `ChildProcess` can set neither user nor group.
 */

export interface ProcessOptions {
  readonly user: PostgresUser
  /** What a failure is called. */
  readonly step: StartFailed["step"]
  /** Called with every line it writes, until it ends. */
  readonly onLine?: ((line: string) => void) | undefined
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last lines it wrote. */
  readonly output: string
}

/** None of our own environment: it holds secrets, and variables named `PG…` would change what Postgres does. */
const environment = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C", TZ: "UTC" }

const keptLines = 40

/**
 * Runs `"$@"` and asks it to stop (SIGINT) when standard input ends, which it does whenever and however the process at
 * the other end of the pipe dies. Ends, with the same status, as soon as `"$@"` does; only then may its process number
 * be given to another process, so the waiting half is killed before it could signal that one.
 */
const lifeline = `exec 3<&0
"$@" </dev/null 3<&- &
p=$!
trap "" INT TERM HUP
( cat <&3 >/dev/null; kill -INT $p ) 2>/dev/null &
w=$!
exec 3<&-
wait $p
c=$?
kill -KILL $w 2>/dev/null
exit $c`

const spawnFailed = (command: string, step: StartFailed["step"], cause: Error): EmbeddedPostgresError => {
  const code = "code" in cause ? String(cause.code) : ""
  const detail =
    code === "ENOENT" || code === "ENOEXEC"
      ? `${command} can't be run here (on Linux it needs glibc, which Alpine has not)`
      : cause.message
  return failure(new StartFailed({ step, detail }))
}

interface Started {
  readonly child: ChildProcess
  readonly exit: Deferred.Deferred<Exit>
}

const startProcess = (
  command: string,
  args: ReadonlyArray<string>,
  options: ProcessOptions & { readonly detached: boolean }
): Effect.Effect<Started, EmbeddedPostgresError> =>
  Effect.callback((resume) => {
    const exit = Deferred.makeUnsafe<Exit>()
    const lines: Array<string> = []
    const child = spawn(command, args, {
      // Our own working folder may be closed to the other user.
      cwd: "/",
      env: environment,
      detached: options.detached,
      stdio: ["pipe", "pipe", "pipe"],
      ...options.user
    })
    const keep = (line: string) => {
      lines.push(line)
      if (lines.length > keptLines) lines.shift()
      options.onLine?.(line)
    }
    createInterface({ input: child.stdout }).on("line", keep)
    createInterface({ input: child.stderr }).on("line", keep)
    // A child that ends before it has read everything closes the pipe under us; its exit says the rest.
    child.stdin.on("error", () => {})
    child.on("error", (cause) => resume(Effect.fail(spawnFailed(command, options.step, cause))))
    child.on("spawn", () => resume(Effect.succeed({ child, exit })))
    child.on("close", (code, signal) => {
      child.stdin.destroy()
      Deferred.doneUnsafe(exit, Effect.succeed({ code, signal, output: lines.join("\n") }))
    })
  })

/** Runs a command to its end, with `input` as its standard input. */
export const run = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  options: ProcessOptions & { readonly input?: string | undefined }
): Effect.fn.Return<Exit, EmbeddedPostgresError> {
  const { child, exit } = yield* startProcess(command, args, { ...options, detached: false })
  child.stdin?.end(options.input)
  return yield* Deferred.await(exit).pipe(Effect.onInterrupt(() => Effect.sync(() => child.kill("SIGKILL"))))
})

export interface Supervised {
  /** Completes when it has ended, for whatever reason. */
  readonly exit: Effect.Effect<Exit>
  /** Asks it to stop, in the way that our death would. */
  readonly stop: Effect.Effect<void>
  /** Kills the shell around it and, unless it has left their group, the process itself. */
  readonly kill: Effect.Effect<void>
}

/**
 * Runs a command that does not outlive this process, even when that is killed with SIGKILL. In a session of its own:
 * Ctrl-C in a terminal is for us, and the order in which things end is ours.
 */
export const supervise = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  options: ProcessOptions
): Effect.fn.Return<Supervised, EmbeddedPostgresError, Scope.Scope> {
  const { child, exit } = yield* Effect.acquireRelease(
    startProcess("/bin/sh", ["-c", lifeline, "sh", command, ...args], { ...options, detached: true }),
    ({ child }) => Effect.sync(() => child.stdin?.destroy())
  )
  return {
    exit: Deferred.await(exit),
    stop: Effect.sync(() => child.stdin?.end()),
    kill: Effect.sync(() => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) signal(-child.pid, "SIGKILL")
    })
  }
})

/** Sends a signal; says whether there was a process to get it. One of another user counts as there. */
export const signal = (pid: number, name: NodeJS.Signals | 0): boolean =>
  Result.match(
    // Throws for what is an answer here.
    Result.try(() => process.kill(pid, name)),
    {
      onSuccess: () => true,
      onFailure: (cause) => cause instanceof Error && "code" in cause && cause.code === "EPERM"
    }
  )

export const isAlive = (pid: number): boolean => signal(pid, 0)
