import { assert, describe, layer } from "@effect/vitest"
import type { Permission } from "@joy/domain/Permission"
import { Email } from "@joy/domain/User"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { AccountChanges } from "../src/AccountChanges.ts"
import { Accounts } from "../src/Accounts.ts"
import { Principals } from "../src/Principals.ts"
import { none } from "../src/RequestFacts.ts"
import { Sessions } from "../src/Sessions.ts"
import { as, asKey, audited, fresh, layer as testLayer, newUser, password, tag } from "./TestAuth.ts"

const other = Redacted.make("another-otter-bicycle-43")

const register = Effect.gen(function* () {
  const account = fresh()
  const user = yield* (yield* Accounts).register(account, none)
  const open = Effect.flatMap(Sessions, (sessions) => sessions.open({ userId: user.id, ...none }))
  return { user, open }
})

const change = (currentPassword: Redacted.Redacted, newPassword = other) =>
  Effect.flatMap(AccountChanges, (changes) => changes.changePassword({ currentPassword, newPassword }, none))
const update = (...[id, what]: [Parameters<AccountChanges["Service"]["update"]>[0], object]) =>
  Effect.flatMap(AccountChanges, (changes) => changes.update(id, what, none))
const remove = (id: Parameters<AccountChanges["Service"]["remove"]>[0]) =>
  Effect.flatMap(AccountChanges, (changes) => changes.remove(id, none))
const isLive = (id: Parameters<Principals["Service"]["isLive"]>[0]) =>
  Effect.flatMap(Principals, (principals) => principals.isLive(id))

describe("AccountChanges", () => {
  layer(testLayer())("changing a password", (it) => {
    it.effect("needs the current one, ends every other session, and is written down [P14, L9]", () =>
      Effect.gen(function* () {
        const { open, user } = yield* register
        const [mine, theirs] = [yield* open, yield* open]
        const me = as(mine)
        assert.strictEqual(yield* tag(change(Redacted.make("wrong-one")).pipe(me)), "InvalidCredentials")
        assert.strictEqual(yield* tag(change(password, Redacted.make("password1")).pipe(me)), "WeakPassword")
        assert.isTrue(yield* isLive(theirs.sessionId))
        yield* change(password).pipe(me)
        assert.isTrue(yield* isLive(mine.sessionId))
        assert.isFalse(yield* isLive(theirs.sessionId))
        const { authenticate } = yield* Accounts
        yield* Effect.flip(authenticate({ identifier: user.username, password }, none))
        yield* authenticate({ identifier: user.username, password: other }, none)
        assert.includeMembers(yield* audited(user.id), ["login.failed", "account.password-changed", "session.ended"])
      })
    )

    it.effect("is no way around the limits of signing in [L1]", () =>
      Effect.gen(function* () {
        const { open } = yield* register
        const me = as(yield* open)
        for (let n = 0; n < 5; n++) {
          assert.strictEqual(yield* tag(change(Redacted.make(`wrong-${n}`)).pipe(me)), "InvalidCredentials")
        }
        assert.strictEqual(yield* tag(change(password).pipe(me)), "TooManyRequests")
      })
    )

    it.effect("succeeds for one of two at once [P14]", () =>
      Effect.gen(function* () {
        const { open } = yield* register
        const [a, b] = [yield* open, yield* open]
        const both = yield* Effect.all([tag(change(password).pipe(as(a))), tag(change(password).pipe(as(b)))], {
          concurrency: 2
        })
        assert.deepStrictEqual(both.toSorted(), ["InvalidCredentials", "made"])
        assert.strictEqual([yield* isLive(a.sessionId), yield* isLive(b.sessionId)].filter(Boolean).length, 1)
      })
    )

    it.effect("is not for API keys, nor for accounts without a password [T12]", () =>
      Effect.gen(function* () {
        const { user } = yield* register
        assert.strictEqual(yield* tag(change(password).pipe(asKey(user.id))), "Forbidden")
        const { id } = yield* newUser()
        assert.strictEqual(yield* tag(change(password).pipe(as({ userId: id }))), "InvalidCredentials")
      })
    )
  })

  layer(testLayer())("changing an account", (it) => {
    it.effect("lets people give themselves a name and an address, which is not verified then", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { email, id } = yield* newUser()
        const me = as({ userId: id })
        const verify = sql`UPDATE users SET email_verified = true WHERE id = ${id}`
        yield* verify
        const named = yield* update(id, { displayName: "Tashi D." }).pipe(me)
        assert.deepInclude(named, { displayName: "Tashi D.", email, emailVerified: true })
        const spelled = yield* update(id, { email: Email.make(email.toUpperCase()) }).pipe(me)
        assert.deepInclude(spelled, { email: Email.make(email.toUpperCase()), emailVerified: true })
        const moved = yield* update(id, { email: Email.make(`new-${email}`) }).pipe(me)
        assert.deepInclude(moved, { email: Email.make(`new-${email}`), emailVerified: false, displayName: "Tashi D." })
        assert.isNull((yield* update(id, { displayName: null }).pipe(me)).displayName)
        const before = yield* audited(id)
        const same = yield* update(id, { displayName: null, email: moved.email }).pipe(me)
        assert.strictEqual(same.email, moved.email)
        assert.deepStrictEqual(yield* audited(id), before)
        assert.include(before, "account.updated")
      })
    )

    it.effect("gives nobody the address of somebody else", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* newUser(), yield* newUser()]
        const taken = update(a.id, { email: Email.make(b.email.toUpperCase()) })
        assert.strictEqual(yield* tag(taken.pipe(as({ userId: a.id }))), "AccountExists")
      })
    )

    it.effect("is for the user and for users:write; disabling is for the latter alone", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* newUser(), yield* newUser()]
        const by = (...permissions: ReadonlyArray<Permission>) => as({ userId: b.id }, ...permissions)
        const rename = update(a.id, { displayName: "x" })
        assert.strictEqual(yield* tag(rename.pipe(by())), "UserNotFound")
        assert.strictEqual(yield* tag(rename.pipe(by("users:read"))), "Forbidden")
        assert.strictEqual(yield* tag(rename.pipe(by("users:write"))), "made")
        assert.strictEqual(yield* tag(rename.pipe(asKey(a.id))), "Forbidden")
        assert.strictEqual(yield* tag(rename.pipe(asKey(a.id, "users:write"))), "made")
        for (const disabled of [true, false]) {
          assert.strictEqual(yield* tag(update(a.id, { disabled }).pipe(as({ userId: a.id }))), "Forbidden")
        }
        assert.strictEqual(yield* tag(remove(a.id).pipe(by())), "UserNotFound")
        assert.strictEqual(yield* tag(remove(a.id).pipe(asKey(a.id))), "Forbidden")
      })
    )

    it.effect("ends every session of who is disabled, and lets them in again when enabled [R15]", () =>
      Effect.gen(function* () {
        const { open, user } = yield* register
        const session = yield* open
        const admin = as({ userId: (yield* newUser("admin")).id }, "users:write")
        assert.isTrue((yield* update(user.id, { disabled: true }).pipe(admin)).disabled)
        assert.isFalse(yield* isLive(session.sessionId))
        yield* Effect.flip(open)
        assert.isFalse((yield* update(user.id, { disabled: false }).pipe(admin)).disabled)
        assert.isFalse(yield* isLive(session.sessionId))
        yield* open
        assert.includeMembers(yield* audited(user.id), ["account.disabled", "session.ended", "account.enabled"])
      })
    )

    it.effect("deletes an account with its sessions, puts its private media into the trash, and says so [R15]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { open, user } = yield* register
        const session = yield* open
        assert.isTrue(yield* isLive(session.sessionId))
        for (const visibility of ["private", "shared"]) {
          yield* sql`INSERT INTO media_items (id, type, title, status, user_id, visibility, s3_key, etag, size_bytes)
            VALUES (${SecureRandom.uuidV7Unsafe()}, 'image', ${visibility}, 'ready', ${user.id}, ${visibility},
              ${`users/${user.id}/${visibility}.jpg`}, 'x', 1)`
        }
        yield* remove(user.id).pipe(as(session))
        assert.isFalse(yield* isLive(session.sessionId))
        assert.strictEqual(yield* tag((yield* Accounts).userOf(user.id)), "UserNotFound")
        const items = yield* sql`SELECT title, user_id, deleted_at IS NOT NULL AS trashed FROM media_items
          WHERE s3_key LIKE ${`users/${user.id}/%`} ORDER BY title`
        assert.deepEqual(items, [
          { title: "private", userId: null, trashed: true },
          { title: "shared", userId: null, trashed: false }
        ])
        const events = yield* sql`SELECT data FROM events WHERE name = 'user.deleted'`
        assert.deepInclude(events, { data: { userId: user.id } })
        assert.include(yield* audited(user.id), "account.deleted")
        assert.strictEqual(yield* tag(remove(user.id).pipe(as(session, "users:write"))), "UserNotFound")
      })
    )
  })

  layer(testLayer())("keeping administrators", (it) => {
    it.effect("neither disables nor deletes the last one, and undoes what it had begun [C6]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const admin = yield* newUser("admin")
        const session = yield* (yield* Sessions).open({ userId: admin.id, ...none })
        const self = as(session, "users:write")
        const disabled = yield* newUser("admin")
        yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${disabled.id}`
        assert.strictEqual(yield* tag(update(admin.id, { disabled: true }).pipe(self)), "LastAdmin")
        assert.strictEqual(yield* tag(remove(admin.id).pipe(self)), "LastAdmin")
        assert.isTrue(yield* isLive(session.sessionId))
        assert.strictEqual((yield* sql`SELECT 1 FROM events`).length, 0)
        // One who can't sign in is none, and may go.
        yield* remove(disabled.id).pipe(self)
      })
    )

    it.effect("leaves one of several who disable and delete each other at once [C6]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE users SET disabled_at = now()`
        const all = yield* Effect.replicateEffect(newUser("admin"), 6)
        const results = yield* Effect.forEach(
          all,
          ({ id }, n) =>
            tag((n % 2 === 0 ? update(id, { disabled: true }) : remove(id)).pipe(as({ userId: id }, "users:write"))),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(results.toSorted(), ["LastAdmin", ...Array<string>(5).fill("made")])
      })
    )
  })
})
