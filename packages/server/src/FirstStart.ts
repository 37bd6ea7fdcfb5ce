import { randomInt } from "node:crypto"

import { Accounts } from "@joy/auth/Accounts"
import { Email, Username } from "@joy/domain/User"
import * as Samples from "@joy/media/Samples"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"

import { Configuration } from "./config/Configuration.ts"
import * as Progress from "./Progress.ts"

/** What somebody needs who has just cloned the repository: a library that is not empty and an account to see it with. */

export const adminName = "admin"

/** Without letters and digits that are mistaken for each other; 20 of them have 99 bits. */
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

const randomPassword = () =>
  Array.from({ length: 4 }, () => Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join("")).join(
    "-"
  )

/** The password that nobody has been shown yet; `null` when there is none. */
export class Administrator extends Context.Service<
  Administrator,
  { readonly password: string; readonly shown: Effect.Effect<void> } | null
>()("@joy/server/Administrator") {}

/**
 * Makes the administrator at the first start and gives the password, to be shown once. It lies in a file of the data
 * folder from before the account exists until `shown`: a process that is killed in between must not take it along.
 */
export const administrator = Effect.gen(function* () {
  const { dataDir } = yield* Configuration
  const accounts = yield* Accounts
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(dataDir, "first-password")
  const shown = Effect.ignore(fs.remove(file, { force: true }))

  const kept = yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => ""))
  if ((yield* accounts.countUsers) > 0) return kept === "" ? null : { password: kept, shown }

  yield* Progress.step("Making the administrator's account")
  const password = kept === "" ? randomPassword() : kept
  yield* fs.makeDirectory(dataDir, { recursive: true })
  yield* fs.writeFileString(file, password, { mode: 0o600 })
  yield* accounts.createAdmin({
    username: Username.make(adminName),
    email: Email.make("admin@localhost"),
    password: Redacted.make(password)
  })
  return { password, shown }
})

/**
 * Puts three short samples into the library's own folder if it never held anything. A folder that somebody named is
 * theirs, and is never written to.
 */
export const samples = Effect.gen(function* () {
  const { dataDir, source } = yield* Configuration
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (source._tag !== "Folder" || source.root !== path.join(dataDir, "media")) return

  yield* fs.makeDirectory(source.root, { recursive: true })
  // Absent until they are all there: a start that was killed in between goes on with those that are missing.
  const unfinished = path.join(dataDir, "samples-unfinished")
  const isEmpty = (yield* fs.readDirectory(source.root)).every((name) => name.startsWith("."))
  if (!(yield* fs.exists(unfinished))) {
    const done = path.join(dataDir, "samples-made")
    if (!isEmpty || (yield* fs.exists(done))) return
    yield* fs.writeFileString(done, "")
    yield* fs.writeFileString(unfinished, "")
  }
  yield* Progress.step("Making three samples for the library")
  yield* Samples.writeSamples(source.root)
  yield* fs.remove(unfinished, { force: true })
}).pipe(
  // A library without samples is a library all the same.
  Effect.catch((error) => Progress.step(`No samples were made: ${error.message}`))
)
