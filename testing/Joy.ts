import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { inject } from "vitest"

import * as Processes from "./JoyProcesses.ts"

/** The `joy` command as a user starts it: a process of its own, with an environment that is said here and nowhere else. */

const bin = fileURLToPath(new URL("../packages/server/bin/joy", import.meta.url))

export type Environment = Readonly<Record<string, string>>

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** How long it took to end since it was asked to, or since it began. */
  readonly millis: number
}

export interface JoyProcess {
  readonly pid: number
  /** Everything it wrote up to now. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly isRunning: () => boolean
  /** Completes when it has ended. */
  readonly ended: Effect.Effect<Ended>
  /** Waits until standard output holds `pattern`. Dies with what it said instead when it ends first. */
  readonly says: (pattern: RegExp) => Effect.Effect<RegExpExecArray>
  /** Sends a signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Effect.Effect<Ended>
  /** `kill -9` of this one process, and of nothing it started. Gives those it leaves behind at that moment. */
  readonly kill: Effect.Effect<ReadonlyArray<Processes.Running>>
}

let folders = 0

/** A folder for one installation, which the user that Postgres runs as may pass; removed with the scope. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const path = join(inject("runFolder"), `joy-${process.pid}-${folders++}-${randomBytes(3).toString("hex")}`)
    mkdirSync(path, { recursive: true })
    chmodSync(path, 0o711)
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
)

/** Asks again until it holds. What does not in time dies with what was seen last. */
export const until = <A, E, R>(
  ask: Effect.Effect<A, E, R>,
  holds: (value: A) => boolean,
  options: { readonly seconds?: number; readonly what?: string } = {}
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const deadline = performance.now() + (options.seconds ?? 45) * 1000
    const look: Effect.Effect<A, E, R> = Effect.flatMap(ask, (value) => {
      if (holds(value)) return Effect.succeed(value)
      if (performance.now() > deadline) {
        return Effect.die(new Error(`Not in time: ${options.what ?? ""} ${JSON.stringify(value)?.slice(0, 4000)}`))
      }
      return Effect.andThen(Effect.sleep("40 millis"), look)
    })
    return look
  })

const passedOn = ["PATH", "FFMPEG_PATH", "FFPROBE_PATH", "TMPDIR"]

const environmentOf = (home: string, env: Environment): Environment => ({
  ...Object.fromEntries(passedOn.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  HOME: home,
  NO_COLOR: "1",
  ...env
})

const watch = (child: ChildProcess, began: number): JoyProcess => {
  let stdout = ""
  let stderr = ""
  let asked = began
  let over: Ended | null = null
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  // One that ends before it read everything closes the pipe under us.
  child.stdin?.on("error", () => {})
  const exited = new Promise<void>((resolve) => {
    child.once("error", (cause) => {
      over = {
        code: null,
        signal: null,
        stdout,
        stderr: `${stderr}${cause.message}`,
        millis: performance.now() - asked
      }
      resolve()
    })
    // Not `close`: a child that outlives it may hold the pipes.
    child.once("exit", (code, signal) => {
      const millis = performance.now() - asked
      // What lies in the pipe still is read before anyone is told.
      setTimeout(() => {
        over = { code, signal, stdout, stderr, millis }
        resolve()
      }, 50)
    })
  })
  const ended = Effect.map(
    Effect.promise(() => exited),
    () => over ?? { code: null, signal: null, stdout, stderr, millis: 0 }
  )
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const send = (signal: NodeJS.Signals) =>
    Effect.sync(() => {
      asked = performance.now()
      child.kill(signal)
    })

  const says = (pattern: RegExp) =>
    until(
      Effect.sync(() => ({ match: pattern.exec(stdout), over, stdout: stdout.slice(-2000) })),
      ({ match, over }) => match !== null || over !== null,
      { seconds: 90, what: String(pattern) }
    ).pipe(
      Effect.flatMap(({ match }) =>
        match === null
          ? Effect.die(
              new Error(`joy ended (${over?.code ?? over?.signal}) and never said ${pattern}: ${stderr}\n${stdout}`)
            )
          : Effect.succeed(match)
      )
    )

  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    isRunning,
    ended,
    says,
    stop: (signal = "SIGINT") => Effect.andThen(send(signal), ended),
    kill: Effect.gen(function* () {
      if (!isRunning()) return []
      // Stopped first, it starts no one between the look and the end.
      yield* send("SIGSTOP")
      const family = Processes.familyOf(child.pid ?? 0).filter(({ pid }) => pid !== child.pid)
      yield* send("SIGKILL")
      yield* ended
      return family
    })
  }
}

export interface StartOptions {
  readonly env: Environment
  /** The working folder, whose `.env` is read. */
  readonly cwd: string
  /** Standard input; closed when absent. */
  readonly input?: string | undefined
}

/** Starts `joy <args>`. Ends with the scope, at the latest. */
export const start = (
  args: ReadonlyArray<string>,
  options: StartOptions
): Effect.Effect<JoyProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(bin, args, {
        cwd: options.cwd,
        env: environmentOf(options.cwd, options.env),
        stdio: ["pipe", "pipe", "pipe"]
      })
      const joy = watch(child, performance.now())
      child.stdin.end(options.input ?? "")
      return joy
    }),
    (joy) =>
      Effect.suspend(() =>
        joy.isRunning()
          ? joy
              .stop("SIGTERM")
              .pipe(Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => joy.kill }), Effect.asVoid)
          : Effect.void
      )
  )

/** Runs `joy <args>` to its end. */
export const run = (args: ReadonlyArray<string>, options: StartOptions): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(args, options), (joy) => joy.ended))

/** Processes that a `joy` on `dataDir` started and that live still. */
export const leftOn = (dataDir: string) => Processes.about(dataDir)

/** Waits until nothing of a `joy` on `dataDir` is left: the process itself, Postgres, its watcher, ffmpeg. */
export const nothingLeft = (dataDir: string, family: ReadonlyArray<Processes.Running> = [], seconds = 10) =>
  until(
    Effect.sync(() =>
      [...leftOn(dataDir), ...Processes.stillAlive(family)].map(({ command, pid }) => ({ command, pid }))
    ),
    (left) => left.length === 0,
    { seconds, what: "processes are left" }
  )
