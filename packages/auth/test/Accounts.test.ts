import { assert, describe, layer } from "@effect/vitest"
import { Cursor } from "@joy/domain/Page"
import { Email, Username } from "@joy/domain/User"
import * as argon2 from "@node-rs/argon2"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { Accounts } from "../src/Accounts.ts"
import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Sessions } from "../src/Sessions.ts"
import { as, audited, fresh, layer as testLayer, newUser, password, tag } from "./TestAuth.ts"

const register = (account: ReturnType<typeof fresh>) =>
  Effect.flatMap(Accounts, (accounts) => accounts.register(account, none))
const signIn = (identifier: string, secret = password) =>
  Effect.flatMap(Accounts, (accounts) => accounts.authenticate({ identifier, password: secret }, none))

describe("Accounts", () => {
  layer(testLayer())((it) => {
    it.effect("registers viewers, who can sign in by name and by address in any case [P11]", () =>
      Effect.gen(function* () {
        const account = fresh()
        const user = yield* register(account)
        assert.deepInclude(user, {
          username: account.username,
          email: account.email,
          emailVerified: false,
          disabled: false
        })
        assert.deepStrictEqual(user.roles, ["viewer"])
        for (const name of [
          account.username,
          account.email,
          account.username.toUpperCase(),
          ` ${account.email.toUpperCase()} `
        ]) {
          assert.strictEqual((yield* signIn(name)).user.id, user.id)
        }
        assert.deepStrictEqual(yield* audited(user.id), ["account.registered"])
      })
    )

    it.effect("stores an argon2id hash and no password [P6]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const user = yield* register(fresh())
        const dump = JSON.stringify(yield* sql`SELECT u::text FROM users u WHERE id = ${user.id}`)
        assert.match(dump, /\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
        assert.notInclude(dump, Redacted.value(password))
      })
    )

    it.effect("makes one account of two at once [P12]", () =>
      Effect.gen(function* () {
        const account = fresh()
        const all = yield* Effect.all(
          Array.from({ length: 6 }, () => Effect.result(register(account))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(all.filter((result) => result._tag === "Success").length, 1)
        for (const result of all) {
          if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "AccountExists")
        }
      })
    )

    it.effect("makes no second account of another spelling of one name or address [P11]", () =>
      Effect.gen(function* () {
        const { email, username } = fresh("Straße")
        yield* register({ email, username, password })
        const other = fresh()
        const names = [
          username.toUpperCase(),
          username.toLowerCase(),
          username.replace("ß", "ss"),
          username.replace("S", "\uFF33"),
          username.replace("a", "a\u200D").replace("\u200D", "")
        ]
        for (const name of names) {
          const error = yield* Effect.flip(register({ ...other, username: Username.make(name) }))
          assert.strictEqual(error._tag, "AccountExists", name)
        }
        const addresses = [email.toUpperCase(), email.replace("example", "\uFF45xample")]
        for (const address of addresses) {
          const error = yield* Effect.flip(register({ ...other, email: Email.make(address) }))
          assert.strictEqual(error._tag, "AccountExists", address)
        }
        const accented = fresh("Zo\u00eb")
        yield* register(accented)
        const decomposed = Username.make(accented.username.normalize("NFD"))
        assert.strictEqual((yield* Effect.flip(register({ ...other, username: decomposed })))._tag, "AccountExists")
      })
    )

    it.effect("never takes a name with a full-width @ for somebody's address [P11]", () =>
      Effect.gen(function* () {
        const victim = yield* register(fresh())
        const attacker = yield* register({
          ...fresh(),
          username: Username.make((victim.email ?? "").replace("@", "\uFF20")),
          password: Redacted.make("attacker's own secret")
        })
        assert.strictEqual((yield* signIn(victim.email ?? "")).user.id, victim.id)
        const mine = yield* signIn(attacker.username, Redacted.make("attacker's own secret"))
        assert.strictEqual(mine.user.id, attacker.id)
        yield* Effect.flip(signIn(victim.email ?? "", Redacted.make("attacker's own secret")))
      })
    )

    it.effect("refuses weak passwords before it hashes them [P5]", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(register({ ...fresh(), password: Redacted.make("password1") }))
        assert.strictEqual(error._tag, "WeakPassword")
      })
    )

    it.effect(
      "gives one answer to unknown names, wrong passwords, disabled accounts and accounts without password [P9]",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const user = yield* register(fresh())
          const disabled = yield* register(fresh())
          const passwordless = yield* newUser()
          yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${disabled.id}`
          const errors = [
            yield* Effect.flip(signIn("nobody-of-this-name")),
            yield* Effect.flip(signIn("nobody@example.org")),
            yield* Effect.flip(signIn("")),
            yield* Effect.flip(signIn("a\u0000b")),
            yield* Effect.flip(signIn(user.username, Redacted.make("wrong-one"))),
            yield* Effect.flip(signIn(user.username, Redacted.make(Redacted.value(password).toUpperCase()))),
            yield* Effect.flip(signIn(disabled.username)),
            yield* Effect.flip(signIn(passwordless.username)),
            yield* Effect.flip(signIn(passwordless.username, Redacted.make("")))
          ]
          assert.strictEqual(new Set(errors.map((error) => JSON.stringify(error))).size, 1)
          assert.strictEqual(errors[0]?._tag, "InvalidCredentials")
          assert.deepStrictEqual(yield* audited(user.id), ["account.registered", "login.failed", "login.failed"])
        })
    )

    it.effect("count against one limit by their name and by their address, in any spelling [L1]", () =>
      Effect.gen(function* () {
        const accounts = yield* Accounts
        const user = yield* newUser()
        const typed = [user.username, user.email, user.username.toUpperCase(), ` ${user.email} `, user.username]
        const guess = (identifier: string) =>
          tag(accounts.authenticate({ identifier, password: Redacted.make("wrong") }, none))
        for (const identifier of typed) assert.strictEqual(yield* guess(identifier), "InvalidCredentials")
        for (const identifier of typed) assert.strictEqual(yield* guess(identifier), "TooManyRequests")
      })
    )

    it.effect("makes a weak hash stronger at the next sign-in, once for all who sign in at once [P7]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const user = yield* register(fresh())
        const weak = yield* Effect.promise(() =>
          argon2.hash(Redacted.value(password), { memoryCost: 8192, timeCost: 1, parallelism: 1 })
        )
        yield* sql`UPDATE users SET password_hash = ${weak} WHERE id = ${user.id}`
        yield* Effect.flip(signIn(user.username, Redacted.make("wrong-one")))
        const stored = Effect.map(
          sql<{ readonly passwordHash: string }>`SELECT password_hash FROM users WHERE id = ${user.id}`,
          ([row]) => row?.passwordHash ?? ""
        )
        assert.strictEqual(yield* stored, weak)
        const all = yield* Effect.all(
          Array.from({ length: 4 }, () => signIn(user.username)),
          { concurrency: "unbounded" }
        )
        const strong = yield* stored
        assert.match(strong, /m=19456,t=2,p=1/)
        const sessions = yield* Sessions
        for (const { passwordHash } of all) {
          assert.strictEqual(Redacted.value(passwordHash), strong)
          yield* sessions.open({ userId: user.id, passwordHash, ...none })
        }
      })
    )

    it.effect("resets a password, ends every session, and lets no sign-in with the old one through [P16]", () =>
      Effect.gen(function* () {
        const accounts = yield* Accounts
        const sessions = yield* Sessions
        const { isLive } = yield* Principals
        const user = yield* register(fresh())
        const before = yield* signIn(user.username)
        const session = yield* sessions.open({ userId: user.id, passwordHash: before.passwordHash, ...none })
        assert.strictEqual(
          (yield* Effect.flip(accounts.resetPassword(user.username, Redacted.make("short"))))._tag,
          "WeakPassword"
        )
        assert.strictEqual(
          (yield* Effect.flip(accounts.resetPassword("nobody-of-this-name", password)))._tag,
          "UserNotFound"
        )
        yield* accounts.resetPassword(user.username.toUpperCase(), Redacted.make("another good one"))
        assert.isFalse(yield* isLive(session.sessionId))
        yield* Effect.flip(sessions.open({ userId: user.id, passwordHash: before.passwordHash, ...none }))
        yield* Effect.flip(signIn(user.username))
        yield* signIn(user.username, Redacted.make("another good one"))
        assert.includeMembers(yield* audited(user.id), ["account.password-reset", "session.ended"])
      })
    )

    it.effect("lets nobody grant more than they hold [C6]", () =>
      Effect.gen(function* () {
        const { create } = yield* Accounts
        const { id: userId } = yield* newUser()
        const make = (roles?: ReadonlyArray<string>) => create({ ...fresh(), roles }, none)
        assert.strictEqual(yield* tag(make().pipe(as({ userId }))), "Forbidden")
        assert.strictEqual(yield* tag(make().pipe(as({ userId }, "users:write"))), "made")
        assert.strictEqual(yield* tag(make(["viewer"]).pipe(as({ userId }, "users:write", "media:read"))), "Forbidden")
        const granting = as({ userId }, "users:write", "roles:write", "media:read")
        assert.strictEqual(yield* tag(make(["viewer"]).pipe(granting)), "made")
        assert.strictEqual(yield* tag(make([]).pipe(granting)), "made")
        assert.strictEqual(yield* tag(make(["curator"]).pipe(granting)), "Forbidden")
        assert.strictEqual(yield* tag(make(["viewer", "admin"]).pipe(granting)), "Forbidden")
        assert.strictEqual(yield* tag(make(["viewer", "wizard"]).pipe(granting)), "RoleNotFound")
        assert.strictEqual(yield* tag(make(["viewer\0"]).pipe(granting)), "RoleNotFound")
      })
    )

    it.effect("gives accounts the roles that were asked for", () =>
      Effect.gen(function* () {
        const accounts = yield* Accounts
        const admin = yield* accounts.createAdmin({ ...fresh(), email: null })
        assert.deepStrictEqual([admin.roles, admin.email], [["admin"], null])
        const all = as({ userId: admin.id }, "media:read", "media:write", "media:refresh", "users:write", "roles:write")
        const made = yield* accounts.create({ ...fresh(), roles: ["viewer", "curator", "viewer"] }, none).pipe(all)
        assert.deepStrictEqual(made.roles, ["curator", "viewer"])
        assert.isAbove(yield* accounts.countUsers, 1)
      })
    )

    it.effect("shows accounts to themselves and to who has users:read", () =>
      Effect.gen(function* () {
        const { byId, me } = yield* Accounts
        const [a, b] = [yield* newUser(), yield* newUser()]
        assert.strictEqual((yield* byId(a.id).pipe(as({ userId: a.id }))).username, a.username)
        assert.strictEqual((yield* me.pipe(as({ userId: a.id }))).id, a.id)
        assert.strictEqual((yield* Effect.flip(byId(a.id).pipe(as({ userId: b.id }))))._tag, "UserNotFound")
        assert.strictEqual((yield* byId(a.id).pipe(as({ userId: b.id }, "users:read"))).id, a.id)
      })
    )

    it.effect("lists accounts by pages, the newest first, also part of them", () =>
      Effect.gen(function* () {
        const { list } = yield* Accounts
        const sql = yield* SqlClient.SqlClient
        const word = `p%_${SecureRandom.uuidV7Unsafe().slice(-6)}`
        const all = yield* Effect.replicateEffect(newUser(), 5)
        for (const [n, { id }] of all.entries()) {
          yield* sql`UPDATE users SET username_key = ${`${word}${n}`}, created_at = date_trunc('hour', now()) WHERE id = ${id}`
        }
        const reader = as({ userId: all[0]?.id ?? assert.fail() }, "users:read")
        assert.strictEqual(
          (yield* Effect.flip(list({}).pipe(as({ userId: all[0]?.id ?? assert.fail() }))))._tag,
          "Forbidden"
        )
        const first = yield* list({ limit: 3, q: word.toUpperCase() }).pipe(reader)
        const cursor = first.nextCursor ?? assert.fail()
        const second = yield* list({ limit: 3, q: word.toUpperCase(), cursor }).pipe(reader)
        assert.deepStrictEqual(
          [...first.items, ...second.items].map(({ id }) => id),
          all.map(({ id }) => id).toReversed()
        )
        assert.isNull(second.nextCursor)
        for (const q of [word.replace("_", "x"), `${word}\0`, `\uD800${word}`, "\\"]) {
          assert.strictEqual((yield* list({ q }).pipe(reader)).items.length, 0)
        }
        for (const bad of [list({ cursor }), list({ q: word.toUpperCase(), cursor: Cursor.make(`${cursor}x`) })]) {
          assert.strictEqual((yield* Effect.flip(bad.pipe(reader)))._tag, "InvalidRequest")
        }
      })
    )
  })

  layer(testLayer({ registration: "closed" }))("where registration is closed", (it) => {
    it.effect("only administrators make accounts", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(register(fresh())))._tag, "RegistrationClosed")
        const accounts = yield* Accounts
        assert.strictEqual(yield* accounts.countUsers, 0)
        const admin = yield* accounts.createAdmin(fresh())
        yield* accounts.create(fresh(), none).pipe(as({ userId: admin.id }, "users:write"))
        assert.strictEqual(yield* accounts.countUsers, 2)
      })
    )
  })
})
