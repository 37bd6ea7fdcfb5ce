import { chmod, mkdir, realpath, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"

import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, StartFailed } from "./EmbeddedPostgresError.ts"
import * as PostgresBinaries from "./PostgresBinaries.ts"
import * as PostgresCluster from "./PostgresCluster.ts"
import * as PostgresFiles from "./PostgresFiles.ts"
import * as PostgresLock from "./PostgresLock.ts"
import * as PostgresProcess from "./PostgresProcess.ts"
import * as PostgresServer from "./PostgresServer.ts"
import * as PostgresUser from "./PostgresUser.ts"
import * as Postmaster from "./Postmaster.ts"

export interface EmbeddedPostgresOptions {
  /** The folder of the database, made when it is not there. Its parents too. */
  readonly dataDir: string
  /** On 127.0.0.1. When absent or 0: the port of last time, or a free one. */
  readonly port?: number | undefined
  /** Further settings of the server, over those of `PostgresServer.settings`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** `false` gives up all safety against a crash for speed: for tests. */
  readonly durable?: boolean | undefined
}

/** How to reach a server. */
export interface Connection {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Redacted.Redacted
  readonly database: string
  /** All of the above as a `postgres://` URL. */
  readonly url: Redacted.Redacted
  /** The postmaster. */
  readonly pid: number
}

export interface RunningPostgres extends Connection {
  /** Completes when the server has ended, which it should not before the scope closes; with what it said last. */
  readonly exit: Effect.Effect<PostgresProcess.Exit>
}

const connectionTo = (port: number, pid: number, password: Redacted.Redacted): Connection => ({
  host: "127.0.0.1",
  port,
  username: PostgresCluster.role,
  password,
  database: PostgresCluster.role,
  url: Redacted.make(
    `postgres://${PostgresCluster.role}:${Redacted.value(password)}@127.0.0.1:${port}/${PostgresCluster.role}`
  ),
  pid
})

/** Signs in once: the server answers, is ours, and knows the password. */
const verify = (connection: Connection) =>
  Effect.scoped(
    PgConnection.make({ url: connection.url, applicationName: "joy start", connectTimeout: "10 seconds" })
  ).pipe(Effect.asVoid)

/** Makes the folder and finds out who may use it. Its real path: links on the way would hide what Postgres sees. */
const openFolder = Effect.fnUntraced(function* (
  dataDir: string
): Effect.fn.Return<PostgresCluster.PostgresFolder, EmbeddedPostgresError> {
  const wanted = resolve(dataDir)
  const made = yield* PostgresFiles.attempt(wanted, () => mkdir(wanted, { recursive: true }))
  const path = yield* PostgresFiles.attempt(wanted, () => realpath(wanted))
  const data = join(path, "data")
  const user = yield* PostgresUser.forFolder(data)
  // The umask may have closed what was just made to the other user, who must pass (not list) it.
  if (user !== null) {
    const top = made === undefined ? wanted : made
    for (let folder = wanted; folder.length >= top.length; folder = dirname(folder)) {
      yield* PostgresFiles.attempt(folder, () => chmod(folder, 0o711))
    }
  }
  yield* PostgresUser.requireReach(user, path)
  const probe = join(path, `probe-${process.pid}`)
  yield* PostgresFiles.attempt(path, () => writeFile(probe, Buffer.alloc(8192), { flush: true })).pipe(
    Effect.ensuring(Effect.ignore(PostgresFiles.attempt(probe, () => rm(probe, { force: true }))))
  )
  return { path, data, user }
})

/**
 * Starts a Postgres of our own on `dataDir`, or fails with what to do about it. It ends with the scope, and with this
 * process however that ends; the next start needs no help.
 */
export const start = Effect.fn("EmbeddedPostgres.start")(function* (
  options: EmbeddedPostgresOptions
): Effect.fn.Return<RunningPostgres, EmbeddedPostgresError, Scope.Scope> {
  const durable = options.durable ?? true
  const folder = yield* openFolder(options.dataDir)
  yield* PostgresLock.acquire(folder.path)
  const binaries = yield* PostgresBinaries.resolve(folder.user, folder.path)
  yield* Postmaster.settle(folder.path, folder.data)
  const password = yield* PostgresCluster.ensure(folder, binaries, durable)
  const server = yield* PostgresServer.start(folder, binaries, { ...options, durable })
  const connection = connectionTo(server.port, server.pid, password)
  yield* Effect.mapError(verify(connection), (error) =>
    failure(
      new StartFailed({
        step: "connect",
        detail:
          error.reason._tag === "AuthenticationError"
            ? `the password in ${join(folder.path, "password")} is not the database's: delete that file, and the next start sets a new one`
            : error.message
      })
    )
  )
  return { ...connection, exit: server.exit }
})

/**
 * The server that another process runs on `dataDir`, if one does and answers. Fails where that can't be found out.
 */
export const discover = Effect.fn("EmbeddedPostgres.discover")(function* (
  dataDir: string
): Effect.fn.Return<Option.Option<Connection>, EmbeddedPostgresError> {
  const path = resolve(dataDir)
  const postmaster = yield* Postmaster.read(join(path, "data"))
  if (postmaster === null || postmaster.port === null || !postmaster.ready) return Option.none()
  if (!PostgresProcess.isAlive(postmaster.pid)) return Option.none()
  const password = yield* PostgresCluster.readPassword(path)
  if (password._tag === "None") return Option.none()
  const connection = connectionTo(postmaster.port, postmaster.pid, Redacted.make(password.value))
  return yield* Effect.option(Effect.as(verify(connection), connection))
})

/** The embedded server, for as long as the layer lives. */
export class EmbeddedPostgres extends Context.Service<EmbeddedPostgres, RunningPostgres>()(
  "@joy/server/EmbeddedPostgres"
) {}

export const layer = (options: EmbeddedPostgresOptions): Layer.Layer<EmbeddedPostgres, EmbeddedPostgresError> =>
  Layer.effect(EmbeddedPostgres, start(options))
