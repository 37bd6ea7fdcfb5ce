import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"

import * as EmbeddedPostgres from "../../src/postgres/EmbeddedPostgres.ts"
import * as PostgresProcess from "../../src/postgres/PostgresProcess.ts"
import { isGone, isRoot, owner, query, readyFolder, temporaryFolder, until } from "./fixtures.ts"

const start = (dataDir: string, options: Omit<EmbeddedPostgres.EmbeddedPostgresOptions, "dataDir"> = {}) =>
  EmbeddedPostgres.start({ dataDir, durable: false, ...options })

/** Takes what root may do from this process for a while: it reads and writes files as `nobody`. */
const withoutRoot = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => (isRoot ? process.seteuid?.(65_534) : undefined)),
    () => use,
    () => Effect.sync(() => (isRoot ? process.seteuid?.(0) : undefined))
  )

/** Starts, uses and stops a server. */
const during = <A, E, R>(dataDir: string, use: (server: EmbeddedPostgres.RunningPostgres) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(start(dataDir), use))

const reasonOfStart = (dataDir: string, options: Omit<EmbeddedPostgres.EmbeddedPostgresOptions, "dataDir"> = {}) =>
  Effect.map(Effect.flip(Effect.scoped(start(dataDir, options))), (error) => error.reason)

const parent = (of: number) => Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${of}/stat`, "utf8"))?.[1])

const listen = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

describe("EmbeddedPostgres", () => {
  it.live("starts in a folder that is not there, for who knows the password and on the loopback only [E6]", () =>
    Effect.gen(function* () {
      const dataDir = join(yield* temporaryFolder, "not", "there yet")
      const server = yield* EmbeddedPostgres.start({ dataDir })
      const rows = yield* query(
        server,
        `SELECT current_user::text AS role, current_database()::text AS database,
                current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,
                current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync, lower('ÄЖ') AS lower`
      )
      assert.deepStrictEqual(rows, [
        {
          role: "joy",
          database: "joy",
          addresses: "127.0.0.1",
          sockets: "",
          encoding: "UTF8",
          fsync: "on",
          lower: "äж"
        }
      ])
      assert.strictEqual(statSync(join(dataDir, "password")).mode & 0o777, 0o600)
      const stranger = Redacted.make(`postgres://joy:wrong@127.0.0.1:${server.port}/joy`)
      const refused = yield* Effect.flip(query({ url: stranger }, "SELECT 1"))
      assert.strictEqual(refused.reason._tag, "AuthenticationError")
    })
  )

  it.live("opens again with what was written, on the same port, and leaves nothing running", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const first = yield* during(dataDir, (server) =>
        Effect.andThen(query(server, "CREATE TABLE kept AS SELECT 42 AS answer"), Effect.succeed(server))
      )
      assert.isTrue(isGone(first.pid)())
      assert.notInclude(readdirSync(dataDir), "owner.json")
      yield* during(dataDir, (server) =>
        Effect.gen(function* () {
          assert.strictEqual(server.port, first.port)
          assert.deepStrictEqual(yield* query(server, "SELECT answer FROM kept"), [{ answer: 42 }])
        })
      )
    })
  )

  it.live("takes another port when that of last time is taken", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const first = yield* during(dataDir, Effect.succeed)
      yield* listen(first.port)
      yield* during(dataDir, (server) => Effect.sync(() => assert.notStrictEqual(server.port, first.port)))
      const reason = yield* reasonOfStart(dataDir, { port: first.port })
      assert.strictEqual(reason._tag, "PortTaken")
    })
  )

  it.live("recovers from kill -9 in the middle of initdb", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const victim = yield* owner(dataDir)
      const initdbRuns = () =>
        readdirSync(dataDir).some((name) => {
          // initdb makes the folder inside a moment after its own is there.
          const inside = join(dataDir, name, "data")
          return name.startsWith("init.partial-") && existsSync(inside) && readdirSync(inside).length > 3
        })
      yield* until(initdbRuns)
      yield* victim.kill("SIGKILL")
      assert.notInclude(readdirSync(dataDir), "data")
      yield* during(dataDir, (server) => query(server, "SELECT 1"))
      const left = readdirSync(dataDir).filter((name) => name.includes("partial"))
      // What its initdb still wrote while we cleaned goes at the start after that.
      if (left.length > 0) yield* during(dataDir, () => Effect.void)
      assert.deepStrictEqual(
        readdirSync(dataDir).filter((name) => name.includes("partial")),
        []
      )
    })
  )

  it.live("recovers from kill -9 of the process that started it, and loses nothing", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const victim = yield* owner(dataDir)
      const said = yield* victim.said
      const connection = Option.getOrThrow(yield* EmbeddedPostgres.discover(dataDir))
      assert.strictEqual(connection.pid, said.pid)
      yield* query(connection, "CREATE TABLE kept AS SELECT 42 AS answer")
      yield* victim.kill("SIGKILL")
      yield* during(dataDir, (server) =>
        Effect.gen(function* () {
          assert.notStrictEqual(server.pid, said.pid)
          assert.isTrue(isGone(said.pid ?? 0)())
          assert.deepStrictEqual(yield* query(server, "SELECT answer FROM kept"), [{ answer: 42 }])
        })
      )
    })
  )

  it.live("stops by itself when the process that started it is killed", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const victim = yield* owner(dataDir, { volatile: true })
      const { pid = 0 } = yield* victim.said
      yield* victim.kill("SIGKILL")
      yield* until(isGone(pid))
      assert.isTrue(Option.isNone(yield* EmbeddedPostgres.discover(dataDir)))
    })
  )

  it.live.skipIf(process.platform !== "linux")("stops a server that lost everyone who looked after it", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const victim = yield* owner(dataDir, { volatile: true })
      const { pid = 0 } = yield* victim.said
      const shell = parent(pid)
      const children = readFileSync(`/proc/${shell}/task/${shell}/children`, "utf8").trim().split(" ").map(Number)
      for (const watcher of children.filter((child) => child !== pid)) PostgresProcess.signal(watcher, "SIGKILL")
      PostgresProcess.signal(shell, "SIGKILL")
      yield* victim.kill("SIGKILL")
      assert.isFalse(isGone(pid)())
      yield* during(dataDir, (server) => Effect.sync(() => assert.notStrictEqual(server.pid, pid)))
      assert.isTrue(isGone(pid)())
    })
  )

  it.live("refuses a second start, from here and from elsewhere, and names who has the folder", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const server = yield* start(dataDir)
      const here = yield* reasonOfStart(dataDir)
      assert.deepInclude(here, { _tag: "FolderInUse", pid: process.pid })
      const second = yield* owner(dataDir)
      const said = yield* second.said
      assert.strictEqual(said.error, "FolderInUse")
      assert.include(said.message ?? "", `process ${process.pid}`)
      yield* query(server, "SELECT 1")
    })
  )

  it.live("is not fooled by numbers of processes that others have got since", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      // What a power failure leaves behind, if our number is given to another process after it.
      writeFileSync(join(dataDir, "owner.json"), JSON.stringify({ pid: process.pid }))
      writeFileSync(join(dataDir, "data", "postmaster.pid"), `${process.pid}\n${join(dataDir, "data")}\n1\n5432\n`)
      yield* during(dataDir, (server) => query(server, "SELECT 1"))
    })
  )

  it.live("says when the server has ended by itself", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(start(dataDir), scope)
      PostgresProcess.signal(server.pid, "SIGKILL")
      const exit = yield* server.exit
      assert.strictEqual(exit.code, 128 + 9)
      yield* Scope.close(scope, Exit.void)
      yield* during(dataDir, (server) => query(server, "SELECT 1"))
    })
  )

  it.live("sets a new password when it was lost", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const lost = readFileSync(join(dataDir, "password"), "utf8")
      rmSync(join(dataDir, "password"))
      yield* during(dataDir, (server) =>
        Effect.sync(() => assert.notStrictEqual(Redacted.value(server.password), lost))
      )
    })
  )

  it.live("refuses a folder of another version, and one it does not know", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const version = join(dataDir, "data", "PG_VERSION")
      writeFileSync(version, "15\n")
      assert.deepInclude(yield* reasonOfStart(dataDir), { _tag: "VersionMismatch", found: "15", expected: "18" })
      rmSync(version)
      assert.deepInclude(yield* reasonOfStart(dataDir), { _tag: "VersionMismatch", found: null })
    })
  )

  it.live("says when the folder may not be written to, or is none", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(join(folder, "file"), "")
      assert.strictEqual((yield* reasonOfStart(join(folder, "file")))._tag, "FolderForbidden")
      const closed = join(folder, "closed")
      mkdirSync(closed, { mode: 0o555 })
      const reason = yield* withoutRoot(reasonOfStart(closed))
      assert.strictEqual(reason._tag, "FolderForbidden")
    })
  )

  it.live.skipIf(!isRoot)("names the folder that is closed to the user it runs as", () =>
    Effect.gen(function* () {
      const closed = join(yield* temporaryFolder, "closed")
      mkdirSync(closed, { mode: 0o700 })
      mkdirSync(join(closed, "data"))
      assert.deepInclude(yield* reasonOfStart(join(closed, "data")), { _tag: "FolderUnreachable", blockedBy: closed })
    })
  )

  it.live.skipIf(!isRoot)("as root, runs as the owner that the data has already", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      const theirs = 12_345
      execFileSync("chown", ["-R", `${theirs}:${theirs}`, join(dataDir, "data")])
      yield* during(dataDir, (server) =>
        Effect.gen(function* () {
          yield* query(server, "SELECT 1")
          assert.strictEqual(
            execFileSync("ps", ["-o", "uid=", "-p", `${server.pid}`])
              .toString()
              .trim(),
            `${theirs}`
          )
        })
      )
      assert.strictEqual(statSync(join(dataDir, "data")).uid, theirs)
    })
  )
})

describe("EmbeddedPostgres.discover", () => {
  it.live("finds a running server, and only that", () =>
    Effect.gen(function* () {
      const dataDir = yield* readyFolder
      assert.isTrue(Option.isNone(yield* EmbeddedPostgres.discover(dataDir)))
      yield* during(dataDir, (server) =>
        Effect.gen(function* () {
          const found = Option.getOrThrow(yield* EmbeddedPostgres.discover(dataDir))
          assert.deepInclude(found, { pid: server.pid, port: server.port })
          assert.deepStrictEqual(yield* query(found, "SELECT 1 AS one"), [{ one: 1 }])
        })
      )
      assert.isTrue(Option.isNone(yield* EmbeddedPostgres.discover(dataDir)))
      assert.isTrue(Option.isNone(yield* EmbeddedPostgres.discover(join(dataDir, "no such folder"))))
    })
  )
})
