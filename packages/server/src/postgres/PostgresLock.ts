import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, FolderInUse } from "./EmbeddedPostgresError.ts"
import * as PostgresFiles from "./PostgresFiles.ts"

/**
 * One process at a time may look after a database folder. The lock is the kernel's (fcntl), which forgets it when the
 * process dies in whatever way, and which no recycled process number can fool; it also holds between containers that
 * share a volume. Node offers such locks only through SQLite: an empty database, opened and locked, never written.
 */

const Owner = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int }))
const decodeOwner = Schema.decodeUnknownOption(Owner)

/** SQLite's result codes (sqlite.org/rescode.html). */
const busy = 5

type Lock = { readonly _tag: "Held"; readonly database: DatabaseSync } | { readonly _tag: "Busy" | "Unsupported" }

const isBusy = (cause: unknown) => cause instanceof Error && "errcode" in cause && Number(cause.errcode) % 256 === busy

const take = Effect.fnUntraced(function* (path: string): Effect.fn.Return<Lock> {
  const database = yield* Effect.option(Effect.try({ try: () => new DatabaseSync(path), catch: String }))
  if (database._tag === "None") return { _tag: "Unsupported" }
  return yield* Effect.try({
    try: (): Lock => {
      database.value.exec("BEGIN EXCLUSIVE")
      return { _tag: "Held", database: database.value }
    },
    catch: (cause): Lock => {
      database.value.close()
      return { _tag: isBusy(cause) ? "Busy" : "Unsupported" }
    }
  }).pipe(Effect.catch(Effect.succeed))
})

/** The process that said last that it looks after the folder; it may be gone. */
const ownerPid = (folder: string): Effect.Effect<number | null> =>
  PostgresFiles.attempt(folder, () => readFile(join(folder, "owner.json"), "utf8")).pipe(
    Effect.map((text) => {
      const owner = decodeOwner(text)
      return owner._tag === "Some" ? owner.value.pid : null
    }),
    Effect.orElseSucceed(() => null)
  )

/** Holds the folder until the scope closes. Fails with `FolderInUse` when another process has it. */
export const acquire = Effect.fnUntraced(function* (
  folder: string
): Effect.fn.Return<void, EmbeddedPostgresError, Scope.Scope> {
  const owner = join(folder, "owner.json")
  const lock = yield* Effect.acquireRelease(take(join(folder, "lock")), (lock) =>
    lock._tag === "Held" ? Effect.sync(() => lock.database.close()) : Effect.void
  )
  if (lock._tag === "Busy") return yield* failure(new FolderInUse({ path: folder, pid: yield* ownerPid(folder) }))
  if (lock._tag === "Unsupported") {
    // Some network file systems have no locks. Postgres' own postmaster.pid still keeps a second server out.
    yield* Effect.logDebug(`${folder} can't be locked`)
  }
  yield* Effect.acquireRelease(
    PostgresFiles.attempt(owner, () => writeFile(owner, JSON.stringify({ pid: process.pid }), { mode: 0o600 })),
    () => Effect.ignore(PostgresFiles.attempt(owner, () => rm(owner, { force: true })))
  )
})
