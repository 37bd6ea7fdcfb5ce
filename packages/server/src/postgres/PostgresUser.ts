import { chown, lstat, stat } from "node:fs/promises"
import { dirname } from "node:path"

import * as Effect from "effect/Effect"

import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { failure, FolderUnreachable } from "./EmbeddedPostgresError.ts"
import * as PostgresFiles from "./PostgresFiles.ts"
import * as PostgresProcess from "./PostgresProcess.ts"

/** Who Postgres runs as; `null` when as ourselves. Only root has to choose: Postgres refuses to run as root. */
export type PostgresUser = { readonly uid: number; readonly gid: number } | null

/** `nobody`: there on every Linux, so no account has to be made. macOS's is another, but any number will do. */
const nobody = 65_534

/**
 * As root, the owner of a folder that an ordinary user made stays its owner; else `nobody`. `null` when not root.
 */
export const forFolder = Effect.fnUntraced(function* (
  data: string
): Effect.fn.Return<PostgresUser, EmbeddedPostgresError> {
  if (process.getuid?.() !== 0) return null
  const stats = yield* PostgresFiles.attemptOption(data, () => stat(data))
  return stats._tag === "Some" && stats.value.uid !== 0
    ? { uid: stats.value.uid, gid: stats.value.gid }
    : { uid: nobody, gid: nobody }
})

/** Whether `user` can get to a file: asked of the system, which knows about ACLs and the like. */
export const canReach = (user: PostgresUser, path: string): Effect.Effect<boolean, EmbeddedPostgresError> =>
  user === null
    ? Effect.succeed(true)
    : Effect.map(
        PostgresProcess.run("/bin/sh", ["-c", 'test -x "$1"', "sh", path], { user, step: "prepare" }),
        (result) => result.code === 0
      )

/** A folder below which root's embedded database is reachable, for people who have to choose another. */
const suggestion = "/var/lib/joy-kunga-stream"

/** Fails, naming the folder that is in the way, unless `user` can enter `path`. */
export const requireReach = Effect.fnUntraced(function* (
  user: PostgresUser,
  path: string
): Effect.fn.Return<void, EmbeddedPostgresError> {
  if (user === null || (yield* canReach(user, path))) return
  let blockedBy = path
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    const mode = (yield* PostgresFiles.attempt(parent, () => lstat(parent))).mode
    if ((mode & 0o001) === 0) blockedBy = parent
    if (parent === dirname(parent)) break
  }
  return yield* failure(new FolderUnreachable({ path, blockedBy, uid: user.uid, suggestion }))
})

/** Makes files belong to `user`. */
export const give = (user: PostgresUser, paths: ReadonlyArray<string>): Effect.Effect<void, EmbeddedPostgresError> =>
  user === null
    ? Effect.void
    : Effect.forEach(paths, (path) => PostgresFiles.attempt(path, () => chown(path, user.uid, user.gid)), {
        discard: true
      })
