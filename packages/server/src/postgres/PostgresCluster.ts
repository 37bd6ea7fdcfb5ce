import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"

import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, FolderForbidden, FolderFull, StartFailed, VersionMismatch } from "./EmbeddedPostgresError.ts"
import type { PostgresBinaries } from "./PostgresBinaries.ts"
import * as PostgresFiles from "./PostgresFiles.ts"
import * as PostgresProcess from "./PostgresProcess.ts"
import type { PostgresUser } from "./PostgresUser.ts"
import * as PostgresUserModule from "./PostgresUser.ts"

/** Name of the only role, its password's owner, and of the database. */
export const role = "joy"

/**
 * What stands in the folder of the embedded Postgres. `data` is Postgres' own and belongs to the user it runs as;
 * everything else is ours.
 */
export interface PostgresFolder {
  readonly path: string
  readonly data: string
  readonly user: PostgresUser
}

const passwordPath = (folder: string) => join(folder, "password")

export const readPassword = (folder: string) => {
  const path = passwordPath(folder)
  return PostgresFiles.attemptOption(path, () => readFile(path, "utf8"))
}

/** Writes a file so that a crash leaves it whole or not there. */
const writeWhole = (path: string, text: string) => {
  const partial = `${path}.${process.pid}.partial`
  return PostgresFiles.attempt(path, () => writeFile(partial, text, { mode: 0o600, flush: true })).pipe(
    Effect.andThen(PostgresFiles.attempt(path, () => rename(partial, path)))
  )
}

const syncFolder = (path: string) =>
  Effect.acquireUseRelease(
    PostgresFiles.attempt(path, () => open(path, "r")),
    (folder) => PostgresFiles.attempt(path, () => folder.sync()),
    (folder) => Effect.ignore(PostgresFiles.attempt(path, () => folder.close()))
  )

const makePassword = Effect.sync(() => randomBytes(32).toString("base64url"))

/** What Postgres says, as an error of ours. `output` is in English: it is run with `LC_ALL=C`. */
export const errorFromOutput = (step: StartFailed["step"], path: string, output: string): EmbeddedPostgresError => {
  if (/No space left on device|Disk quota exceeded/.test(output)) return failure(new FolderFull({ path }))
  if (/Read-only file system/.test(output)) {
    return failure(new FolderForbidden({ path, reason: "it is on a read-only file system" }))
  }
  if (/Permission denied|has wrong ownership|Operation not permitted/.test(output)) {
    return failure(new FolderForbidden({ path, reason: output.split("\n").at(-1) ?? output }))
  }
  return failure(new StartFailed({ step, detail: output === "" ? "it said nothing" : output }))
}

/** Runs SQL in a server of its own for one user, without a network and without asking for a password. */
const single = Effect.fnUntraced(function* (
  binaries: PostgresBinaries,
  data: string,
  user: PostgresUser,
  database: string,
  sql: string
): Effect.fn.Return<void, EmbeddedPostgresError> {
  const args = ["--single", "-D", data, "-c", "exit_on_error=on", "-c", "log_checkpoints=off", database]
  const result = yield* PostgresProcess.run(binaries.postgres, args, { user, step: "initdb", input: `${sql}\n` })
  if (result.code !== 0) return yield* errorFromOutput("initdb", dirname(data), result.output)
})

/**
 * The `builtin` provider sorts by code point and knows the letters of all alphabets, alike on every system. What is
 * left to the C library (which characters are letters, for `pg_trgm`) should know UTF-8 too, but the name of such a
 * locale differs, and there may be none.
 */
const locales = ["C.UTF-8", "en_US.UTF-8", "C"]

const runInitdb = Effect.fnUntraced(function* (
  binaries: PostgresBinaries,
  data: string,
  passwordFile: string,
  user: PostgresUser,
  durable: boolean
): Effect.fn.Return<void, EmbeddedPostgresError, Scope.Scope> {
  let output = ""
  for (const locale of locales) {
    const initdb = yield* PostgresProcess.supervise(
      binaries.initdb,
      [
        "--pgdata",
        data,
        "--username",
        role,
        "--pwfile",
        passwordFile,
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--locale",
        locale,
        "--lc-messages",
        "C",
        "--locale-provider",
        "builtin",
        "--builtin-locale",
        "C.UTF-8",
        ...(durable ? [] : ["--no-sync"])
      ],
      { user, step: "initdb" }
    )
    const result = yield* initdb.exit
    if (result.code === 0) return
    output = result.output
    if (!/invalid locale/.test(output)) break
  }
  return yield* errorFromOutput("initdb", dirname(dirname(data)), output)
}, Effect.scoped)

/** A new database in `data`: built beside it and then renamed, so that whoever dies half-way leaves nothing behind. */
const create = Effect.fnUntraced(function* (
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  password: string,
  durable: boolean
): Effect.fn.Return<void, EmbeddedPostgresError> {
  const partial = yield* PostgresFiles.attempt(folder.path, () => mkdtemp(join(folder.path, "init.partial-")))
  const data = join(partial, "data")
  const passwordFile = join(partial, "password")
  yield* PostgresFiles.attempt(partial, () => writeFile(passwordFile, password, { mode: 0o600 }))
  yield* PostgresFiles.attempt(partial, () => mkdir(data, { mode: 0o700 }))
  yield* PostgresUserModule.give(folder.user, [passwordFile, data, partial])
  yield* runInitdb(binaries, data, passwordFile, folder.user, durable)
  yield* single(binaries, data, folder.user, "postgres", `CREATE DATABASE ${role}`)
  yield* PostgresFiles.attempt(folder.data, () => rename(data, folder.data))
  if (durable) yield* syncFolder(folder.path)
})

/** Leftovers of attempts that died. One of them may be dying still, so what can't be removed now is left for later. */
const removeLeftovers = Effect.fnUntraced(function* (folder: string): Effect.fn.Return<void, EmbeddedPostgresError> {
  const names = yield* PostgresFiles.attempt(folder, () => readdir(folder))
  for (const name of names.filter((name) => name.startsWith("init.partial-"))) {
    const path = join(folder, name)
    yield* Effect.ignore(PostgresFiles.attempt(path, () => rm(path, { recursive: true, force: true })))
  }
})

/** Makes sure that `data` holds a database of this version, and gives the password of its role. */
export const ensure = Effect.fnUntraced(function* (
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  durable: boolean
): Effect.fn.Return<Redacted.Redacted, EmbeddedPostgresError> {
  yield* removeLeftovers(folder.path)
  const known = yield* readPassword(folder.path)
  const password = known._tag === "Some" && known.value.length > 0 ? known.value : yield* makePassword
  const data = yield* PostgresFiles.attemptOption(folder.data, () => stat(folder.data))
  if (data._tag === "None") {
    yield* writeWhole(passwordPath(folder.path), password)
    yield* create(folder, binaries, password, durable).pipe(
      Effect.ensuring(Effect.ignore(removeLeftovers(folder.path)))
    )
    return Redacted.make(password)
  }
  const versionFile = join(folder.data, "PG_VERSION")
  const found = yield* PostgresFiles.attemptOption(versionFile, () => readFile(versionFile, "utf8"))
  if (found._tag === "None" || found.value.trim() !== binaries.major) {
    return yield* failure(
      new VersionMismatch({
        path: folder.data,
        found: found._tag === "Some" ? found.value.trim() : null,
        expected: binaries.major
      })
    )
  }
  if (known._tag === "None") {
    yield* Effect.logWarning(`The password of the embedded Postgres was lost: setting a new one`)
    yield* single(binaries, folder.data, folder.user, "postgres", `ALTER ROLE ${role} PASSWORD '${password}'`)
    yield* writeWhole(passwordPath(folder.path), password)
  }
  return Redacted.make(password)
})
