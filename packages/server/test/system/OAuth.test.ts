import { assert, describe, it, layer } from "@effect/vitest"
import { LinkedIdentity } from "@joy/domain/LinkedIdentity"
import { type OAuthProvider, OAuthFlow } from "@joy/domain/OAuth"
import { Tokens } from "@joy/domain/Session"
import * as FakeIssuer from "@joy/testing/FakeIssuer"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as OidcProvider from "@joy/testing/OidcProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const page = "https://app.example.org/signed-in"
const formPost = "https://joy.example.org/auth/oauth/callback"
const redirectUris = [page, formPost]

/** Google and Apple on this machine. */
class Providers extends Context.Service<Providers, Readonly<Record<OAuthProvider, OidcProvider.OidcProvider>>>()(
  "@joy/server/test/Providers"
) {
  static readonly layer = Layer.effect(
    Providers,
    Effect.all({
      google: OidcProvider.start("google", redirectUris),
      apple: OidcProvider.start("apple", redirectUris)
    })
  )
}

const environment = (issuers: Readonly<Record<OAuthProvider, string>>): Joy.Environment => ({
  OAUTH_GOOGLE_CLIENT_ID: OidcProvider.google.clientId,
  OAUTH_GOOGLE_CLIENT_SECRET: OidcProvider.google.clientSecret,
  OAUTH_GOOGLE_ISSUER: issuers.google,
  OAUTH_APPLE_CLIENT_ID: OidcProvider.apple.clientId,
  OAUTH_APPLE_TEAM_ID: OidcProvider.apple.teamId,
  OAUTH_APPLE_KEY_ID: OidcProvider.apple.keyId,
  // As it has to be in an environment file.
  OAUTH_APPLE_PRIVATE_KEY: OidcProvider.apple.privateKey.replaceAll("\n", "\\n"),
  OAUTH_APPLE_ISSUER: issuers.apple,
  OAUTH_REDIRECT_URIS: redirectUris.join(",")
})

/** A server that Google and Apple vouch to. */
const world = (env: Joy.Environment = {}) =>
  Layer.unwrap(
    Effect.map(Providers, ({ apple, google }) =>
      JoyUp.JoyUp.layer({ ...environment({ google: google.issuer, apple: apple.issuer }), ...env })
    )
  ).pipe(Layer.provideMerge(Providers.layer))

const ask = Effect.fnUntraced(function* (path: string, options: JoyHttp.RequestOptions = {}) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request(path, { method: "POST", ...options })
})
const typeOf = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type.slice("urn:joy:".length)}`)

/** The answer's type; of a success, its status. */
const outcome = (path: string, options: JoyHttp.RequestOptions = {}) =>
  Effect.flatMap(ask(path, options), (answer) =>
    answer.status < 400 ? Effect.succeed(String(answer.status)) : typeOf(answer)
  )

let serial = 0
const person = (name: string): OidcProvider.Person => {
  const sub = `${name}-${++serial}`
  return { sub, email: `${sub}@example.org`, email_verified: true, name }
}

const begin = Effect.fnUntraced(function* (provider: OAuthProvider) {
  const redirectUri = provider === "apple" ? formPost : page
  const answer = yield* ask("/auth/oauth/authorize", { body: { provider, redirectUri, returnTo: page } })
  assert.strictEqual(answer.status, 200, answer.text)
  assert.strictEqual(answer.headers["cache-control"], "no-store")
  const { authorizationUrl, flowSecret, state } = yield* JoyHttp.decode(OAuthFlow, answer)
  return { authorizationUrl, flowSecret: Redacted.value(flowSecret), state: Redacted.value(state) }
})

/** Begins a sign-in, consents, and gives what the browser brings back. */
const consented = Effect.fnUntraced(function* (provider: OAuthProvider, who: OidcProvider.Person) {
  const { authorizationUrl, flowSecret, state } = yield* begin(provider)
  const carried = yield* (yield* Providers)[provider].consent(authorizationUrl, who)
  const { code = "" } = carried.parameters
  return { carried, callback: { provider, code, state, flowSecret } }
})

/** What a browser sends when Apple's page makes it post the form: no cookie of ours, and the origin of Apple. */
const postForm = (parameters: Readonly<Record<string, string>>) =>
  ask("/auth/oauth/callback", {
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      origin: "https://appleid.apple.com",
      referer: "https://appleid.apple.com/",
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document"
    },
    body: new URLSearchParams(parameters).toString()
  })
const led = ({ headers }: JoyHttp.Answer) => Object.fromEntries(new URL(String(headers.location)).searchParams)

const tokensOf = (answer: JoyHttp.Answer) => {
  assert.strictEqual(answer.status, 200, answer.text)
  assert.strictEqual(answer.headers["cache-control"], "no-store")
  return Effect.map(JoyHttp.decode(Tokens, answer), (tokens) => ({
    tokens,
    token: Redacted.value(tokens.accessToken)
  }))
}

const signIn = Effect.fnUntraced(function* (provider: OAuthProvider, who: OidcProvider.Person) {
  const { callback } = yield* consented(provider, who)
  return yield* tokensOf(yield* ask("/auth/oauth/callback", { body: callback }))
})

const login = (identifier: string) => outcome("/auth/login", { body: { identifier, password: JoyUp.accountPassword } })

const IdentityPage = Schema.Struct({ items: Schema.Array(LinkedIdentity), nextCursor: Schema.Null })
const identities = Effect.fnUntraced(function* (token: string) {
  const answer = yield* ask("/users/me/identities", { method: "GET", token })
  return (yield* JoyHttp.decode(IdentityPage, answer)).items
})

describe("sign-in by a provider", () => {
  layer(world({ RATE_LIMITS: "off" }), { excludeTestServices: true })("over a server", (it) => {
    for (const provider of ["google", "apple"] as const) {
      it.effect(`works with ${provider} from the first click to the last refresh [O5, O7]`, () =>
        Effect.gen(function* () {
          const who = person("tashi")
          const { carried, callback } = yield* consented(provider, who)
          assert.strictEqual(carried.method, provider === "apple" ? "POST" : "GET")
          assert.strictEqual(carried.action, provider === "apple" ? formPost : page)
          assert.strictEqual(carried.parameters["state"], callback.state)
          const user = { name: { firstName: "Tashi", lastName: "Namgyal" }, email: "evil@example.org" }
          const { token, tokens } = yield* tokensOf(
            yield* ask("/auth/oauth/callback", { body: { ...callback, ...(provider === "apple" ? { user } : {}) } })
          )
          assert.deepInclude(JSON.parse(JSON.stringify(tokens.user)), {
            email: who.email,
            emailVerified: true,
            displayName: provider === "apple" ? "Tashi Namgyal" : "tashi",
            roles: ["viewer"]
          })
          assert.strictEqual((yield* ask("/users/me", { method: "GET", token })).status, 200)
          const refreshed = yield* ask("/auth/refresh", { body: { refreshToken: JoyUp.refreshTokenOf(tokens) } })
          assert.strictEqual((yield* tokensOf(refreshed)).tokens.sessionId, tokens.sessionId)
          assert.strictEqual(yield* outcome("/auth/oauth/callback", { body: callback }), "400 invalid-state")
          assert.strictEqual((yield* signIn(provider, who)).tokens.user.id, tokens.user.id)
        })
      )
    }

    it.effect("goes on after Apple's cross-site form, which brings no cookie and leaves none [O10]", () =>
      Effect.gen(function* () {
        const who = person("karma")
        const { callback, carried } = yield* consented("apple", who)
        const posted = yield* postForm({ ...carried.parameters, user: '{"name":{"firstName":"Karma"}}' })
        assert.strictEqual(posted.status, 303, posted.text)
        assert.strictEqual(posted.text, "")
        assert.isUndefined(posted.headers["set-cookie"])
        assert.strictEqual(posted.headers["cache-control"], "no-store")
        assert.strictEqual(posted.headers["referrer-policy"], "no-referrer")
        const { code = "", ...rest } = led(posted)
        assert.deepStrictEqual(rest, {})
        assert.isTrue(posted.headers.location?.startsWith(`${page}?code=`))
        const exchange = { code, flowSecret: callback.flowSecret }
        const stolen = { body: { ...exchange, flowSecret: callback.state } }
        assert.strictEqual(yield* outcome("/auth/oauth/exchange", stolen), "400 invalid-state")
        const answer = yield* ask("/auth/oauth/exchange", {
          headers: { "x-token-transport": "cookie" },
          body: exchange
        })
        const { token, tokens } = yield* tokensOf(answer)
        assert.deepInclude(JSON.parse(JSON.stringify(tokens.user)), { email: who.email, displayName: "Karma" })
        assert.notInclude(answer.text, "refreshToken")
        assert.match(String(answer.headers["set-cookie"]), /^joy-refresh=[^;]{40,}; .*HttpOnly/)
        assert.strictEqual((yield* ask("/protected", { method: "GET", token })).status, 200)
        assert.strictEqual(yield* outcome("/auth/oauth/exchange", { body: exchange }), "400 invalid-state")
        assert.strictEqual(yield* typeOf(yield* postForm(carried.parameters)), "400 invalid-state")
      })
    )

    it.effect("leads on with an error when Apple says no, and nowhere when nobody began it [O1, O10]", () =>
      Effect.gen(function* () {
        const cancelled = yield* postForm({ state: (yield* begin("apple")).state, error: "user_cancelled_authorize" })
        assert.deepStrictEqual([cancelled.status, led(cancelled)], [303, { error: "access-denied" }])
        const forged = yield* postForm({ state: (yield* begin("apple")).state, code: "made-up" })
        assert.deepStrictEqual([forged.status, led(forged)], [303, { error: "oauth-failed" }])
        for (const parameters of [{}, { code: "a" }, { state: "a", code: "b" }, { state: "\0", code: "b" }]) {
          const answer = yield* postForm(parameters)
          assert.strictEqual(answer.status, 400, answer.text)
          assert.isUndefined(answer.headers.location)
        }
      })
    )

    it.effect("refuses the state of another browser, provider or time, and somebody else's code [O1, O2, O3]", () =>
      Effect.gen(function* () {
        const mine = (yield* consented("google", person("pema"))).callback
        const theirs = (yield* consented("google", person("eve"))).callback
        for (const body of [
          { ...mine, state: theirs.state },
          { ...mine, flowSecret: theirs.flowSecret },
          { ...mine, state: "" },
          { ...mine, provider: "apple" }
        ]) {
          assert.strictEqual(yield* outcome("/auth/oauth/callback", { body }), "400 invalid-state")
        }
        assert.strictEqual(
          yield* outcome("/auth/oauth/callback", { body: { ...mine, code: theirs.code } }),
          "401 oauth-failed"
        )
        assert.strictEqual(yield* outcome("/auth/oauth/callback", { body: mine }), "400 invalid-state")
        // Of six at once, one signs in.
        const answers = yield* Effect.all(
          Array.from({ length: 6 }, () => outcome("/auth/oauth/callback", { body: theirs })),
          { concurrency: 6 }
        )
        assert.deepStrictEqual(answers.toSorted(), ["200", ...Array.from({ length: 5 }, () => "400 invalid-state")])
      })
    )

    it.effect("takes no body that it does not understand, and none of it is a 500", () =>
      Effect.gen(function* () {
        const { callback } = yield* consented("google", person("dawa"))
        const form = { "content-type": "application/x-www-form-urlencoded" }
        const cases: ReadonlyArray<readonly [string, JoyHttp.RequestOptions, string]> = [
          ["authorize", { body: {} }, "400 invalid-request"],
          ["authorize", { body: { provider: "github", redirectUri: page } }, "400 invalid-request"],
          [
            "authorize",
            { body: { provider: "google", redirectUri: "javascript:alert(1)" } },
            "400 redirect-not-allowed"
          ],
          [
            "authorize",
            { body: { provider: "google", redirectUri: page, returnTo: "//evil" } },
            "400 redirect-not-allowed"
          ],
          ["callback", { body: {} }, "400 invalid-request"],
          ["callback", { body: { ...callback, state: undefined } }, "400 invalid-request"],
          ["callback", { body: { ...callback, state: "s".repeat(300) } }, "400 invalid-request"],
          ["callback", { body: { ...callback, code: "a\0b" } }, "400 invalid-request"],
          ["callback", { headers: form, body: "state=a&state=b" }, "400 invalid-request"],
          ["callback", { headers: form, body: "%%%" }, "400 invalid-state"],
          ["callback", { headers: form, body: `user=${"u".repeat(70_000)}` }, "413 payload-too-large"],
          ["callback", { headers: { "content-type": "text/plain" }, body: "{}" }, "415 unsupported-media-type"],
          ["exchange", { body: { code: "a" } }, "400 invalid-request"],
          ["exchange", { body: { code: "a", flowSecret: "b" } }, "400 invalid-state"],
          ["exchange", { headers: form, body: "code=a&flowSecret=b" }, "415 unsupported-media-type"],
          ["link", { body: callback }, "401 unauthenticated"]
        ]
        for (const [name, options, expected] of cases) {
          assert.strictEqual(
            yield* outcome(`/auth/oauth/${name}`, options),
            expected,
            JSON.stringify(options).slice(0, 200)
          )
        }
        assert.strictEqual(yield* outcome("/auth/oauth/callback", { body: callback }), "200")
      })
    )

    it.effect(
      "links identities to who is signed in, keeps the last way in, and joins no accounts by address [O8, O17]",
      () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          const owner = yield* account("lhamo")
          const who = person("lhamo-g")
          const first = (yield* consented("google", who)).callback
          const linked = yield* ask("/auth/oauth/link", { token: owner.token, body: first })
          assert.strictEqual(linked.status, 200, linked.text)
          const identity = yield* JoyHttp.decode(LinkedIdentity, linked)
          assert.deepInclude(JSON.parse(linked.text), { provider: "google", email: who.email })
          assert.deepStrictEqual(yield* identities(owner.token), [identity])
          assert.strictEqual((yield* signIn("google", who)).tokens.user.id, owner.userId)

          // By form post as well.
          const { callback, carried } = yield* consented("apple", person("lhamo-a"))
          const { code = "" } = led(yield* postForm(carried.parameters))
          assert.strictEqual(
            yield* outcome("/auth/oauth/link", { token: owner.token, body: { ...callback, code } }),
            "200"
          )
          const stranger = yield* signIn("google", person("stranger"))
          const taken = { token: stranger.token, body: (yield* consented("google", who)).callback }
          assert.strictEqual(yield* outcome("/auth/oauth/link", taken), "409 identity-in-use")
          const key = yield* owner.client.apiKeys.create({ payload: { name: "k", permissions: [] } })
          const byKey = { token: Redacted.value(key.key), body: (yield* consented("google", who)).callback }
          assert.strictEqual(yield* outcome("/auth/oauth/link", byKey), "403 forbidden")

          const [only] = yield* identities(stranger.token)
          const remove = (id: string | undefined, token: string) =>
            outcome(`/users/me/identities/${id}`, { method: "DELETE", token })
          assert.strictEqual(yield* remove(only?.id, stranger.token), "409 last-sign-in")
          assert.strictEqual(yield* remove(only?.id, owner.token), "404 not-found")
          assert.strictEqual(yield* remove(identity.id, Redacted.value(key.key)), "403 forbidden")
          assert.strictEqual(yield* remove(identity.id, owner.token), "204")
          assert.strictEqual((yield* identities(owner.token)).length, 1)

          const known = person("known")
          yield* signIn("google", known)
          const same = (yield* consented("apple", { ...person("known"), email: known.email ?? "" })).callback
          assert.strictEqual(yield* outcome("/auth/oauth/callback", { body: same }), "409 account-link-required")
        })
    )

    it.effect("leaves an attacker who registered with somebody's address nothing of theirs [O9]", () =>
      Effect.gen(function* () {
        const { admin } = yield* JoyUp.JoyUp
        const victim = person("victim")
        const attacker = { username: "squatter", email: victim.email ?? "", password: JoyUp.accountPassword }
        const registered = yield* JoyHttp.decode(Tokens, yield* ask("/auth/register", { body: attacker }))
        const entered = yield* signIn("google", victim)
        assert.strictEqual(entered.tokens.user.email, victim.email)
        assert.notStrictEqual(entered.tokens.user.id, registered.user.id)
        assert.strictEqual(yield* login(victim.email ?? ""), "401 invalid-credentials")
        assert.strictEqual(yield* login("squatter"), "200")
        const me = yield* ask("/users/me", { method: "GET", token: Redacted.value(registered.accessToken) })
        assert.deepInclude(JSON.parse(me.text), { id: registered.user.id, email: null, emailVerified: false })
        const audit = yield* admin.client.audit.list({ query: { userId: registered.user.id } })
        assert.include(
          audit.items.map(({ action }) => action),
          "account.address-taken"
        )
      })
    )

    it.effect("writes no code, state, secret or token into the log [O18]", () =>
      Effect.gen(function* () {
        const { joy } = yield* JoyUp.JoyUp
        const { callback, carried } = yield* consented("apple", person("quiet"))
        const posted = yield* postForm(carried.parameters)
        const { tokens } = yield* signIn("google", person("quiet"))
        const failing = (yield* consented("google", person("quiet"))).callback
        yield* ask("/auth/oauth/callback", { body: { ...failing, code: "a-code-that-is-none" } })
        yield* Joy.until(
          Effect.sync(() => joy.stdout()),
          (text) => text.includes("did not vouch") && text.includes("/auth/oauth/callback")
        )
        for (const secret of [
          callback.code,
          callback.state,
          callback.flowSecret,
          led(posted)["code"],
          "a-code-that-is-none",
          Redacted.value(tokens.accessToken),
          JoyUp.refreshTokenOf(tokens),
          OidcProvider.google.clientSecret,
          OidcProvider.apple.privateKey.split("\n")[1]
        ]) {
          assert.isAbove(String(secret).length, 10)
          assert.notInclude(joy.stdout() + joy.stderr(), String(secret))
        }
      })
    )
  })

  layer(world({ REGISTRATION: "closed", RATE_LIMITS: "oauth=8/1d" }), { excludeTestServices: true })(
    "where registration is closed",
    (it) => {
      it.effect("makes no account, and has its own limit by network [O16, O19]", () =>
        Effect.gen(function* () {
          const { admin } = yield* JoyUp.JoyUp
          const who = person("new")
          const { callback } = yield* consented("google", who)
          assert.strictEqual(yield* outcome("/auth/oauth/callback", { body: callback }), "403 registration-closed")
          const mine = (yield* consented("google", who)).callback
          assert.strictEqual(yield* outcome("/auth/oauth/link", { token: admin.token, body: mine }), "200")
          assert.strictEqual((yield* signIn("google", who)).tokens.user.id, admin.userId)
          const statuses: Array<string> = []
          for (const [name, body] of Object.entries({
            authorize: { provider: "google", redirectUri: page },
            callback: mine,
            exchange: { code: "a", flowSecret: "b" },
            link: mine
          })) {
            statuses.push(yield* outcome(`/auth/oauth/${name}`, { token: admin.token, body }))
          }
          assert.deepStrictEqual(statuses, [
            "200",
            "400 invalid-state",
            "429 too-many-requests",
            "429 too-many-requests"
          ])
          const limited = yield* ask("/auth/oauth/exchange", { body: { code: "a", flowSecret: "b" } })
          assert.isAbove(Number(limited.headers["retry-after"]), 0)
        })
      )
    }
  )

  it.live("ends in a sentence when the provider is away, and never in a 500 [O14]", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const forger = yield* FakeIssuer.start
      const away = "http://127.0.0.1:1"
      const { address } = yield* JoyUp.up(folder, environment({ google: away, apple: forger.issuer }))
      const post = (path: string, body: unknown) => JoyHttp.request(address, path, { method: "POST", body })
      const begun = yield* post("/auth/oauth/authorize", { provider: "google", redirectUri: page })
      assert.strictEqual(yield* typeOf(begun), "503 service-unavailable")
      assert.strictEqual(begun.headers["retry-after"], "5")
      const flow = yield* JoyHttp.decode(
        OAuthFlow,
        yield* post("/auth/oauth/authorize", { provider: "apple", redirectUri: page })
      )
      forger.answer("/token", FakeIssuer.json({}, 500))
      const callback = {
        provider: "apple",
        code: "a",
        state: Redacted.value(flow.state),
        flowSecret: Redacted.value(flow.flowSecret)
      }
      assert.strictEqual(yield* typeOf(yield* post("/auth/oauth/callback", callback)), "401 oauth-failed")
      const doctor = yield* Joy.run(["doctor"], {
        env: { ...JoyUp.defaults(folder), ...environment({ google: away, apple: forger.issuer }) },
        cwd: folder
      })
      assert.match(doctor.stdout, /^✗ oauth: http:\/\/127\.0\.0\.1:1 does not say how to sign in/m)
    }).pipe(Effect.scoped)
  )

  it.live("is not there where no provider is configured, and half a provider stops the start [O18]", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const { address, joy } = yield* JoyUp.up(folder)
      const body = { provider: "apple", redirectUri: page }
      const answer = yield* JoyHttp.request(address, "/auth/oauth/authorize", { method: "POST", body })
      assert.strictEqual(yield* typeOf(answer), "404 provider-not-configured")
      yield* joy.stop()
      const half = yield* Joy.run(["up"], {
        env: {
          ...JoyUp.defaults(folder),
          OAUTH_GOOGLE_CLIENT_ID: "a",
          OAUTH_APPLE_KEY_ID: "b",
          OAUTH_APPLE_PRIVATE_KEY: "hunter2"
        },
        cwd: folder
      })
      assert.notStrictEqual(half.code, 0)
      for (const name of [
        "OAUTH_GOOGLE_CLIENT_SECRET",
        "OAUTH_REDIRECT_URIS",
        "OAUTH_APPLE_CLIENT_ID",
        "OAUTH_APPLE_TEAM_ID",
        "OAUTH_APPLE_PRIVATE_KEY"
      ]) {
        assert.include(half.stderr, `${name}: found `)
      }
      assert.notInclude(half.stdout + half.stderr, "hunter2")
    }).pipe(Effect.scoped)
  )
})
