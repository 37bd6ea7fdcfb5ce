import type { CurrentPrincipal, Principal } from "@joy/domain/CurrentPrincipal"
import { RoleId, type UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import type { Page, PageQuery } from "@joy/domain/Page"
import type { Permission } from "@joy/domain/Permission"
import * as Policy from "@joy/domain/Policy"
import { Forbidden, type InvalidRequest } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { type NewRole, type Role, RoleBuiltIn, RoleExists, RoleInUse, UnknownRole } from "@joy/domain/Role"
import { Signer } from "@joy/domain/Signer"
import { type LastAdmin, RoleNotFound, type User, UserNotFound } from "@joy/domain/User"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountKeys from "./AccountKeys.ts"
import * as AccountRows from "./AccountRows.ts"
import * as Admins from "./Admins.ts"
import { AuditLog } from "./AuditLog.ts"
import { Revocations } from "./Revocations.ts"
import * as RoleRows from "./RoleRows.ts"

/** Roles and who has them. What changes here holds from everybody's next request on. */
export class Roles extends Context.Service<
  Roles,
  {
    /** Roles by name; needs `roles:read`. */
    readonly list: (query: PageQuery) => Effect.Effect<Page<Role>, Forbidden | InvalidRequest, CurrentPrincipal>
    /** Makes a role of what the principal holds; needs `roles:write`, as all that follows. */
    readonly create: (
      role: NewRole,
      facts: RequestFacts
    ) => Effect.Effect<Role, Forbidden | RoleExists, CurrentPrincipal>
    /** Gives a role another name and other permissions, of those that the principal holds. */
    readonly replace: (
      id: RoleId,
      role: NewRole,
      facts: RequestFacts
    ) => Effect.Effect<Role, Forbidden | UnknownRole | RoleBuiltIn | RoleExists, CurrentPrincipal>
    readonly remove: (
      id: RoleId,
      facts: RequestFacts
    ) => Effect.Effect<void, Forbidden | UnknownRole | RoleBuiltIn | RoleInUse, CurrentPrincipal>
    /**
     * Gives a user exactly these roles. Those that the user did not have before must not hold more than the principal
     * does. The last administrator stays one.
     */
    readonly assign: (
      userId: UserId,
      names: ReadonlyArray<string>,
      facts: RequestFacts
    ) => Effect.Effect<User, Forbidden | LastAdmin | RoleNotFound | UserNotFound, CurrentPrincipal>
  }
>()("@joy/auth/Roles") {
  static readonly layerNoDeps: Layer.Layer<Roles, never, AuditLog | Revocations | Signer | SqlClient.SqlClient> =
    Layer.effect(
      Roles,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* RoleRows.make
        const accounts = yield* AccountRows.make
        const admins = yield* Admins.make
        const audit = yield* AuditLog
        const revocations = yield* Revocations
        const signer = yield* Signer

        /** Under the lock, by what the principal holds now: they may have been demoted since the request began. */
        const mayGrant = Effect.fnUntraced(function* (principal: Principal, permissions: Iterable<Permission>) {
          const held = yield* rows.heldBy(principal.userId)
          for (const permission of permissions) {
            if (!principal.permissions.has(permission) || !held.has(permission)) {
              return yield* new Forbidden({ detail: `Only who has the permission ${permission} can grant it` })
            }
          }
        })

        /** The role, if it may be changed. */
        const changeable = Effect.fnUntraced(function* (id: RoleId) {
          const found = Option.getOrUndefined(yield* rows.byId(id))
          if (found === undefined) return yield* new UnknownRole({})
          return found.builtIn ? yield* new RoleBuiltIn({}) : found
        })

        const save = Effect.fnUntraced(function* (id: RoleId, role: NewRole) {
          const name = role.name.normalize("NFC")
          if (yield* rows.isTaken(name, id)) return yield* new RoleExists({})
          return yield* rows.save({ id, name, permissions: [...new Set(role.permissions)] })
        })

        const create = Effect.fn("Roles.create")(
          function* (role: NewRole, facts: RequestFacts) {
            const principal = yield* Policy.permission("roles:write")
            yield* admins.lock
            yield* mayGrant(principal, role.permissions)
            const made = yield* save(RoleId.make(SecureRandom.uuidV7Unsafe()), role)
            const { name, permissions } = made
            yield* audit.append({
              action: "role.created",
              actorId: principal.userId,
              facts,
              detail: { role: name, permissions }
            })
            return made
          },
          sql.withTransaction,
          Effect.catchTag(["SqlError", "SchemaError", "NoSuchElementError"], Effect.die)
        )

        const replace = Effect.fn("Roles.replace")(
          function* (id: RoleId, role: NewRole, facts: RequestFacts) {
            const principal = yield* Policy.permission("roles:write")
            yield* admins.lock
            const before = yield* changeable(id)
            yield* mayGrant(principal, role.permissions)
            const after = yield* save(id, role)
            yield* revocations.change(yield* rows.holders(id))
            yield* audit.append({
              action: "role.changed",
              actorId: principal.userId,
              facts,
              detail: { role: before.name, name: after.name, from: before.permissions, to: after.permissions }
            })
            return after
          },
          sql.withTransaction,
          Effect.catchTag(["SqlError", "SchemaError", "NoSuchElementError"], Effect.die)
        )

        const remove = Effect.fn("Roles.remove")(
          function* (id: RoleId, facts: RequestFacts) {
            const { userId } = yield* Policy.permission("roles:write")
            yield* admins.lock
            const { name, permissions } = yield* changeable(id)
            if (!(yield* rows.remove(id))) return yield* new RoleInUse({})
            yield* audit.append({ action: "role.deleted", actorId: userId, facts, detail: { role: name, permissions } })
          },
          sql.withTransaction,
          // An account that is being made with the role was there first: the foreign key knows.
          Effect.catchReason("SqlError", "ConstraintError", () => Effect.fail(new RoleInUse({}))),
          Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
        )

        const assign = Effect.fn("Roles.assign")(
          function* (userId: UserId, names: ReadonlyArray<string>, facts: RequestFacts) {
            const principal = yield* Policy.permission("roles:write")
            yield* admins.lock
            const before = Option.getOrUndefined(yield* accounts.locked(userId))
            if (before === undefined) return yield* new UserNotFound({})
            const wanted = [...new Set(names.map(AccountKeys.storable))]
            const found = yield* accounts.roles(wanted)
            if (found.length < wanted.length) return yield* new RoleNotFound({})
            const added = found.filter(({ name }) => !before.roles.includes(name))
            if (added.length === 0 && wanted.length === before.roles.length) return before
            yield* mayGrant(principal, RoleRows.known(added.flatMap(({ permissions }) => permissions)))
            yield* admins.guarding(userId, rows.assign(userId, wanted))
            yield* revocations.change([userId])
            yield* audit.append({
              action: "account.roles-changed",
              actorId: principal.userId,
              subjectId: userId,
              facts,
              detail: { from: before.roles, to: wanted.toSorted() }
            })
            const after = yield* accounts.byId(userId)
            return Option.isSome(after) ? after.value : yield* new UserNotFound({})
          },
          sql.withTransaction,
          Effect.catchTag(["SqlError", "SchemaError"], Effect.die)
        )

        const list = Effect.fn("Roles.list")(function* (query: PageQuery) {
          yield* Policy.permission("roles:read")
          const after = yield* Keyset.position(signer, "roles", RoleRows.Position, query.cursor)
          const found = yield* Effect.orDie(rows.page({ after, limit: Keyset.rowLimit(query) }))
          return Keyset.page(signer, "roles", query, found, (last) => [last.name, last.id])
        })

        return Roles.of({ list, create, replace, remove, assign })
      })
    )
}
