import { assert, describe, layer } from "@effect/vitest"
import type { OAuthProvider } from "@joy/domain/OAuth"
import * as FakeIssuer from "@joy/testing/FakeIssuer"
import * as OidcProvider from "@joy/testing/OidcProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

import { tag } from "./TestAuth.ts"
import { begin, finish, Forger, layerForged, person } from "./TestOAuth.ts"

const clientIds = { google: OidcProvider.google.clientId, apple: OidcProvider.apple.clientId }
const now = () => Math.floor(Date.now() / 1000)

/** A sign-in whose ID token is what `forge` makes of an honest one. */
const attempt = Effect.fnUntraced(function* (
  provider: OAuthProvider,
  forge: (claims: Readonly<Record<string, unknown>>) => FakeIssuer.Forgery
) {
  const forger = yield* Forger
  const { authorizationUrl, flowSecret, state } = yield* begin(provider)
  const nonce = new URL(authorizationUrl).searchParams.get("nonce")
  const honest = { ...person(), iss: forger.issuer, aud: clientIds[provider], iat: now(), exp: now() + 300, nonce }
  forger.give(forge(honest))
  return yield* finish({ provider, code: Redacted.make("code"), state, flowSecret })
})

const without = (claims: Readonly<Record<string, unknown>>, name: string) =>
  Object.fromEntries(Object.entries(claims).filter(([other]) => other !== name))

/** Leaves the nonce out. */
const bare = (more: object) => (claims: Readonly<Record<string, unknown>>) => ({
  claims: { ...without(claims, "nonce"), ...more }
})

describe("what providers answer", () => {
  layer(layerForged, { excludeTestServices: true })("in an ID token", (it) => {
    for (const provider of ["google", "apple"] as const) {
      it.effect(`is believed of ${provider} when all of it is right [O6]`, () =>
        Effect.gen(function* () {
          const { issuer } = yield* Forger
          const honest = yield* attempt(provider, (claims) => ({ claims }))
          assert.deepInclude(honest, { provider, issuer })
          const more = yield* attempt(provider, (claims) => ({
            claims: { ...claims, aud: [clientIds[provider], "another"], azp: clientIds[provider] }
          }))
          assert.strictEqual(more.issuer, issuer)
        })
      )

      const clientId = clientIds[provider]
      const forged: ReadonlyArray<
        readonly [string, (claims: Readonly<Record<string, unknown>>) => FakeIssuer.Forgery]
      > = [
        ["another issuer", (claims) => ({ claims: { ...claims, iss: "https://accounts.example" } })],
        [
          "an issuer of nearly the same name",
          (claims) => ({ claims: { ...claims, iss: `${String(claims["iss"])}/` } })
        ],
        ["no issuer", (claims) => ({ claims: without(claims, "iss") })],
        ["another audience", (claims) => ({ claims: { ...claims, aud: "another" } })],
        ["no audience", (claims) => ({ claims: without(claims, "aud") })],
        ["audiences without us", (claims) => ({ claims: { ...claims, aud: ["another"], azp: clientId } })],
        ["several audiences and no party", (claims) => ({ claims: { ...claims, aud: [clientId, "another"] } })],
        ["another party", (claims) => ({ claims: { ...claims, azp: "another" } })],
        [
          "several audiences and another party",
          (claims) => ({ claims: { ...claims, aud: [clientId, "b"], azp: "b" } })
        ],
        ["an end that is past", (claims) => ({ claims: { ...claims, exp: now() - 60 } })],
        ["no end", (claims) => ({ claims: without(claims, "exp") })],
        ["an end in words", (claims) => ({ claims: { ...claims, exp: "never" } })],
        ["a beginning that is to come", (claims) => ({ claims: { ...claims, nbf: now() + 600 } })],
        ["another nonce", (claims) => ({ claims: { ...claims, nonce: "n".repeat(43) } })],
        ["no nonce", (claims) => ({ claims: without(claims, "nonce") })],
        ["a nonce of nothing", (claims) => ({ claims: { ...claims, nonce: "" } })],
        ["no subject", (claims) => ({ claims: without(claims, "sub") })],
        ["a subject of nothing", (claims) => ({ claims: { ...claims, sub: "" } })],
        ["a subject that is no text", (claims) => ({ claims: { ...claims, sub: { a: 1 } } })],
        ["a subject with a NUL", (claims) => ({ claims: { ...claims, sub: "a\0b" } })],
        ["a subject without end", (claims) => ({ claims: { ...claims, sub: "s".repeat(256) } })],
        ["an unknown key", (claims) => ({ claims, header: { kid: "two" } })],
        ["the signature of a stranger", (claims) => ({ claims, by: "stranger" })],
        ["a stranger's key in its header", (claims) => ({ claims, by: "stranger", header: FakeIssuer.strangersKey })],
        ["an HMAC by the public key", (claims) => ({ claims, by: "hmac" })],
        ["an HMAC in the name of RS256", (claims) => ({ claims, by: "hmac", header: { alg: "RS256" } })],
        ["no algorithm", (claims) => ({ claims, header: { alg: "none" } })],
        ["another algorithm", (claims) => ({ claims, header: { alg: "RS512" } })],
        ["an unknown extension that is critical", (claims) => ({ claims, header: { crit: ["b64"], b64: true } })]
      ]
      for (const [what, forge] of forged) {
        it.effect(`is refused of ${provider} with ${what} [O6]`, () =>
          Effect.gen(function* () {
            assert.strictEqual(yield* tag(attempt(provider, forge)), "OAuthFailed")
          })
        )
      }
    }

    it.effect("may lack the nonce at Apple alone, and when it says that there is none [O12]", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* tag(attempt("apple", bare({ nonce_supported: false }))), "made")
        assert.strictEqual(yield* tag(attempt("apple", bare({ nonce_supported: "false" }))), "made")
        assert.strictEqual(yield* tag(attempt("apple", bare({ nonce_supported: true }))), "OAuthFailed")
        assert.strictEqual(yield* tag(attempt("apple", bare({ nonce_supported: 0 }))), "OAuthFailed")
        assert.strictEqual(yield* tag(attempt("google", bare({ nonce_supported: false }))), "OAuthFailed")
        const another = { nonce_supported: false, nonce: "n".repeat(43) }
        assert.strictEqual(yield* tag(attempt("apple", bare(another))), "OAuthFailed")
      })
    )

    it.effect("is got with a secret that is made for each call, by Apple's rules [O12]", () =>
      Effect.gen(function* () {
        const { forms, issuer } = yield* Forger
        forms.length = 0
        yield* attempt("apple", (claims) => ({ claims }))
        yield* attempt("apple", (claims) => ({ claims }))
        yield* attempt("google", (claims) => ({ claims }))
        const secrets = forms.map((form) => form.get("client_secret") ?? "")
        assert.notStrictEqual(secrets[0], secrets[1])
        for (const secret of secrets.slice(0, 2)) assert.isTrue(OidcProvider.isAppleSecret(secret, issuer))
        const [, claims = ""] = secrets[0]?.split(".") ?? []
        const { exp, iat } = JSON.parse(Buffer.from(claims, "base64url").toString())
        assert.strictEqual(exp - iat, 300)
        assert.strictEqual(secrets[2], OidcProvider.google.clientSecret)
        for (const form of forms) {
          assert.strictEqual(form.get("grant_type"), "authorization_code")
          assert.match(form.get("code_verifier") ?? "", /^[\w-]{43}$/)
        }
      })
    )
  })

  layer(layerForged, { excludeTestServices: true })("when they are not themselves", (it) => {
    const discovery = "/.well-known/openid-configuration"

    const answers: ReadonlyArray<readonly [string, FakeIssuer.Answer]> = [
      ["leads elsewhere", (response) => response.writeHead(302, { location: "/inner" }).end()],
      ["is down", FakeIssuer.json({}, 503)],
      ["hangs up", (response) => response.destroy()],
      ["speaks no JSON", (response) => response.writeHead(200, { "content-type": "application/json" }).end("{")],
      ["answers with a page", (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>")],
      ["says nothing", FakeIssuer.json({})],
      ["says something else", FakeIssuer.json([1, "two", null])],
      ["does not stop", FakeIssuer.endless]
    ]
    for (const [what, answer] of answers) {
      it.effect(`end a sign-in and no more, when one ${what} [O14]`, () =>
        Effect.gen(function* () {
          const forger = yield* Forger
          forger.answer(discovery, answer)
          assert.strictEqual(yield* tag(begin("apple")), "ServiceUnavailable")
          forger.recover()
          for (const path of ["/token", "/jwks"]) {
            forger.answer(path, answer)
            assert.strictEqual(yield* tag(attempt("google", (claims) => ({ claims }))), "OAuthFailed", path)
            forger.recover()
          }
          assert.notInclude(forger.asked, "/inner")
        })
      )
    }

    it.effect("end a sign-in within seconds, when one does not answer [O14]", () =>
      Effect.gen(function* () {
        const forger = yield* Forger
        const began = performance.now()
        for (const path of [discovery, "/token"]) forger.answer(path, () => undefined)
        const both = yield* Effect.all([tag(begin("apple")), tag(attempt("google", (claims) => ({ claims })))], {
          concurrency: 2
        })
        assert.deepStrictEqual(both, ["ServiceUnavailable", "OAuthFailed"])
        forger.recover()
        forger.answer("/jwks", () => undefined)
        assert.strictEqual(yield* tag(attempt("google", (claims) => ({ claims }))), "OAuthFailed")
        assert.isBelow(performance.now() - began, 30_000)
        forger.recover()
      })
    )

    it.effect("begin no sign-in, when what one says of itself is not about it, or leads nowhere [O14]", () =>
      Effect.gen(function* () {
        const forger = yield* Forger
        const { issuer } = forger
        const honest = { issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` }
        for (const more of [
          { issuer: "https://accounts.example" },
          { authorization_endpoint: undefined },
          { authorization_endpoint: "javascript:alert(1)" },
          { authorization_endpoint: 42 }
        ]) {
          forger.answer(discovery, FakeIssuer.json({ ...honest, ...more }))
          assert.strictEqual(yield* tag(begin("apple")), "ServiceUnavailable", JSON.stringify(more))
        }
        forger.recover()
      })
    )
  })

  layer(layerForged, { excludeTestServices: true })("about themselves", (it) => {
    it.effect("is asked for once, however many sign in at once, and again once they answer [O14]", () =>
      Effect.gen(function* () {
        const forger = yield* Forger
        const discovery = "/.well-known/openid-configuration"
        const asked = () => forger.asked.filter((path) => path === discovery).length
        const many = Effect.all(
          Array.from({ length: 8 }, () => tag(begin("google"))),
          { concurrency: 8 }
        )
        forger.answer(discovery, FakeIssuer.json({}, 503))
        assert.deepStrictEqual([...new Set(yield* many)], ["ServiceUnavailable"])
        assert.strictEqual(asked(), 1)
        forger.recover()
        assert.deepStrictEqual([...new Set(yield* many)], ["made"])
        assert.deepStrictEqual([...new Set(yield* many)], ["made"])
        assert.strictEqual(asked(), 2)
      })
    )
  })
})
