import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import type { UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import { Forbidden, type InvalidRequest, type ServiceUnavailable, type TooManyRequests } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { InvalidCredentials } from "@joy/domain/Session"
import { Signer } from "@joy/domain/Signer"
import {
  AccountExists,
  type Email,
  RegistrationClosed,
  RoleNotFound,
  type User,
  type Username,
  UserNotFound,
  type WeakPassword
} from "@joy/domain/User"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountKeys from "./AccountKeys.ts"
import * as AccountRows from "./AccountRows.ts"
import { AuditLog } from "./AuditLog.ts"
import { AuthConfig } from "./AuthConfig.ts"
import { PasswordHasher } from "./PasswordHasher.ts"
import { PasswordPolicy } from "./PasswordPolicy.ts"
import { RateLimits } from "./RateLimits.ts"
import { none } from "./RequestFacts.ts"
import * as RoleRows from "./RoleRows.ts"
import { Sessions } from "./Sessions.ts"

export interface NewAccount {
  readonly username: Username
  readonly email: Email | null
  readonly password: Redacted.Redacted
}

export interface Credentials {
  /** A username or an e-mail address, as it was typed. */
  readonly identifier: string
  readonly password: Redacted.Redacted
}

/** Somebody who showed the right password. */
export interface Authenticated {
  readonly user: User
  /** For `Sessions.open`, which refuses the sign-in if the password is changed before the session is there. */
  readonly passwordHash: Redacted.Redacted
}

export interface UserQuery extends PageQuery {
  /** Part of the username or the address. */
  readonly q?: string | undefined
}

/** What making any account may answer. */
type NewAccountError = AccountExists | WeakPassword | ServiceUnavailable

export class Accounts extends Context.Service<
  Accounts,
  {
    /** Makes an account for whoever asks, with the role `viewer`. */
    readonly register: (
      account: NewAccount,
      facts: RequestFacts
    ) => Effect.Effect<User, RegistrationClosed | NewAccountError>
    /**
     * Checks a name (or address) and a password. An unknown name, a wrong password and a disabled account give one
     * answer at one cost. Counts before it hashes: see `RateLimits.login`.
     */
    readonly authenticate: (
      credentials: Credentials,
      facts: RequestFacts
    ) => Effect.Effect<Authenticated, InvalidCredentials | ServiceUnavailable | TooManyRequests>
    /** Makes an account for somebody else. Nobody grants more than they hold. */
    readonly create: (
      account: NewAccount & { readonly roles?: ReadonlyArray<string> | undefined },
      facts: RequestFacts
    ) => Effect.Effect<User, Forbidden | RoleNotFound | NewAccountError, CurrentPrincipal>
    /** Accounts, the newest first. */
    readonly list: (query: UserQuery) => Effect.Effect<Page<User>, Forbidden | InvalidRequest, CurrentPrincipal>
    /** One account: the principal's own, or any with `users:read`. What they may not see is not there. */
    readonly byId: (id: UserId) => Effect.Effect<User, UserNotFound, CurrentPrincipal>
    readonly me: Effect.Effect<User, UserNotFound, CurrentPrincipal>
    /** Without policy: for answers to who has just proven to be this user. */
    readonly userOf: (id: UserId) => Effect.Effect<User, UserNotFound>
    /** Without policy: for the command line and the first start. */
    readonly createAdmin: (account: NewAccount) => Effect.Effect<User, NewAccountError>
    /** Without policy: for the command line. Ends every session of the user. */
    readonly resetPassword: (
      username: string,
      password: Redacted.Redacted
    ) => Effect.Effect<void, UserNotFound | WeakPassword | ServiceUnavailable>
    readonly countUsers: Effect.Effect<number>
  }
>()("@joy/auth/Accounts") {
  static readonly layerNoDeps: Layer.Layer<
    Accounts,
    never,
    | AuditLog
    | AuthConfig
    | HotReads
    | PasswordHasher
    | PasswordPolicy
    | RateLimits
    | Sessions
    | Signer
    | SqlClient.SqlClient
  > = Layer.effect(
    Accounts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* AccountRows.make
      const hotById = rows.byIdOver(yield* HotReads)
      const audit = yield* AuditLog
      const config = yield* AuthConfig
      const hasher = yield* PasswordHasher
      const limits = yield* RateLimits
      const policy = yield* PasswordPolicy
      const sessions = yield* Sessions
      const signer = yield* Signer

      const userOf = Effect.fn("Accounts.userOf")(function* (id: UserId) {
        const found = yield* Effect.orDie(hotById(id))
        return Option.isSome(found) ? found.value : yield* new UserNotFound({})
      })

      /** Checks and hashes before the transaction begins: a connection must not wait for a hash. */
      const hashNew = Effect.fnUntraced(function* (password: Redacted.Redacted) {
        yield* policy.check(password)
        return yield* hasher.hash(password)
      })

      const insert = Effect.fnUntraced(
        function* (
          account: NewAccount,
          passwordHash: string,
          roles: ReadonlyArray<string>,
          entry: { readonly actorId: UserId | null; readonly facts: RequestFacts; readonly registered?: boolean }
        ) {
          const id = yield* rows.insert({ ...account, passwordHash, roles })
          yield* audit.append({
            action: entry.registered === true ? "account.registered" : "account.created",
            actorId: entry.registered === true ? id : entry.actorId,
            subjectId: id,
            facts: entry.facts,
            detail: { roles }
          })
          return Option.getOrThrow(yield* rows.byId(id))
        },
        sql.withTransaction,
        // Two at once, or one spelling more of the same name: the database decides.
        Effect.catchReason("SqlError", "UniqueViolation", () => Effect.fail(new AccountExists({}))),
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      const register = Effect.fn("Accounts.register")(function* (account: NewAccount, facts: RequestFacts) {
        if (config.registration === "closed") return yield* new RegistrationClosed({})
        const hash = yield* hashNew(account.password)
        return yield* insert(account, hash, ["viewer"], { actorId: null, facts, registered: true })
      })

      const find = (identifier: string) => Effect.orDie(rows.byIdentifier(AccountKeys.identifier(identifier)))

      const check = Effect.fnUntraced(function* (
        found: AccountRows.Credentials | undefined,
        { identifier, password }: Credentials,
        facts: RequestFacts
      ): Effect.fn.Return<Authenticated, InvalidCredentials | ServiceUnavailable> {
        const hash = found?.passwordHash ?? undefined
        const matches =
          hash === undefined
            ? yield* hasher.verifyDummy(password)
            : yield* hasher.verify(password, Redacted.value(hash))
        if (found === undefined || hash === undefined || !matches || found.disabled) {
          yield* audit.append({ action: "login.failed", subjectId: found?.id, facts })
          return yield* new InvalidCredentials({})
        }
        const { passwordHash: _, ...user } = found
        if (!hasher.needsRehash(Redacted.value(hash))) return { user, passwordHash: hash }
        const stronger = yield* hasher.hash(password)
        const replaced = yield* Effect.orDie(rows.rehash(user.id, Redacted.value(hash), stronger))
        if (replaced) return { user, passwordHash: Redacted.make(stronger) }
        // Somebody else replaced it meanwhile, by the same password or another: look again.
        return yield* check(Option.getOrUndefined(yield* find(identifier)), { identifier, password }, facts)
      })

      const authenticate = Effect.fn("Accounts.authenticate")(function* (
        credentials: Credentials,
        facts: RequestFacts
      ) {
        const found = Option.getOrUndefined(yield* find(credentials.identifier))
        const target = { userId: found?.id, typed: credentials.identifier }
        return yield* limits.login(target, facts, check(found, credentials, facts))
      })

      const create = Effect.fn("Accounts.create")(function* (
        account: NewAccount & { readonly roles?: ReadonlyArray<string> | undefined },
        facts: RequestFacts
      ) {
        const principal = yield* Policy.permission("users:write")
        if (account.roles !== undefined) {
          yield* Policy.permission("roles:write")
          const names = new Set(account.roles.map(AccountKeys.storable))
          const roles = yield* Effect.orDie(rows.roles([...names]))
          if (roles.length < names.size) return yield* new RoleNotFound({})
          for (const permission of RoleRows.known(roles.flatMap((role) => role.permissions))) {
            if (!principal.permissions.has(permission)) {
              return yield* new Forbidden({ detail: `Only who has the permission ${permission} can grant it` })
            }
          }
        }
        const hash = yield* hashNew(account.password)
        return yield* insert(account, hash, account.roles ?? ["viewer"], { actorId: principal.userId, facts })
      })

      const list = Effect.fn("Accounts.list")(function* (query: UserQuery) {
        yield* Policy.permission("users:read")
        const words = query.q?.trim() ?? ""
        const name = `users.${words}`
        const after = yield* Keyset.position(signer, name, AccountRows.Position, query.cursor)
        const found = yield* Effect.orDie(
          rows.page({ words: words === "" ? null : words, after, limit: Keyset.rowLimit(query) })
        )
        return Keyset.page(signer, name, query, found, (last) => [last.createdAt, last.id])
      })

      const byId = Effect.fn("Accounts.byId")(function* (id: UserId) {
        yield* Policy.selfOr(id, "users:read").pipe(Effect.mapError(() => new UserNotFound({})))
        return yield* userOf(id)
      })

      const createAdmin = Effect.fn("Accounts.createAdmin")(function* (account: NewAccount) {
        const hash = yield* hashNew(account.password)
        return yield* insert(account, hash, ["admin"], { actorId: null, facts: none })
      })

      const resetPassword = Effect.fn("Accounts.resetPassword")(function* (
        username: string,
        password: Redacted.Redacted
      ) {
        const passwordHash = yield* hashNew(password)
        yield* replacePassword(AccountKeys.fold(username), passwordHash)
      })
      const replacePassword = Effect.fnUntraced(
        function* (usernameKey: string, passwordHash: string) {
          const found = yield* rows.setPassword({ usernameKey, passwordHash })
          if (Option.isNone(found)) return yield* new UserNotFound({})
          const { id } = found.value
          yield* audit.append({ action: "account.password-reset", subjectId: id })
          yield* sessions.endAll(id, "password", { facts: none })
        },
        sql.withTransaction,
        Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
      )

      return Accounts.of({
        register,
        authenticate,
        create,
        list,
        byId,
        me: Effect.flatMap(CurrentPrincipal, ({ userId }) => userOf(userId)),
        userOf,
        createAdmin,
        resetPassword,
        countUsers: Effect.map(Effect.orDie(rows.count()), ({ users }) => users)
      })
    })
  )
}
