import { assert, describe, layer } from "@effect/vitest"
import { Email, Username } from "@joy/domain/User"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { AccountChanges } from "../src/AccountChanges.ts"
import { Accounts } from "../src/Accounts.ts"
import { none } from "../src/RequestFacts.ts"
import { Sessions } from "../src/Sessions.ts"
import { as, audited, fresh, newUser, password, tag } from "./TestAuth.ts"
import { enterAs, layer as testLayer, person, proven, signIn } from "./TestOAuth.ts"

const apple = { provider: "apple", issuer: "https://appleid.apple.com" } as const
const appleUser = (firstName: string, lastName: string) => ({ name: { firstName, lastName } })

/** What the newest entry of the audit log about a user says beside the action. */
const detailOf = Effect.fnUntraced(function* (action: string, userId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly detail: unknown }>`
    SELECT detail FROM audit_log WHERE action = ${action} AND subject_id = ${userId} ORDER BY id DESC LIMIT 1`
  return rows[0]?.detail
})

describe("signing in by a provider", () => {
  layer(testLayer(), { excludeTestServices: true })("whoever it is", (it) => {
    for (const provider of ["google", "apple"] as const) {
      it.effect(`makes an account at the first sign-in by ${provider}, and finds it at the next [O7]`, () =>
        Effect.gen(function* () {
          const who = person()
          const first = yield* signIn(provider, who, appleUser("Pema", "Dorje"))
          assert.deepInclude(first.user, {
            username: Username.make(who.email.slice(0, who.email.indexOf("@"))),
            email: who.email,
            emailVerified: true,
            displayName: "Pema Dorje",
            roles: ["viewer"]
          })
          const second = yield* signIn(provider, who)
          assert.strictEqual(second.user.id, first.user.id)
          assert.notStrictEqual(second.session.sessionId, first.session.sessionId)
          assert.deepStrictEqual(yield* audited(first.user.id), [
            "account.registered",
            "login.succeeded",
            "login.succeeded"
          ])
          assert.deepStrictEqual(yield* detailOf("login.succeeded", first.user.id), { by: provider })
        })
      )
    }

    it.effect("knows people by issuer and subject: another address, or another's address, changes nothing [O7]", () =>
      Effect.gen(function* () {
        const who = proven()
        const { user } = yield* enterAs(who)
        const moved = yield* enterAs({ ...who, email: Email.make(`moved-${who.email}`) })
        assert.deepInclude(moved.user, { id: user.id, email: who.email, username: user.username })
        // The same subject elsewhere is somebody else, and so is another subject.
        const elsewhere = yield* enterAs({ ...who, ...apple, email: null })
        assert.notStrictEqual(elsewhere.user.id, user.id)
        const other = proven()
        const { user: second } = yield* enterAs(other)
        const posing = yield* enterAs({ ...other, email: who.email })
        assert.strictEqual(posing.user.id, second.id)
        assert.strictEqual((yield* enterAs(who)).user.id, user.id)
      })
    )

    it.effect("joins no account whose address was proven: that is for who signs in to both [O8]", () =>
      Effect.gen(function* () {
        const who = proven()
        const { user } = yield* enterAs(who)
        for (const email of [who.email, Email.make(String(who.email).toUpperCase())]) {
          assert.strictEqual(yield* tag(enterAs({ ...proven(apple), email })), "AccountLinkRequired")
        }
        assert.deepInclude(yield* (yield* Accounts).userOf(user.id), { email: who.email, emailVerified: true })
        // Who does not prove it gets an account without it.
        const unproven = yield* enterAs({ ...proven(apple), email: who.email, emailVerified: false })
        assert.deepInclude(unproven.user, { email: null, emailVerified: false })
        assert.notStrictEqual(unproven.user.id, user.id)
      })
    )

    it.effect("takes an address from who registered with it and never proved it, and leaves them the rest [O9]", () =>
      Effect.gen(function* () {
        const accounts = yield* Accounts
        const squatter = yield* accounts.register(fresh(), none)
        const { authenticate } = accounts
        const session = yield* (yield* Sessions).open({ userId: squatter.id, ...none })
        const email = squatter.email
        // A provider that does not say that it is theirs proves nothing.
        const unproven = yield* enterAs({ ...proven(), email, emailVerified: false })
        assert.isNull(unproven.user.email)
        assert.strictEqual((yield* accounts.userOf(squatter.id)).email, email)

        const victim = yield* enterAs({ ...proven(), email })
        assert.deepInclude(victim.user, { email, emailVerified: true })
        assert.notStrictEqual(victim.user.id, squatter.id)
        assert.deepInclude(yield* accounts.userOf(squatter.id), { email: null, emailVerified: false })
        assert.include(yield* audited(squatter.id), "account.address-taken")
        // Their password opens their account by its name, and by the address nobody's.
        const byName = yield* authenticate({ identifier: squatter.username, password }, none)
        assert.strictEqual(byName.user.id, squatter.id)
        assert.strictEqual(session.userId, squatter.id)
        const byAddress = authenticate({ identifier: String(email), password }, none)
        assert.strictEqual(yield* tag(byAddress), "InvalidCredentials")
        assert.strictEqual(yield* tag(accounts.register({ ...fresh(), email }, none)), "AccountExists")
      })
    )

    it.effect("proves the address that an account has, once its own identity says so [O9]", () =>
      Effect.gen(function* () {
        const who = proven({ emailVerified: false })
        const { user } = yield* enterAs(who)
        yield* (yield* AccountChanges)
          .update(user.id, { email: who.email ?? undefined }, none)
          .pipe(as({ userId: user.id }))
        assert.isFalse((yield* enterAs(who)).user.emailVerified)
        assert.isTrue((yield* enterAs({ ...who, emailVerified: true })).user.emailVerified)
      })
    )

    it.effect("keeps the name of the first consent when later ones bring none, or another [O11]", () =>
      Effect.gen(function* () {
        const who = person()
        const { user } = yield* signIn("apple", who, appleUser("Pema", "Dorje"))
        assert.strictEqual(user.displayName, "Pema Dorje")
        assert.strictEqual((yield* signIn("apple", who)).user.displayName, "Pema Dorje")
        assert.strictEqual((yield* signIn("apple", who, appleUser("Eve", ""))).user.displayName, "Pema Dorje")
      })
    )

    it.effect("takes of Apple's user nothing but a name to show, however it looks [O11]", () =>
      Effect.gen(function* () {
        const victim = yield* enterAs(proven())
        const cases: ReadonlyArray<readonly [Schema.Json, string | null]> = [
          [
            JSON.stringify({ ...appleUser("Pema", "Dorje"), email: victim.user.email, sub: "1", roles: ["admin"] }),
            "Pema Dorje"
          ],
          [{ name: { firstName: "Pema" } }, "Pema"],
          [appleUser("a\r\nb\0c", "\u202E<script>"), "abc <script>"],
          [appleUser("x".repeat(10_000), ""), "x".repeat(100)],
          [appleUser("  ", ""), null],
          ["{", null],
          ["[[[[", null],
          [42, null],
          [null, null],
          [{ name: "Pema" }, null],
          [{ name: { firstName: 1 } }, null]
        ]
        for (const [user, displayName] of cases) {
          const who = person()
          const entered = yield* signIn("apple", who, user)
          assert.deepInclude(entered.user, { displayName, email: who.email, roles: ["viewer"] }, JSON.stringify(user))
        }
      })
    )

    it.effect("takes people who hide their address or have none, and Apple's way to write truths [O12]", () =>
      Effect.gen(function* () {
        const relay = Email.make(`x7k2-${person().sub}@privaterelay.appleid.com`)
        const hidden = yield* signIn(
          "apple",
          person({ email: relay, email_verified: "true", is_private_email: "true" }),
          appleUser("Karma", "")
        )
        assert.deepInclude(hidden.user, { email: relay, emailVerified: true })
        assert.match(hidden.user.username, /^Karma(-\d+)?$/)
        const { email_verified: _, email: __, ...nameless } = person()
        const without = yield* signIn("apple", nameless)
        assert.deepInclude(without.user, { email: null, emailVerified: false, displayName: null })
        assert.match(without.user.username, /^user(-\d+)?$/)
        const lying = yield* signIn("apple", person({ email_verified: "false" }))
        assert.isNull(lying.user.email)
        const strange = yield* signIn("google", person({ email: Email.make("a@b"), email_verified: "yes" }))
        assert.isNull(strange.user.email)
      })
    )

    it.effect("makes names that fit, whatever people are called [O15]", () =>
      Effect.gen(function* () {
        const names: ReadonlyArray<readonly [string | null, string | null, RegExp]> = [
          ["admin@example.org", "Somebody Else", /^admin(-\d+)?$/],
          [`${"ཀ".repeat(60)}@example.org`, null, /^ཀ{28}(-\d+)?$/],
          [`${"🐘".repeat(60)}@example.org`, null, /^(🐘){28}(-\d+)?$/u],
          ["x@privaterelay.appleid.com", "Pema Dorje", /^Pema Dorje(-\d+)?$/],
          [null, "pema@example.org", /^pemaexample.org(-\d+)?$/],
          [null, " @ ", /^user(-\d+)?$/],
          [null, null, /^user(-\d+)?$/]
        ]
        for (const [email, name, expected] of names) {
          for (let n = 0; n < 2; n++) {
            const who = proven({ email: email === null ? null : Email.make(email), name, emailVerified: false })
            assert.match((yield* enterAs(who)).user.username, expected)
          }
        }
      })
    )

    it.effect("makes one account of many first sign-ins at once, and many of many who have one name [O15]", () =>
      Effect.gen(function* () {
        for (let round = 0; round < 10; round++) {
          const who = proven()
          const same = yield* Effect.replicateEffect(enterAs(who), 8, { concurrency: 8 })
          assert.strictEqual(new Set(same.map(({ user }) => user.id)).size, 1)
        }
        const email = Email.make(`lhamo@${proven().subject}.example.org`)
        const many = yield* Effect.all(
          Array.from({ length: 8 }, () => enterAs({ ...proven(), email, emailVerified: false })),
          { concurrency: 8 }
        )
        assert.strictEqual(new Set(many.map(({ user }) => user.id)).size, 8)
        // One address, proven at two providers at once: the first has it, the second is told to link.
        const twice = yield* Effect.forEach([proven(), proven(apple)], (one) => tag(enterAs({ ...one, email })), {
          concurrency: 2
        })
        assert.deepStrictEqual(twice.toSorted(), ["AccountLinkRequired", "made"])
      })
    )

    it.effect("lets nobody in who was disabled, also while the sign-in is under way, and writes it down [O16]", () =>
      Effect.gen(function* () {
        const who = proven()
        const { user } = yield* enterAs(who)
        const changes = yield* AccountChanges
        const admin = as({ userId: (yield* newUser("admin")).id }, "users:write")
        const [entered] = yield* Effect.all(
          [Effect.exit(enterAs(who)), changes.update(user.id, { disabled: true }, none).pipe(admin)],
          { concurrency: 2 }
        )
        const sessions = yield* (yield* Sessions).list({}).pipe(as({ userId: user.id }))
        assert.deepStrictEqual(sessions.items, [], entered._tag)
        assert.strictEqual(yield* tag(enterAs(who)), "OAuthFailed")
        assert.deepStrictEqual(yield* detailOf("oauth.failed", user.id), { by: "google", reason: "disabled" })
        yield* changes.update(user.id, { disabled: false }, none).pipe(admin)
        assert.strictEqual((yield* enterAs(who)).user.id, user.id)
      })
    )

    it.effect("leaves accounts that it made without a password, which none opens [O9]", () =>
      Effect.gen(function* () {
        const { user } = yield* enterAs(proven())
        const { authenticate } = yield* Accounts
        for (const identifier of [user.username, String(user.email)]) {
          assert.strictEqual(yield* tag(authenticate({ identifier, password }, none)), "InvalidCredentials")
        }
      })
    )
  })

  layer(testLayer({ registration: "closed" }), { excludeTestServices: true })("with registration closed", (it) => {
    it.effect("makes no account and takes nothing, but lets in whom it knows [O16]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { email, id } = yield* newUser()
        const who = proven({ email: Email.make(email) })
        assert.strictEqual(yield* tag(enterAs(who)), "RegistrationClosed")
        assert.strictEqual((yield* (yield* Accounts).userOf(id)).email, email)
        yield* sql`INSERT INTO user_identities (id, user_id, provider, issuer, subject)
          VALUES (gen_random_uuid(), ${id}, 'google', ${who.issuer}, ${who.subject})`
        assert.strictEqual((yield* enterAs(who)).user.id, id)
      })
    )
  })
})
