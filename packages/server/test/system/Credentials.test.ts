import { assert, describe, layer } from "@effect/vitest"
import { IssuedApiKey } from "@joy/domain/ApiKey"
import { Tokens } from "@joy/domain/Session"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const publicUrl = "https://media.example.org"
const friend = "https://app.example.org"
const cookieName = "__Host-joy-refresh"
const inCookie = { "x-token-transport": "cookie" }

const ask = Effect.fnUntraced(function* (path: string, options: JoyHttp.RequestOptions = {}) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request(path, { method: "POST", ...options })
})
const typeOf = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type.slice("urn:joy:".length)}`)

/** The cookie that an answer sets, taken apart. */
const cookieOf = ({ headers }: JoyHttp.Answer, name = cookieName) => {
  const [line = ""] = headers["set-cookie"] ?? []
  const [pair = "", ...attributes] = line.split("; ")
  assert.isTrue(pair.startsWith(`${name}=`), line)
  return { value: pair.slice(name.length + 1), attributes, header: { cookie: `other=1; ${pair}` } }
}

const signIn = Effect.fnUntraced(function* (identifier: string) {
  const { account, signIn } = yield* JoyUp.JoyUp
  yield* account(identifier)
  const answer = yield* ask("/auth/login", {
    headers: inCookie,
    body: { identifier, password: JoyUp.accountPassword }
  })
  assert.strictEqual(answer.status, 200, answer.text)
  const tokens = yield* JoyHttp.decode(Tokens, answer)
  return { answer, tokens, token: Redacted.value(tokens.accessToken), cookie: cookieOf(answer), again: signIn }
})

const statusOf = (token: string) => Effect.map(ask("/protected", { method: "GET", token }), ({ status }) => status)

describe("credentials", () => {
  const env = { PUBLIC_URL: publicUrl, CORS_ORIGINS: friend, RATE_LIMITS: "off" }
  layer(JoyUp.JoyUp.layer(env), { excludeTestServices: true })("of browsers", (it) => {
    it.effect(
      "have the refresh token in a cookie that scripts can't read, as long as it lives, and not in the body [R12, R18, R20]",
      () =>
        Effect.gen(function* () {
          const { answer, cookie, tokens } = yield* signIn("browser")
          assert.notInclude(answer.text, "refreshToken")
          assert.include(cookie.value, tokens.sessionId)
          const maxAge = Number(cookie.attributes.find((text) => text.startsWith("Max-Age="))?.slice(8))
          assert.closeTo(maxAge, (Date.parse(tokens.refreshExpiresAt) - Date.now()) / 1000, 10)
          assert.includeMembers(cookie.attributes, ["Path=/", "HttpOnly", "Secure", "SameSite=Lax"])
          assert.isFalse(cookie.attributes.some((text) => text.startsWith("Domain")))
          assert.strictEqual(answer.headers["cache-control"], "no-store")

          const registered = yield* ask("/auth/register", {
            headers: inCookie,
            body: { username: "registers", email: "registers@example.org", password: JoyUp.accountPassword }
          })
          assert.strictEqual(registered.status, 201, registered.text)
          assert.notInclude(registered.text, "refreshToken")
          assert.isAbove(cookieOf(registered).value.length, 40)
        })
    )

    it.effect("are refreshed by the cookie, which stays out of the body whatever is asked for [R18]", () =>
      Effect.gen(function* () {
        const { cookie, tokens } = yield* signIn("refresher")
        const first = yield* ask("/auth/refresh", { headers: cookie.header })
        assert.strictEqual(first.status, 200, first.text)
        assert.notInclude(first.text, "refreshToken")
        assert.strictEqual((yield* JoyHttp.decode(Tokens, first)).sessionId, tokens.sessionId)
        const next = cookieOf(first)
        assert.notStrictEqual(next.value, cookie.value)
        const second = yield* ask("/auth/refresh", { headers: { ...next.header, ...inCookie }, body: {} })
        assert.strictEqual(second.status, 200, second.text)
        const third = yield* ask("/auth/refresh", { body: { refreshToken: cookieOf(second).value } })
        assert.isAbove(JoyUp.refreshTokenOf(yield* JoyHttp.decode(Tokens, third)).length, 40)
        assert.isUndefined(third.headers["set-cookie"])
        assert.strictEqual(yield* typeOf(yield* ask("/auth/refresh")), "400 invalid-request")
        assert.strictEqual(
          yield* typeOf(yield* ask("/auth/refresh", { headers: inCookie })),
          "401 invalid-refresh-token"
        )
        const plain = { headers: { ...next.header, "content-type": "text/plain" }, body: "{}" }
        assert.strictEqual((yield* ask("/auth/refresh", plain)).status, 415)
      })
    )

    it.effect("are not sent for a page of another site [R18]", () =>
      Effect.gen(function* () {
        const { cookie, token } = yield* signIn("careful")
        for (const path of ["/auth/refresh", "/auth/logout"]) {
          for (const headers of [
            { "sec-fetch-site": "cross-site" },
            { "sec-fetch-site": "cross-site", origin: publicUrl },
            { origin: "https://evil.example" },
            { origin: "http://media.example.org" },
            { origin: "null" }
          ]) {
            const answer = yield* ask(path, { headers: { ...cookie.header, ...headers } })
            assert.strictEqual(yield* typeOf(answer), "403 cross-site", `${path} ${JSON.stringify(headers)}`)
            assert.isUndefined(answer.headers["set-cookie"])
          }
        }
        assert.strictEqual(yield* statusOf(token), 200)
        let { header } = cookie
        for (const headers of [
          { "sec-fetch-site": "same-origin", origin: publicUrl },
          { "sec-fetch-site": "same-site", origin: friend },
          { "sec-fetch-site": "none" }
        ]) {
          const answer = yield* ask("/auth/refresh", { headers: { ...header, ...headers } })
          assert.strictEqual(answer.status, 200, answer.text)
          header = cookieOf(answer).header
        }
      })
    )

    it.effect("are not taken from what a form can send, where a browser says nothing of the site [R18]", () =>
      Effect.gen(function* () {
        const { cookie, token } = yield* signIn("old-browser")
        for (const path of ["/auth/refresh", "/auth/logout"]) {
          for (const [type, body] of [
            ["application/x-www-form-urlencoded", ""],
            ["application/x-www-form-urlencoded", "refreshToken="],
            ["Text/Plain; charset=utf-8", '{"a":"="}'],
            ["multipart/form-data; boundary=x", "--x--\r\n"]
          ] as const) {
            const answer = yield* ask(path, { headers: { ...cookie.header, "content-type": type }, body })
            assert.include([403, 415], answer.status, `${path} ${type}`)
            assert.isUndefined(answer.headers["set-cookie"])
          }
        }
        for (const method of ["GET", "HEAD", "PUT"]) {
          assert.strictEqual((yield* ask("/auth/logout", { method, headers: cookie.header })).status, 405, method)
        }
        assert.strictEqual(yield* statusOf(token), 200)
        const json = { ...cookie.header, "content-type": "application/json" }
        assert.strictEqual((yield* ask("/auth/refresh", { headers: json, body: "{}" })).status, 200)
      })
    )

    it.effect("sign out by the cookie alone, which is cleared [R13, R18]", () =>
      Effect.gen(function* () {
        const { again, cookie, token } = yield* signIn("leaver")
        const left = yield* ask("/auth/logout", { headers: cookie.header })
        assert.strictEqual(left.status, 204, left.text)
        const cleared = cookieOf(left)
        assert.strictEqual(cleared.value, "")
        assert.includeMembers(cleared.attributes, ["Max-Age=0", "Path=/", "HttpOnly", "Secure"])
        assert.strictEqual(yield* statusOf(token), 401)
        assert.strictEqual((yield* ask("/auth/refresh", { headers: cookie.header })).status, 401)
        assert.strictEqual(
          yield* typeOf(yield* ask("/auth/logout", { headers: cookie.header })),
          "401 invalid-refresh-token"
        )
        assert.strictEqual(yield* typeOf(yield* ask("/auth/logout")), "401 unauthenticated")
        const forged = { cookie: `${cookieName}=${cookie.value.slice(0, -4)}AAAA` }
        assert.strictEqual((yield* ask("/auth/logout", { headers: forged })).status, 401)

        // By bearer and cookie of two sessions at once, both end.
        const other = yield* again("leaver", JoyUp.accountPassword)
        const body = { identifier: "leaver", password: JoyUp.accountPassword }
        const third = yield* ask("/auth/login", { headers: inCookie, body })
        const both = yield* ask("/auth/logout", { token: other.token, headers: cookieOf(third).header })
        assert.strictEqual(both.status, 204)
        assert.strictEqual(cookieOf(both).value, "")
        assert.strictEqual(yield* statusOf(other.token), 401)
        assert.strictEqual(yield* statusOf(Redacted.value((yield* JoyHttp.decode(Tokens, third)).accessToken)), 401)
      })
    )
  })

  layer(JoyUp.JoyUp.layer({ RATE_LIMITS: "off" }), { excludeTestServices: true })("of programs", (it) => {
    it.effect("are taken wherever an access token is, but end no session and change no password [T12]", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        const owner = yield* account("maker", ["curator"])
        const made = yield* ask("/api-keys", {
          token: owner.token,
          body: { name: "a script", permissions: ["media:read"], expiresAt: "2999-01-01T00:00:00Z" }
        })
        assert.strictEqual(made.status, 201, made.text)
        assert.strictEqual(made.headers["cache-control"], "no-store")
        const issued = yield* JoyHttp.decode(IssuedApiKey, made)
        const token = Redacted.value(issued.key)
        const shown = yield* ask("/protected", { method: "GET", token })
        assert.deepStrictEqual(JSON.parse(shown.text), {
          userId: owner.userId,
          sessionId: null,
          permissions: ["media:read"]
        })
        for (const path of ["/media", "/users/me", "/sessions"]) {
          assert.strictEqual((yield* ask(path, { method: "GET", token })).status, 200, path)
        }
        const passwords = { currentPassword: JoyUp.accountPassword, newPassword: "another tolerable phrase" }
        for (const [method, path, body] of [
          ["POST", "/auth/logout", undefined],
          ["POST", "/auth/logout-all", undefined],
          ["POST", "/auth/password", passwords],
          ["DELETE", `/sessions/${owner.tokens.sessionId}`, undefined],
          ["POST", "/api-keys", { name: "another", permissions: [] }],
          ["GET", "/api-keys", undefined],
          ["DELETE", `/api-keys/${issued.id}`, undefined],
          ["PATCH", `/users/${owner.userId}`, { displayName: "x" }],
          ["DELETE", `/users/${owner.userId}`, undefined],
          ["POST", "/media/refresh", undefined]
        ] as const) {
          const answer = yield* ask(path, { method, token, ...(body === undefined ? {} : { body }) })
          assert.strictEqual(yield* typeOf(answer), "403 forbidden", `${method} ${path}`)
        }
        assert.strictEqual(yield* statusOf(owner.token), 200)
        const revoked = yield* ask(`/api-keys/${issued.id}`, { method: "DELETE", token: owner.token })
        assert.strictEqual(revoked.status, 204)
        assert.strictEqual(yield* statusOf(token), 401)
        for (const expiresAt of ["2020-01-01T00:00:00Z", "tomorrow", "0000-01-01T00:00:00Z", "2999-13-01T00:00:00Z"]) {
          const answer = yield* ask("/api-keys", {
            token: owner.token,
            body: { name: "k", permissions: [], expiresAt }
          })
          assert.strictEqual(yield* typeOf(answer), "400 invalid-request", expiresAt)
        }
      })
    )

    it.effect("can be guessed without end where limits are off, which the start says [L7]", () =>
      Effect.gen(function* () {
        const { joy } = yield* JoyUp.JoyUp
        assert.include(joy.stdout(), "WARNING: RATE_LIMITS is off")
      })
    )

    it.effect("and of people without https have a cookie of another name", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        yield* account("plain")
        const body = { identifier: "plain", password: JoyUp.accountPassword }
        const answer = yield* ask("/auth/login", { headers: inCookie, body })
        const { attributes, header } = cookieOf(answer, "joy-refresh")
        assert.notInclude(attributes, "Secure")
        assert.strictEqual((yield* ask("/auth/refresh", { headers: header })).status, 200)
      })
    )

    it.effect("and of people give nobody more by fields that a route does not know [P13]", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        const { client, token, tokens, userId } = yield* account("plainer")
        const body = {
          displayName: "P",
          emailVerified: true,
          roles: ["admin"],
          permissions: ["*"],
          id: "x",
          username: "q"
        }
        const answer = yield* ask(`/users/${userId}`, { method: "PATCH", token, body })
        assert.strictEqual(answer.status, 200, answer.text)
        const { updatedAt: _, ...after } = yield* client.users.me()
        const { updatedAt: __, ...before } = tokens.user
        assert.deepStrictEqual(after, { ...before, displayName: "P" })
        const turned = yield* ask(`/users/${userId}`, { method: "PATCH", token, body: { disabled: false } })
        assert.strictEqual(yield* typeOf(turned), "403 forbidden")
      })
    )
  })
})
