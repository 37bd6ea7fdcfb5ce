import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { Events } from "@joy/domain/Events"
import type { SessionId, UserId } from "@joy/domain/Ids"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, ServiceUnavailable, TooManyRequests } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { InvalidCredentials } from "@joy/domain/Session"
import { AccountExists, type Email, type LastAdmin, type User, UserNotFound, type WeakPassword } from "@joy/domain/User"
import { UserDeletion } from "@joy/domain/UserDeletion"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountKeys from "./AccountKeys.ts"
import * as AccountRows from "./AccountRows.ts"
import * as Admins from "./Admins.ts"
import { AuditLog } from "./AuditLog.ts"
import { PasswordHasher } from "./PasswordHasher.ts"
import { PasswordPolicy } from "./PasswordPolicy.ts"
import { RateLimits } from "./RateLimits.ts"
import { Sessions } from "./Sessions.ts"

/** What is absent stays as it is. */
export interface AccountChange {
  readonly displayName?: string | null | undefined
  readonly email?: Email | undefined
  readonly disabled?: boolean | undefined
}

/** What the principal may not change is not there, unless they may see it. */
const mayChange = (id: UserId) =>
  Effect.catchTag(Policy.ownerOr(id, "users:write"), "Forbidden", (forbidden) =>
    Effect.matchEffect(Policy.selfOr(id, "users:read"), {
      onFailure: () => Effect.fail(new UserNotFound({})),
      onSuccess: () => Effect.fail(forbidden)
    })
  )

export class AccountChanges extends Context.Service<
  AccountChanges,
  {
    /**
     * Changes the password of who is signed in and ends all their other sessions. The current password is asked for as
     * at a sign-in, and counts against the same limits. Not by an API key.
     */
    readonly changePassword: (
      passwords: { readonly currentPassword: Redacted.Redacted; readonly newPassword: Redacted.Redacted },
      facts: RequestFacts
    ) => Effect.Effect<
      void,
      Forbidden | InvalidCredentials | ServiceUnavailable | TooManyRequests | WeakPassword,
      CurrentPrincipal
    >
    /**
     * Changes an account: the principal's own, or any with `users:write`, which disabling and enabling need. Disabling
     * ends every session. A new address is not verified.
     */
    readonly update: (
      id: UserId,
      change: AccountChange,
      facts: RequestFacts
    ) => Effect.Effect<User, AccountExists | Forbidden | LastAdmin | UserNotFound, CurrentPrincipal>
    /** Deletes an account, the principal's own or any with `users:write`, and appends `user.deleted`. */
    readonly remove: (
      id: UserId,
      facts: RequestFacts
    ) => Effect.Effect<void, Forbidden | LastAdmin | UserNotFound, CurrentPrincipal>
  }
>()("@joy/auth/AccountChanges") {
  static readonly layerNoDeps: Layer.Layer<
    AccountChanges,
    never,
    AuditLog | Events | PasswordHasher | PasswordPolicy | RateLimits | Sessions | SqlClient.SqlClient | UserDeletion
  > = Layer.effect(
    AccountChanges,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* AccountRows.make
      const admins = yield* Admins.make
      const audit = yield* AuditLog
      const deletion = yield* UserDeletion
      const events = yield* Events
      const hasher = yield* PasswordHasher
      const limits = yield* RateLimits
      const policy = yield* PasswordPolicy
      const sessions = yield* Sessions

      const checkCurrent = Effect.fnUntraced(function* (password: Redacted.Redacted, hash: Redacted.Redacted | null) {
        const matches =
          hash === null ? yield* hasher.verifyDummy(password) : yield* hasher.verify(password, Redacted.value(hash))
        return hash === null || !matches ? yield* new InvalidCredentials({}) : Redacted.value(hash)
      })

      const replacePassword = Effect.fnUntraced(
        function* (
          principal: { readonly userId: UserId; readonly sessionId: SessionId },
          from: string,
          to: string,
          facts: RequestFacts
        ) {
          const { sessionId, userId } = principal
          // Changed by somebody else since it was checked: then what was shown is not the current one any more.
          if (!(yield* rows.rehash(userId, from, to))) return yield* new InvalidCredentials({})
          yield* audit.append({
            action: "account.password-changed",
            actorId: userId,
            subjectId: userId,
            sessionId,
            facts
          })
          yield* sessions.endAll(userId, "password", { facts, actorId: userId, exceptSessionId: sessionId })
        },
        sql.withTransaction,
        Effect.catchTag("SqlError", Effect.die)
      )

      const changePassword = Effect.fn("AccountChanges.changePassword")(function* (
        passwords: { readonly currentPassword: Redacted.Redacted; readonly newPassword: Redacted.Redacted },
        facts: RequestFacts
      ) {
        const principal = yield* Policy.session
        const { userId } = principal
        const found = Option.getOrUndefined(yield* Effect.orDie(rows.credentials(userId)))
        if (found === undefined) return yield* new InvalidCredentials({})
        const from = yield* limits
          .login({ userId, typed: found.username }, facts, checkCurrent(passwords.currentPassword, found.passwordHash))
          .pipe(
            Effect.tapErrorTag("InvalidCredentials", () =>
              audit.append({
                action: "login.failed",
                actorId: userId,
                subjectId: userId,
                sessionId: principal.sessionId,
                facts,
                detail: { at: "password-change" }
              })
            )
          )
        yield* policy.check(passwords.newPassword)
        yield* replacePassword(principal, from, yield* hasher.hash(passwords.newPassword), facts)
      })

      const apply = Effect.fnUntraced(
        function* (id: UserId, change: AccountChange, actorId: UserId, facts: RequestFacts) {
          if (change.disabled === true) yield* admins.lock
          const before = Option.getOrUndefined(yield* rows.locked(id))
          if (before === undefined) return yield* new UserNotFound({})
          const emailKey = change.email === undefined ? null : AccountKeys.fold(change.email)
          const fields = [
            ...(change.displayName !== undefined && change.displayName !== before.displayName ? ["displayName"] : []),
            ...(change.email !== undefined && change.email !== before.email ? ["email"] : [])
          ]
          const turned = change.disabled !== undefined && change.disabled !== before.disabled
          if (fields.length === 0 && !turned) return before
          const { disabled = before.disabled, displayName = before.displayName, email = before.email } = change
          // Another spelling of one address is still that address.
          yield* admins.guarding(
            id,
            sql`
              UPDATE users SET display_name = ${displayName}, email = ${email},
                email_key = coalesce(${emailKey}::text, email_key),
                email_verified = email_verified AND (${emailKey}::text IS NULL OR email_key = ${emailKey}::text),
                disabled_at = CASE WHEN ${disabled}::boolean THEN coalesce(disabled_at, now()) END, updated_at = now()
              WHERE id = ${id}`
          )
          const entry = { actorId, subjectId: id, facts }
          if (fields.length > 0) yield* audit.append({ ...entry, action: "account.updated", detail: { fields } })
          if (turned) {
            yield* audit.append({ ...entry, action: disabled ? "account.disabled" : "account.enabled" })
            if (disabled) yield* sessions.endAll(id, "disabled", { facts, actorId })
          }
          const after = yield* rows.byId(id)
          return Option.isSome(after) ? after.value : yield* new UserNotFound({})
        },
        sql.withTransaction,
        Effect.catchReason("SqlError", "UniqueViolation", () => Effect.fail(new AccountExists({}))),
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      const update = Effect.fn("AccountChanges.update")(function* (
        id: UserId,
        change: AccountChange,
        facts: RequestFacts
      ) {
        const principal = yield* mayChange(id)
        if (change.disabled !== undefined) yield* Policy.permission("users:write")
        return yield* apply(id, change, principal.userId, facts)
      })

      const erase = Effect.fnUntraced(
        function* (id: UserId, actorId: UserId, facts: RequestFacts) {
          yield* admins.lock
          const found = Option.getOrUndefined(yield* rows.locked(id))
          if (found === undefined) return yield* new UserNotFound({})
          // The rows go with the account; this tells every process that the sessions have ended.
          yield* sessions.endAll(id, actorId === id ? "logout-all" : "admin", { facts, actorId })
          yield* deletion.before(id)
          yield* admins.guarding(id, sql`DELETE FROM users WHERE id = ${id}`)
          yield* audit.append({
            action: "account.deleted",
            actorId,
            subjectId: id,
            facts,
            detail: { username: found.username }
          })
          yield* events.append({ name: "user.deleted", userId: id })
        },
        sql.withTransaction,
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      const remove = Effect.fn("AccountChanges.remove")(function* (id: UserId, facts: RequestFacts) {
        const principal = yield* mayChange(id)
        yield* erase(id, principal.userId, facts)
      })

      return AccountChanges.of({ changePassword, update, remove })
    })
  )
}
