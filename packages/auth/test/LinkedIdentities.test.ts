import { assert, describe, layer } from "@effect/vitest"
import type { UserId } from "@joy/domain/Ids"
import type { OAuthCallback } from "@joy/domain/OAuth"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { Accounts } from "../src/Accounts.ts"
import { LinkedIdentities } from "../src/LinkedIdentities.ts"
import { OAuthFlows } from "../src/OAuthFlows.ts"
import { none } from "../src/RequestFacts.ts"
import { as, asKey, audited, fresh, newUser, tag } from "./TestAuth.ts"
import { consented, layer as testLayer, person, signIn } from "./TestOAuth.ts"

const link = (callback: OAuthCallback) => Effect.flatMap(LinkedIdentities, (service) => service.link(callback, none))
const list = Effect.flatMap(LinkedIdentities, (service) => service.list({}))
const remove = (id: Parameters<LinkedIdentities["Service"]["remove"]>[0]) =>
  Effect.flatMap(LinkedIdentities, (service) => service.remove(id, none))
const userOf = (id: UserId) => Effect.flatMap(Accounts, (accounts) => accounts.userOf(id))

const registered = Effect.gen(function* () {
  const account = fresh()
  const { id } = yield* (yield* Accounts).register(account, none)
  return { id, email: account.email }
})

describe("linked identities", () => {
  layer(testLayer(), { excludeTestServices: true })("of an account", (it) => {
    it.effect("are added by who signed in to both, and sign in to the one account then [O17]", () =>
      Effect.gen(function* () {
        const user = yield* registered
        const me = as({ userId: user.id })
        const who = person()
        const callback = yield* consented("google", who)
        const linked = yield* link(callback).pipe(me)
        assert.deepInclude(linked, { provider: "google", email: who.email })
        assert.strictEqual((yield* signIn("google", who)).user.id, user.id)
        // Once more changes nothing.
        assert.deepStrictEqual(yield* link(yield* consented("google", who)).pipe(me), linked)
        const apple = yield* link(yield* consented("apple", person())).pipe(me)
        assert.deepStrictEqual((yield* list.pipe(me)).items, [apple, linked])
        assert.deepStrictEqual(yield* audited(user.id), [
          "account.registered",
          "identity.linked",
          "login.succeeded",
          "identity.linked"
        ])
      })
    )

    it.effect("are added after a form post by its code [O10, O17]", () =>
      Effect.gen(function* () {
        const user = yield* registered
        const me = as({ userId: user.id })
        const who = person()
        const callback = yield* consented("apple", who)
        const location = yield* (yield* OAuthFlows).receive({ code: callback.code, state: callback.state }, none)
        const code = Redacted.make(new URL(location).searchParams.get("code") ?? "")
        assert.strictEqual(yield* tag(link({ ...callback, code, flowSecret: code }).pipe(me)), "InvalidState")
        assert.deepInclude(yield* link({ ...callback, code }).pipe(me), { provider: "apple", email: who.email })
        assert.strictEqual((yield* signIn("apple", who)).user.id, user.id)
      })
    )

    it.effect("are not added without a session, nor with the answer that somebody else got [O1, O17]", () =>
      Effect.gen(function* () {
        const user = yield* registered
        const me = as({ userId: user.id })
        const attacker = yield* consented("google", person())
        const mine = yield* consented("google", person())
        assert.strictEqual(yield* tag(link(mine).pipe(asKey(user.id, "users:write"))), "Forbidden")
        assert.strictEqual(yield* tag(link({ ...attacker, flowSecret: mine.flowSecret }).pipe(me)), "InvalidState")
        assert.strictEqual(yield* tag(link({ ...mine, state: attacker.state }).pipe(me)), "InvalidState")
        assert.strictEqual(yield* tag(link({ ...mine, code: attacker.code }).pipe(me)), "OAuthFailed")
        assert.strictEqual(yield* tag(link(mine).pipe(me)), "InvalidState")
        assert.deepStrictEqual((yield* list.pipe(me)).items, [])
      })
    )

    it.effect("belong to one account [O17]", () =>
      Effect.gen(function* () {
        const who = person()
        const { user } = yield* signIn("google", who)
        const other = yield* registered
        const another = link(yield* consented("google", who)).pipe(as({ userId: other.id }))
        assert.strictEqual(yield* tag(another), "IdentityInUse")
        assert.include(yield* audited(other.id), "oauth.failed")
        const [a, b] = [yield* registered, yield* registered]
        const wanted = person()
        const [ofA, ofB] = [yield* consented("google", wanted), yield* consented("google", wanted)]
        const both = yield* Effect.all(
          [tag(link(ofA).pipe(as({ userId: a.id }))), tag(link(ofB).pipe(as({ userId: b.id })))],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(both.toSorted(), ["IdentityInUse", "made"])
        assert.strictEqual((yield* signIn("google", who)).user.id, user.id)
      })
    )

    it.effect("prove the address that the account has, or give it one, and take none that was proven [O9]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const user = yield* registered
        const me = as({ userId: user.id })
        yield* link(yield* consented("google", person({ email: user.email }))).pipe(me)
        assert.deepInclude(yield* userOf(user.id), { email: user.email, emailVerified: true })

        // Somebody without an address is given one, also from who never proved it.
        const squatter = yield* registered
        const bare = yield* newUser()
        yield* sql`UPDATE users SET email = NULL, email_key = NULL WHERE id = ${bare.id}`
        const theirs = as({ userId: bare.id })
        yield* link(yield* consented("google", person({ email: user.email }))).pipe(theirs)
        assert.isNull((yield* userOf(bare.id)).email)
        yield* link(yield* consented("google", person({ email: squatter.email }))).pipe(theirs)
        assert.deepInclude(yield* userOf(bare.id), { email: squatter.email, emailVerified: true })
        assert.isNull((yield* userOf(squatter.id)).email)
        // Who has one keeps it.
        yield* link(yield* consented("apple", person())).pipe(theirs)
        assert.strictEqual((yield* userOf(bare.id)).email, squatter.email)
      })
    )

    it.effect("go when their owner says so, but for the last way to sign in [O17]", () =>
      Effect.gen(function* () {
        const who = person()
        const { user } = yield* signIn("google", who)
        const me = as({ userId: user.id })
        const [first] = (yield* list.pipe(me)).items
        assert.isDefined(first)
        if (first === undefined) return
        assert.strictEqual(yield* tag(remove(first.id).pipe(me)), "LastSignIn")
        assert.strictEqual(
          yield* tag(remove(first.id).pipe(as({ userId: (yield* registered).id }))),
          "LinkedIdentityNotFound"
        )
        assert.strictEqual(yield* tag(remove(first.id).pipe(asKey(user.id))), "Forbidden")
        const second = yield* link(yield* consented("apple", person())).pipe(me)
        yield* remove(first.id).pipe(me)
        assert.deepStrictEqual((yield* list.pipe(me)).items, [second])
        assert.strictEqual(yield* tag(remove(second.id).pipe(me)), "LastSignIn")
        assert.strictEqual(yield* tag(remove(first.id).pipe(me)), "LinkedIdentityNotFound")
        assert.include(yield* audited(user.id), "identity.unlinked")
        assert.strictEqual(yield* tag(signIn("google", who)), "AccountLinkRequired")

        const withPassword = yield* registered
        const owner = as({ userId: withPassword.id })
        const only = yield* link(yield* consented("google", person())).pipe(owner)
        assert.strictEqual(yield* tag(remove(only.id).pipe(owner)), "made")
      })
    )

    it.effect("stay one when two are removed at once [O17]", () =>
      Effect.gen(function* () {
        const { user } = yield* signIn("google", person())
        const me = as({ userId: user.id })
        yield* link(yield* consented("apple", person())).pipe(me)
        const { items } = yield* list.pipe(me)
        const both = yield* Effect.forEach(items, ({ id }) => tag(remove(id).pipe(me)), { concurrency: 2 })
        assert.deepStrictEqual(both.toSorted(), ["LastSignIn", "made"])
      })
    )
  })
})
