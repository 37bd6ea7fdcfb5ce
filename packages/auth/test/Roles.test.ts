import { assert, describe, layer } from "@effect/vitest"
import { allPermissions, type Permission } from "@joy/domain/Permission"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Revocations } from "../src/Revocations.ts"
import { Roles } from "../src/Roles.ts"
import { Sessions } from "../src/Sessions.ts"
import { as, audited, eventually, layer as testLayer, newUser, tag } from "./TestAuth.ts"

const roleName = () => `role-${SecureRandom.uuidV7Unsafe().slice(-8)}`
const create = (name: string, ...permissions: ReadonlyArray<Permission>) =>
  Effect.flatMap(Roles, (roles) => roles.create({ name, permissions }, none))

/** An administrator, to act as. */
const newAdmin = Effect.map(newUser("admin"), ({ id }) => ({ id, act: as({ userId: id }, ...allPermissions) }))

describe("Roles", () => {
  layer(testLayer())((it) => {
    it.effect("are listed by name, in pages, with what they allow written out", () =>
      Effect.gen(function* () {
        const { list } = yield* Roles
        const { act, id } = yield* newAdmin
        assert.strictEqual(yield* tag(list({}).pipe(as({ userId: id }, "roles:write"))), "Forbidden")
        const first = yield* list({ limit: 2 }).pipe(act)
        assert.deepStrictEqual(
          first.items.map(({ name }) => name),
          ["admin", "curator"]
        )
        assert.sameMembers([...(first.items[0]?.permissions ?? [])], [...allPermissions])
        assert.isTrue(first.items[0]?.builtIn)
        const second = yield* list({ cursor: first.nextCursor ?? assert.fail() }).pipe(act)
        assert.include(
          second.items.map(({ name }) => name),
          "viewer"
        )
        assert.isNull(second.nextCursor)
      })
    )

    it.effect("are made of what their maker holds at that moment, under a name of their own [C6]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const admin = yield* newAdmin
        const name = roleName()
        const made = yield* create(name, "media:read", "media:read", "roles:write").pipe(admin.act)
        assert.deepInclude(made, { name, permissions: ["media:read", "roles:write"], builtIn: false })
        for (const taken of [name, name.toUpperCase(), "Admin"]) {
          assert.strictEqual(yield* tag(create(taken).pipe(admin.act)), "RoleExists")
        }
        const keeper = yield* newUser()
        yield* (yield* Roles).assign(keeper.id, [name], none).pipe(admin.act)
        const act = as({ userId: keeper.id }, "roles:write", "media:read", "users:write")
        assert.strictEqual(yield* tag(create(roleName(), "media:read").pipe(as({ userId: keeper.id }))), "Forbidden")
        assert.strictEqual(yield* tag(create(roleName(), "media:read").pipe(act)), "made")
        assert.strictEqual(yield* tag(create(roleName(), "media:write").pipe(act)), "Forbidden")
        // Held when the request began, but not any more.
        assert.strictEqual(yield* tag(create(roleName(), "users:write").pipe(act)), "Forbidden")
        const [entry] =
          yield* sql`SELECT actor_id, detail FROM audit_log WHERE action = 'role.created' ORDER BY id LIMIT 1`
        assert.deepEqual(entry, {
          actorId: admin.id,
          detail: { role: name, permissions: ["media:read", "roles:write"] }
        })
      })
    )

    it.effect("change for everybody who has them, from the next request on [T10]", () =>
      Effect.gen(function* () {
        const roles = yield* Roles
        const { principalOf } = yield* Principals
        const { act } = yield* newAdmin
        const revocations = yield* Revocations
        yield* eventually(Effect.sync(() => revocations.hearsSince() !== null))
        const { id, name } = yield* create(roleName(), "media:read").pipe(act)
        const user = yield* newUser()
        const session = yield* (yield* Sessions).open({ userId: user.id, ...none })
        const permissions = Effect.map(principalOf(session), (principal) => [...principal.permissions].toSorted())
        assert.deepStrictEqual(yield* permissions, ["media:read"])
        assert.deepStrictEqual((yield* roles.assign(user.id, [], none).pipe(act)).roles, [])
        assert.deepStrictEqual(yield* permissions, [])
        assert.deepStrictEqual((yield* roles.assign(user.id, [name, name], none).pipe(act)).roles, [name])
        assert.deepStrictEqual(yield* permissions, ["media:read"])
        const other = roleName()
        const changed = yield* roles.replace(id, { name: other, permissions: ["users:read"] }, none).pipe(act)
        assert.deepInclude(changed, { id, name: other, permissions: ["users:read"] })
        assert.deepStrictEqual(yield* permissions, ["users:read"])

        assert.strictEqual(yield* tag(roles.remove(id, none).pipe(act)), "RoleInUse")
        yield* roles.assign(user.id, ["viewer"], none).pipe(act)
        yield* roles.remove(id, none).pipe(act)
        assert.strictEqual(yield* tag(roles.remove(id, none).pipe(act)), "UnknownRole")
        assert.deepStrictEqual(
          (yield* audited(user.id)).filter((action) => action === "account.roles-changed").length,
          3
        )
      })
    )

    it.effect("stay as they are when built in", () =>
      Effect.gen(function* () {
        const roles = yield* Roles
        const { act } = yield* newAdmin
        const { items } = yield* roles.list({}).pipe(act)
        for (const { id, name } of items.filter(({ builtIn }) => builtIn)) {
          assert.strictEqual(yield* tag(roles.replace(id, { name, permissions: [] }, none).pipe(act)), "RoleBuiltIn")
          assert.strictEqual(yield* tag(roles.remove(id, none).pipe(act)), "RoleBuiltIn")
        }
        assert.deepStrictEqual((yield* roles.list({}).pipe(act)).items, items)
      })
    )

    it.effect("are given by nobody who holds less, but kept where they were [C6]", () =>
      Effect.gen(function* () {
        const { assign } = yield* Roles
        const admin = yield* newAdmin
        const { name } = yield* create(roleName(), "media:read", "roles:write").pipe(admin.act)
        const keeper = yield* newUser()
        yield* assign(keeper.id, [name], none).pipe(admin.act)
        const act = as({ userId: keeper.id }, "media:read", "roles:write")
        const curator = yield* newUser("curator")
        assert.strictEqual(yield* tag(assign(curator.id, ["admin"], none).pipe(act)), "Forbidden")
        assert.strictEqual(yield* tag(assign(keeper.id, ["admin"], none).pipe(act)), "Forbidden")
        assert.deepStrictEqual((yield* assign(curator.id, ["curator", "viewer"], none).pipe(act)).roles, [
          "curator",
          "viewer"
        ])
        assert.strictEqual(yield* tag(assign(curator.id, ["wizard"], none).pipe(act)), "RoleNotFound")
        assert.strictEqual(yield* tag(assign(curator.id, ["viewer\0"], none).pipe(act)), "RoleNotFound")
        assert.strictEqual(yield* tag(assign(curator.id, [], none).pipe(as({ userId: keeper.id }))), "Forbidden")
        const nobody = { ...keeper, id: (yield* newUser()).id }
        yield* (yield* SqlClient.SqlClient)`DELETE FROM users WHERE id = ${nobody.id}`
        assert.strictEqual(yield* tag(assign(nobody.id, [], none).pipe(act)), "UserNotFound")
      })
    )
  })

  layer(testLayer())("of administrators", (it) => {
    it.effect("leave one of several who demote each other at once [C6]", () =>
      Effect.gen(function* () {
        const { assign } = yield* Roles
        const all = yield* Effect.replicateEffect(newAdmin, 6)
        const results = yield* Effect.forEach(all, ({ act, id }) => tag(assign(id, ["viewer"], none).pipe(act)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(results.filter((result) => result === "LastAdmin").length, 1)
        assert.deepStrictEqual(results.filter((result) => result === "made").length, 5)
      })
    )
  })
})
