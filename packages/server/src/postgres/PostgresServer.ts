import { readFile, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, PortTaken, StartFailed } from "./EmbeddedPostgresError.ts"
import type { PostgresBinaries } from "./PostgresBinaries.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import * as PostgresFiles from "./PostgresFiles.ts"
import * as PostgresProcess from "./PostgresProcess.ts"
import * as Postmaster from "./Postmaster.ts"

/**
 * For a home server that mostly rests and a library of up to millions of items: little memory, few processes, no
 * replication, and only the lines of the log that matter.
 */
export const settings: Readonly<Record<string, string>> = {
  shared_buffers: "64MB",
  max_connections: "50",
  max_wal_size: "256MB",
  min_wal_size: "32MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_worker_processes: "4",
  autovacuum_worker_slots: "2",
  autovacuum_max_workers: "2",
  // Reads its own pages instead of keeping three processes for that.
  io_method: "sync",
  // Compiling a query costs more than our queries take.
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  lc_messages: "C",
  log_min_messages: "log",
  log_checkpoints: "off",
  log_autovacuum_min_duration: "-1"
}

/** For tests: what a crash leaves behind is worthless. */
const volatileSettings: Readonly<Record<string, string>> = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off"
}

export interface ServerOptions {
  readonly port?: number | undefined
  readonly settings?: Readonly<Record<string, string>> | undefined
  readonly durable: boolean
}

export interface PostgresServer {
  readonly port: number
  readonly pid: number
  readonly exit: Effect.Effect<PostgresProcess.Exit>
}

/** Binds `port` (0: any) for a moment; `null` when it is taken. */
const probePort = (port: number): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.on("error", () => resume(Effect.succeed(null)))
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resume(Effect.succeed(address === null || typeof address === "string" ? null : address.port)))
    })
  })

const rememberedPort = (path: string): Effect.Effect<number> =>
  PostgresFiles.attempt(path, () => readFile(path, "utf8")).pipe(
    Effect.map((text) => (/^\d{1,5}$/.test(text) && Number(text) < 65_536 ? Number(text) : 0)),
    Effect.orElseSucceed(() => 0)
  )

/** The port that was asked for, or that of last time, or a free one. */
const choosePort = Effect.fnUntraced(function* (
  remembered: string,
  wanted: number
): Effect.fn.Return<number, EmbeddedPostgresError> {
  const first = yield* probePort(wanted === 0 ? yield* rememberedPort(remembered) : wanted)
  if (first !== null) return first
  if (wanted !== 0) return yield* failure(new PortTaken({ port: wanted }))
  const port = yield* probePort(0)
  return port ?? (yield* failure(new StartFailed({ step: "start", detail: "no port of 127.0.0.1 is free" })))
})

type Outcome =
  | { readonly _tag: "Ready"; readonly server: PostgresServer }
  | { readonly _tag: "PortTaken" }
  | { readonly _tag: "StillRunning" }
  | { readonly _tag: "Failed"; readonly output: string }

const outcomeOf = (output: string): Outcome => {
  if (/could not bind|could not create any TCP\/IP sockets/.test(output)) return { _tag: "PortTaken" }
  if (/lock file "postmaster\.pid" already exists|shared memory block .* is still in use/.test(output)) {
    return { _tag: "StillRunning" }
  }
  return { _tag: "Failed", output }
}

const stopSeconds = 20

/** Fast shutdown (SIGINT), then immediate (SIGQUIT), then none. */
const stop = Effect.fnUntraced(function* (
  process: PostgresProcess.Supervised,
  pid: Effect.Effect<number | null>
): Effect.fn.Return<void> {
  const ended = (seconds: number) =>
    Effect.map(Effect.timeoutOption(process.exit, `${seconds} seconds`), (exit) => exit._tag === "Some")
  yield* process.stop
  if (yield* ended(stopSeconds)) return
  const postmaster = yield* pid
  yield* Effect.logWarning(`Postgres did not stop within ${stopSeconds} s: stopping it at once`)
  if (postmaster !== null) PostgresProcess.signal(postmaster, "SIGQUIT")
  if (yield* ended(3)) return
  yield* process.kill
  if (postmaster !== null) PostgresProcess.signal(postmaster, "SIGKILL")
  yield* ended(3)
})

const serverPid = (data: string) =>
  Postmaster.read(data).pipe(
    Effect.map((postmaster) => postmaster?.pid ?? null),
    Effect.orElseSucceed(() => null)
  )

/** Recovery after a crash replays at most `max_wal_size`; a slow disk takes its time for that. */
const startDeadline = "3 minutes"

/** One try to start the server, up to where it takes connections. The scope stops it. */
const launch = Effect.fnUntraced(function* (
  folder: PostgresCluster.PostgresFolder,
  binaries: PostgresBinaries,
  port: number,
  options: ServerOptions
): Effect.fn.Return<Outcome, EmbeddedPostgresError, Scope.Scope> {
  const all = {
    ...settings,
    ...(options.durable ? {} : volatileSettings),
    ...options.settings,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port: String(port)
  }
  const fork = Effect.runForkWith(yield* Effect.context())
  const ready = Deferred.makeUnsafe<void>()
  const args = ["-D", folder.data, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])]
  const server = yield* Effect.acquireRelease(
    PostgresProcess.supervise(binaries.postgres, args, {
      user: folder.user,
      step: "start",
      onLine: (line) => {
        if (line.includes("database system is ready to accept connections")) {
          Deferred.doneUnsafe(ready, Effect.void)
        }
        // FATAL ends one connection, mostly because its client did something; PANIC ends the server.
        fork(line.includes(" PANIC: ") ? Effect.logError(line) : Effect.logDebug(line))
      }
    }),
    (server) => stop(server, serverPid(folder.data))
  )
  const first = yield* Effect.raceFirst(
    Effect.map(server.exit, (exit) => exit.output),
    Effect.as(Deferred.await(ready), null)
  ).pipe(
    Effect.timeoutOrElse({
      duration: startDeadline,
      orElse: () => Effect.fail(failure(new StartFailed({ step: "start", detail: `not ready after ${startDeadline}` })))
    })
  )
  if (first !== null) return outcomeOf(first)
  const pid = yield* serverPid(folder.data)
  if (pid === null) return { _tag: "Failed", output: "it ended at once" }
  return { _tag: "Ready", server: { port, pid, exit: server.exit } }
})

/** A postmaster that was killed a moment ago keeps its lock file or its shared memory until its children are gone. */
const attempts = 20

/** Starts the server on a folder that holds a database. It stops with the scope. */
export const start = Effect.fnUntraced(function* (
  folder: PostgresCluster.PostgresFolder,
  binaries: PostgresBinaries,
  options: ServerOptions
): Effect.fn.Return<PostgresServer, EmbeddedPostgresError, Scope.Scope> {
  const remembered = join(folder.path, "port")
  let outcome: Outcome = { _tag: "Failed", output: "" }
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = yield* choosePort(remembered, options.port ?? 0)
    outcome = yield* launch(folder, binaries, port, options)
    if (outcome._tag === "Ready") {
      yield* PostgresFiles.attempt(remembered, () => writeFile(remembered, String(port)))
      return outcome.server
    }
    if (outcome._tag === "Failed") break
    yield* Effect.logInfo(`Postgres did not start yet (${outcome._tag}), trying again`)
    yield* Effect.sleep("500 millis")
    yield* Postmaster.settle(folder.path, folder.data)
  }
  return yield* PostgresCluster.errorFromOutput(
    "start",
    folder.path,
    outcome._tag === "Failed" ? outcome.output : outcome._tag
  )
})
