import { createHash } from "node:crypto"

import { assert, describe, layer } from "@effect/vitest"
import type { OAuthCallback, OAuthFormPost } from "@joy/domain/OAuth"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { Housekeeping } from "../src/Housekeeping.ts"
import { OAuthFlows } from "../src/OAuthFlows.ts"
import { none } from "../src/RequestFacts.ts"
import { tag } from "./TestAuth.ts"
import { begin, consented, enter, enterAs, finish, formPost, layer as testLayer, page, person } from "./TestOAuth.ts"

const sha256 = (secret: Redacted.Redacted) => createHash("sha256").update(Redacted.value(secret)).digest()
const other = Redacted.make("o".repeat(43))

/** How many users and sessions there are: what a sign-in that must not be would leave. */
const made = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly made: string }>`
    SELECT concat_ws('/', (SELECT count(*) FROM users), (SELECT count(*) FROM sessions),
      (SELECT count(*) FROM user_identities)) AS made`
  return row?.made
})

const receive = (form: OAuthFormPost) => Effect.flatMap(OAuthFlows, (flows) => flows.receive(form, none))
const collect = (code: string, flowSecret: Redacted.Redacted) =>
  Effect.flatMap(OAuthFlows, (flows) => flows.collect({ code: Redacted.make(code), flowSecret }, none))

/** What a form post leads to. */
const led = (location: string) => Object.fromEntries(new URL(location).searchParams)

/** The form that Apple's page makes a browser post, and the secret that the browser has not. */
const posted = Effect.map(consented("apple", person()), ({ code, flowSecret, state }) => ({
  form: { code, state },
  flowSecret
}))

/** Makes a flow as old as it is told to be. */
const age = Effect.fnUntraced(function* (state: Redacted.Redacted, by: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    UPDATE oauth_flows SET expires_at = expires_at - ${by}::text::interval WHERE state_hash = ${sha256(state)}`
})

describe("flows", () => {
  layer(testLayer(), { excludeTestServices: true })("of sign-ins", (it) => {
    it.effect("sign nobody in by a state that is made up, of another browser, or of another provider [O1, O3]", () =>
      Effect.gen(function* () {
        const mine = yield* consented("google", person())
        const theirs = yield* begin("google")
        const before = yield* made
        const wrong: ReadonlyArray<OAuthCallback> = [
          { ...mine, state: other },
          { ...mine, state: Redacted.make("") },
          { ...mine, flowSecret: other },
          { ...mine, flowSecret: Redacted.make("") },
          { ...mine, flowSecret: mine.state },
          { ...mine, flowSecret: theirs.flowSecret },
          { ...mine, state: theirs.state },
          { ...mine, provider: "apple" }
        ]
        for (const callback of wrong) assert.strictEqual(yield* tag(enter(callback)), "InvalidState")
        assert.strictEqual(yield* made, before)
        // None of this used it up: who has the secret still gets in, once.
        assert.strictEqual(yield* tag(enter(mine)), "made")
        assert.strictEqual(yield* tag(enter(mine)), "InvalidState")
      })
    )

    it.effect("are used once, of many at once too, and whatever comes of it [O2]", () =>
      Effect.gen(function* () {
        const callback = yield* consented("google", person())
        const many = yield* Effect.all(
          Array.from({ length: 8 }, () => tag(enter(callback))),
          { concurrency: 8 }
        )
        assert.deepStrictEqual(many.toSorted(), [...Array.from({ length: 7 }, () => "InvalidState"), "made"])
        const failing = yield* consented("google", person())
        assert.strictEqual(yield* tag(enter({ ...failing, code: other })), "OAuthFailed")
        assert.strictEqual(yield* tag(enter(failing)), "InvalidState")
        const { flowSecret, form } = yield* posted
        const forms = yield* Effect.all(
          Array.from({ length: 8 }, () => Effect.option(receive(form))),
          { concurrency: 8 }
        )
        const [location = "", ...more] = forms.flatMap((one) => (one._tag === "Some" ? [one.value] : []))
        assert.deepStrictEqual(more, [])
        const { code = "" } = led(location)
        const collected = yield* Effect.all(
          Array.from({ length: 8 }, () => tag(collect(code, flowSecret))),
          { concurrency: 8 }
        )
        assert.deepStrictEqual(collected.toSorted(), [...Array.from({ length: 7 }, () => "InvalidState"), "made"])
      })
    )

    it.effect("end after ten minutes by the database's clock, and go then [O1, O4]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const young = yield* consented("google", person())
        yield* age(young.state, "9 minutes 50 seconds")
        assert.strictEqual(yield* tag(enter(young)), "made")
        const old = yield* consented("google", person())
        yield* age(old.state, "10 minutes")
        assert.strictEqual(yield* tag(enter(old)), "InvalidState")
        const late = yield* posted
        yield* age(late.form.state, "10 minutes")
        assert.strictEqual(yield* tag(receive(late.form)), "InvalidState")
        const slow = yield* posted
        const { code = "" } = led(yield* receive(slow.form))
        yield* age(slow.form.state, "2 minutes")
        assert.strictEqual(yield* tag(collect(code, slow.flowSecret)), "InvalidState")

        yield* sql`UPDATE oauth_flows SET expires_at = now() - interval '1 second'`
        yield* begin("google")
        yield* (yield* Housekeeping).tidy
        assert.strictEqual((yield* sql`SELECT 1 FROM oauth_flows`).length, 1)
      }).pipe(Effect.provide(Housekeeping.layer))
    )

    it.effect("keep no state, secret or code but as a hash [O4]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { flowSecret, form } = yield* posted
        const { code = "" } = led(yield* receive(form))
        const [row] = yield* sql<{ readonly text: string; readonly state: string; readonly secret: string }>`
          SELECT to_jsonb(f)::text AS text, encode(state_hash, 'hex') AS state, encode(flow_secret_hash, 'hex') AS secret
          FROM oauth_flows f WHERE state_hash = ${sha256(form.state)}`
        assert.strictEqual(row?.state, sha256(form.state).toString("hex"))
        assert.strictEqual(row?.secret, sha256(flowSecret).toString("hex"))
        for (const secret of [form.state, form.code, flowSecret, Redacted.make(code)]) {
          const text = Redacted.value(secret)
          assert.isAbove(text.length, 20)
          for (const spelled of [text, Buffer.from(text).toString("hex")]) assert.notInclude(row?.text, spelled)
        }
      })
    )

    it.effect("ask for a code with S256, a state and a nonce, which differ each time [O5]", () =>
      Effect.gen(function* () {
        const seen = new Set<string | null>()
        for (const provider of ["google", "apple", "google"] as const) {
          const flow = yield* begin(provider)
          const { searchParams } = new URL(flow.authorizationUrl)
          assert.deepInclude(Object.fromEntries(searchParams), {
            response_type: "code",
            code_challenge_method: "S256",
            state: Redacted.value(flow.state),
            redirect_uri: provider === "apple" ? formPost : page
          })
          assert.strictEqual(searchParams.get("response_mode"), provider === "apple" ? "form_post" : null)
          for (const name of ["state", "nonce", "code_challenge"]) {
            assert.match(searchParams.get(name) ?? "", /^[\w-]{43}$/)
            seen.add(searchParams.get(name))
          }
          seen.add(Redacted.value(flow.flowSecret))
        }
        assert.strictEqual(seen.size, 12)
      })
    )

    it.effect("redeem a code only with the verifier that belongs to it [O5]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const callback = yield* consented("google", person())
        yield* sql`UPDATE oauth_flows SET code_verifier = ${"v".repeat(43)} WHERE state_hash = ${sha256(callback.state)}`
        assert.strictEqual(yield* tag(enter(callback)), "OAuthFailed")
        // A code of one flow is of no use in another.
        const [a, b] = [yield* consented("google", person()), yield* consented("google", person())]
        assert.strictEqual(yield* tag(enter({ ...a, code: b.code })), "OAuthFailed")
      })
    )

    it.effect("turn a form post into a code that needs the flow's secret, and into nothing else [O10]", () =>
      Effect.gen(function* () {
        const who = person()
        const { code, flowSecret, state } = yield* consented("apple", who)
        const before = yield* made
        const location = yield* receive({ code, state, user: JSON.stringify({ name: { firstName: "Pema" } }) })
        assert.strictEqual(new URL(location).origin + new URL(location).pathname, page)
        const { code: exchange = "", ...rest } = led(location)
        assert.deepStrictEqual(rest, {})
        assert.strictEqual(yield* made, before)
        assert.notInclude(location, Redacted.value(state))
        for (const secret of [other, state, Redacted.make(exchange), (yield* begin("apple")).flowSecret]) {
          assert.strictEqual(yield* tag(collect(exchange, secret)), "InvalidState")
        }
        assert.strictEqual(yield* tag(collect(Redacted.value(code), flowSecret)), "InvalidState")
        assert.strictEqual(yield* made, before)
        const { user } = yield* Effect.flatMap(collect(exchange, flowSecret), enterAs)
        assert.deepInclude(user, { email: who.email, displayName: "Pema" })
        assert.strictEqual(yield* tag(collect(exchange, flowSecret)), "InvalidState")
        // The provider's own code is spent as well.
        assert.strictEqual(yield* tag(enter({ provider: "apple", code, state, flowSecret })), "InvalidState")
      })
    )

    it.effect("lead on with an error when the provider says no, or the code is none [O10]", () =>
      Effect.gen(function* () {
        const form = Effect.map(begin("apple"), ({ state }) => ({ state }))
        for (const [more, error] of [
          [{ error: "user_cancelled_authorize" }, "access-denied"],
          [{ error: "access_denied" }, "access-denied"],
          [{ error: "server_error\r\nSet-Cookie: a=b" }, "oauth-failed"],
          [{ code: other }, "oauth-failed"],
          [{ code: other, error: "access_denied" }, "access-denied"],
          [{}, "oauth-failed"]
        ] as const) {
          const { state } = yield* form
          assert.strictEqual(yield* receive({ state, ...more }), `${page}?error=${error}`)
          assert.strictEqual(yield* tag(receive({ state, ...more })), "InvalidState")
        }
        assert.strictEqual(yield* tag(receive({ code: other })), "InvalidState")
        assert.strictEqual(yield* tag(receive({ state: other, code: other })), "InvalidState")
        // Without a place to go on to, a form post is not what the flow waits for.
        const { flowSecret, state } = yield* (yield* OAuthFlows).begin({ provider: "apple", redirectUri: formPost })
        assert.strictEqual(yield* tag(receive({ state, code: other })), "InvalidState")
        assert.strictEqual(yield* tag(finish({ provider: "apple", code: other, state, flowSecret })), "OAuthFailed")
      })
    )

    it.effect("lead to addresses that are configured, letter by letter [O13]", () =>
      Effect.gen(function* () {
        for (const wrong of [
          "javascript:alert(1)",
          "https://evil.example",
          `${page}/`,
          `${page}?a=b`,
          `${page}#`,
          page.toUpperCase(),
          page.replace("https", "http"),
          `${page}/../../evil`,
          page.replace("app.", "app.example.org@evil."),
          " " + page,
          ""
        ]) {
          assert.strictEqual(yield* tag(begin("google", { redirectUri: wrong })), "RedirectNotAllowed", wrong)
          assert.strictEqual(yield* tag(begin("google", { returnTo: wrong })), "RedirectNotAllowed", wrong)
        }
      })
    )
  })
})
