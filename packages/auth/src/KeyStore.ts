import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"

import * as KeyFile from "./KeyFile.ts"

/** The key file can't be used; `message` says what to do about it. */
export class KeyFileError extends Schema.TaggedError<KeyFileError>()("KeyFileError", {
  path: Schema.String,
  reason: Schema.Literals(["missing", "exists", "malformed", "staged", "unreadable", "unwritable"]),
  message: Schema.String
}) {}

const ownerOnly = 0o600

const isNotFound = (error: PlatformError) => error.reason._tag === "NotFound"

const unreadable = (path: string) => (error: PlatformError) =>
  isNotFound(error)
    ? new KeyFileError({
        path,
        reason: "missing",
        message: `There is no key file ${path}. Run "joy keys init" to make one.`
      })
    : new KeyFileError({
        path,
        reason: "unreadable",
        message: `The key file ${path} can't be read: ${error.message}`
      })

const unwritable = (path: string) => (error: PlatformError) =>
  new KeyFileError({ path, reason: "unwritable", message: `The key file ${path} can't be written: ${error.message}` })

/** Reads a key file, and warns if others than its owner can do so too. */
export const load = Effect.fn("KeyStore.load")(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const { mode } = yield* fs.stat(path).pipe(Effect.mapError(unreadable(path)))
  const text = yield* fs.readFileString(path).pipe(Effect.mapError(unreadable(path)))
  const file = yield* KeyFile.decode(text).pipe(
    Effect.mapError(
      (error) =>
        new KeyFileError({
          path,
          reason: "malformed",
          message: `The key file ${path} is not valid (${KeyFile.wrongParts(error)}); restore it from a backup.`
        })
    )
  )
  // Windows has no such bits and reports them all as set.
  if ((mode & 0o077) !== 0 && process.platform !== "win32") {
    yield* Effect.logWarning(`Others can read the key file ${path}. Run "chmod 600 ${path}".`)
  }
  return file
})

/** Puts the text beside `path`, whole and on the disk, readable by its owner alone; `use` moves it where it belongs. */
const writeBeside = Effect.fnUntraced(function* <A, E, R>(
  path: string,
  file: KeyFile.KeyFile,
  use: (temporary: string) => Effect.Effect<A, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const text = yield* Effect.orDie(KeyFile.encode(file))
  const toWrite = unwritable(path)
  yield* fs.makeDirectory(paths.dirname(path), { recursive: true, mode: 0o700 }).pipe(Effect.mapError(toWrite))
  const folder = yield* fs
    .makeTempDirectoryScoped({ directory: paths.dirname(path), prefix: ".joy-keys-" })
    .pipe(Effect.mapError(toWrite))
  const temporary = paths.join(folder, "keys.json")
  const handle = yield* fs.open(temporary, { flag: "wx", mode: ownerOnly }).pipe(Effect.mapError(toWrite))
  yield* handle.writeAll(new TextEncoder().encode(text)).pipe(Effect.andThen(handle.sync), Effect.mapError(toWrite))
  return yield* use(temporary)
}, Effect.scoped)

/** Makes a key file with new keys. One that is there is never overwritten. */
export const init = Effect.fn("KeyStore.init")(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* KeyFile.generate(yield* DateTime.now)
  // A link fails where a file is: also when two start at once.
  yield* writeBeside(path, file, (temporary) =>
    fs
      .link(temporary, path)
      .pipe(
        Effect.mapError((error) =>
          error.reason._tag === "AlreadyExists"
            ? new KeyFileError({ path, reason: "exists", message: `There is a key file ${path} already; it stays.` })
            : unwritable(path)(error)
        )
      )
  )
  return file
})

/** Adds the next signing key to a key file; see `KeyFile.stageNext`. Running processes notice it by themselves. */
export const rotate = Effect.fn("KeyStore.rotate")(function* (
  path: string,
  options: { readonly accessTokenTtl: Duration.Input }
) {
  const fs = yield* FileSystem.FileSystem
  const now = yield* DateTime.now
  const file = yield* load(path)
  const staged = KeyFile.stagedKey(file, now)
  if (staged !== undefined) {
    return yield* new KeyFileError({
      path,
      reason: "staged",
      message: `The next key waits already; it takes over at ${DateTime.formatIso(staged.activatesAt)}.`
    })
  }
  const next = yield* KeyFile.stageNext(file, now, options)
  yield* writeBeside(path, next, (temporary) => fs.rename(temporary, path).pipe(Effect.mapError(unwritable(path))))
  return next
})
