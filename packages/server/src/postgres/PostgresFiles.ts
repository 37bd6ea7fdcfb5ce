import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

import type { EmbeddedPostgresError, Reason } from "./EmbeddedPostgresError.ts"
import { failure, FolderForbidden, FolderFull, StartFailed } from "./EmbeddedPostgresError.ts"

/** Files are touched with `node:fs` here: the owner of a file matters, and Effect's `FileSystem` has no `lchown`. */

const errno = (cause: unknown): string => (cause instanceof Error && "code" in cause ? String(cause.code) : "")

const reasonOf = (path: string, cause: unknown): Reason => {
  switch (errno(cause)) {
    case "ENOSPC":
    case "EDQUOT":
      return new FolderFull({ path })
    case "EROFS":
      return new FolderForbidden({ path, reason: "it is on a read-only file system" })
    case "EACCES":
    case "EPERM":
      return new FolderForbidden({ path, reason: "it belongs to another user, or is not writable" })
    case "ENOTDIR":
    case "EEXIST":
      return new FolderForbidden({ path, reason: "something on the way to it is not a folder" })
    // What Node says when asked to make a folder on a read-only file system.
    case "ENOENT":
      return new FolderForbidden({ path, reason: "it can't be made (is the file system read-only?)" })
    default:
      return new StartFailed({ step: "prepare", detail: cause instanceof Error ? cause.message : String(cause) })
  }
}

/** Does something with the file at `path`, and says what is wrong with it in words of ours. */
export const attempt = <A>(path: string, use: () => Promise<A>): Effect.Effect<A, EmbeddedPostgresError> =>
  Effect.tryPromise({ try: use, catch: (cause) => failure(reasonOf(path, cause)) })

/** As `attempt`; none where there is no such file. */
export const attemptOption = <A>(
  path: string,
  use: () => Promise<A>
): Effect.Effect<Option.Option<A>, EmbeddedPostgresError> =>
  Effect.callback((resume) => {
    use().then(
      (value) => resume(Effect.succeedSome(value)),
      (cause: unknown) =>
        resume(errno(cause) === "ENOENT" ? Effect.succeedNone : Effect.fail(failure(reasonOf(path, cause))))
    )
  })
