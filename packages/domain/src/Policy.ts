import * as Effect from "effect/Effect"

import { CurrentPrincipal, type Principal } from "./CurrentPrincipal.ts"
import type { SessionId, UserId } from "./Ids.ts"
import type { Permission } from "./Permission.ts"
import { Forbidden } from "./Problem.ts"

/** A rule about the principal of the request, checked by the service before data leaves it. Gives the principal back. */
export type Policy = Effect.Effect<Principal, Forbidden, CurrentPrincipal>

/** Holds when `predicate` does. */
export const policy = (predicate: (principal: Principal) => boolean, detail: string): Policy =>
  Effect.flatMap(CurrentPrincipal, (principal) =>
    predicate(principal) ? Effect.succeed(principal) : Effect.fail(new Forbidden({ detail }))
  )

/** Holds for who has the permission. */
export const permission = (needed: Permission): Policy =>
  policy((principal) => principal.permissions.has(needed), `This needs the permission ${needed}`)

/** Holds for the user themselves and for who has the permission. */
export const selfOr = (userId: UserId, needed: Permission): Policy =>
  policy(
    (principal) => principal.userId === userId || principal.permissions.has(needed),
    `This is for the user themselves or needs the permission ${needed}`
  )

/**
 * Holds for the user themselves, signed in, and for who has the permission. An API key is not its owner: all that it may
 * do stands in its permissions.
 */
export const ownerOr = (userId: UserId, needed: Permission): Policy =>
  policy(
    (principal) =>
      (principal.userId === userId && principal.credential.kind === "session") || principal.permissions.has(needed),
    `This is for the user themselves or needs the permission ${needed}`
  )

/** Holds for who is signed in, and gives the session; an API key is not enough. */
export const session: Effect.Effect<Principal & { readonly sessionId: SessionId }, Forbidden, CurrentPrincipal> =
  Effect.flatMap(CurrentPrincipal, (principal) =>
    principal.credential.kind === "session"
      ? Effect.succeed({ ...principal, sessionId: principal.credential.sessionId })
      : Effect.fail(new Forbidden({ detail: "An API key can't do this: sign in" }))
  )
