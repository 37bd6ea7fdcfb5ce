import { createHmac } from "node:crypto"

import { assert, describe, layer } from "@effect/vitest"
import { Tokens } from "@joy/domain/Session"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const post = Effect.fnUntraced(function* (path: string, body?: unknown, token?: string) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request(path, { method: "POST", ...(body === undefined ? {} : { body }), token })
})

const typeOf = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type.slice("urn:joy:".length)}`)

const tokensOf = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(Tokens, answer), (tokens) => ({
    access: Redacted.value(tokens.accessToken),
    refresh: JoyUp.refreshTokenOf(tokens),
    sessionId: tokens.sessionId,
    tokens
  }))

const refresh = (refreshToken: string) => post("/auth/refresh", { refreshToken })

/** What `/protected` says to a token. */
const statusOf = Effect.fnUntraced(function* (token: string) {
  const { request } = yield* JoyUp.JoyUp
  return (yield* request("/protected", { token })).status
})

const signInAnew = Effect.fnUntraced(function* (identifier: string) {
  const answer = yield* post("/auth/login", { identifier, password: JoyUp.accountPassword })
  assert.strictEqual(answer.status, 200, answer.text)
  return yield* tokensOf(answer)
})

const SessionPage = Schema.Struct({
  items: Schema.Array(Schema.Struct({ id: Schema.String, current: Schema.Boolean })),
  nextCursor: Schema.NullOr(Schema.String)
})

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

describe("accounts", () => {
  layer(JoyUp.JoyUp.layer({ REFRESH_GRACE: "1500ms" }), { excludeTestServices: true })("and sessions", (it) => {
    it.effect("are made by registering, once for each name and address, whatever the case [P1, P5, P11]", () =>
      Effect.gen(function* () {
        const password = JoyUp.accountPassword
        const made = yield* post("/auth/register", { username: "Amara", email: "Amara@example.org", password })
        assert.strictEqual(made.status, 201, made.text)
        const { access, tokens } = yield* tokensOf(made)
        assert.deepStrictEqual(tokens.user.roles, ["viewer"])
        assert.isFalse(tokens.user.disabled)
        assert.notInclude(made.text, password)
        assert.strictEqual(yield* statusOf(access), 200)
        for (const [username, email] of [
          ["amara", "other@example.org"],
          ["AMARA", "other@example.org"],
          ["other", "amara@EXAMPLE.org"]
        ]) {
          assert.strictEqual(
            yield* typeOf(yield* post("/auth/register", { username, email, password })),
            "409 account-exists"
          )
        }
        for (const weak of ["short", "password123", "x".repeat(257)]) {
          assert.strictEqual(
            yield* typeOf(
              yield* post("/auth/register", { username: "weak", email: "weak@example.org", password: weak })
            ),
            "422 weak-password"
          )
        }
        for (const identifier of ["Amara", "amara", "amara@example.org"]) {
          assert.strictEqual((yield* post("/auth/login", { identifier, password })).status, 200, identifier)
        }
        const wrong = yield* post("/auth/login", { identifier: "amara", password: "not this one" })
        const nobody = yield* post("/auth/login", { identifier: "nobody", password: "not this one" })
        assert.strictEqual(yield* typeOf(wrong), "401 invalid-credentials")
        assert.strictEqual(wrong.text, nobody.text)
      })
    )

    it.effect(
      "refresh gives one successor inside the grace, and ends the session when an old token comes later [R3, R4, R5, T4]",
      () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          yield* account("rotator")
          const first = yield* signInAnew("rotator")
          const [one, two, three] = yield* Effect.all(
            [refresh(first.refresh), refresh(first.refresh), refresh(first.refresh)],
            {
              concurrency: 3
            }
          )
          const successors = yield* Effect.forEach([one, two, three], tokensOf)
          assert.strictEqual(new Set(successors.map(({ refresh }) => refresh)).size, 1)
          assert.deepStrictEqual(
            successors.map(({ sessionId }) => sessionId),
            Array(3).fill(first.sessionId)
          )
          const second = successors[0]
          assert.isDefined(second)
          if (second === undefined) return
          assert.notStrictEqual(second.refresh, first.refresh)
          assert.strictEqual(yield* statusOf(second.access), 200)

          // The old one is good for the same successor until the grace is over.
          const late = yield* Joy.until(refresh(first.refresh), ({ status }) => status !== 200, { seconds: 20 })
          assert.strictEqual(yield* typeOf(late), "401 refresh-token-reused")
          assert.strictEqual((yield* refresh(second.refresh)).status, 401)
          assert.strictEqual(yield* statusOf(second.access), 401)
          assert.strictEqual(yield* statusOf(first.access), 401)

          for (const bad of ["", "x", `${first.sessionId}.`, `${first.sessionId}.AAAA`, `${second.refresh}x`]) {
            assert.strictEqual((yield* refresh(bad)).status, 401, bad)
          }
          // One kind of token is not the other.
          const other = yield* signInAnew("rotator")
          assert.include([400, 401], (yield* refresh(other.access)).status)
          assert.strictEqual(yield* statusOf(other.refresh), 401)
        })
    )

    it.effect("logging out kills the access token at once, and leaves other sessions alone [R13, R14]", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        yield* account("leaver")
        const here = yield* signInAnew("leaver")
        const there = yield* signInAnew("leaver")
        assert.strictEqual(yield* statusOf(here.access), 200)
        assert.strictEqual((yield* post("/auth/logout", undefined, here.access)).status, 204)
        assert.strictEqual(yield* statusOf(here.access), 401)
        assert.strictEqual(yield* typeOf(yield* refresh(here.refresh)), "401 invalid-refresh-token")
        assert.strictEqual(yield* statusOf(there.access), 200)
        assert.strictEqual((yield* post("/auth/logout", undefined, here.access)).status, 401)

        const more = yield* signInAnew("leaver")
        assert.strictEqual((yield* post("/auth/logout-all", undefined, there.access)).status, 204)
        for (const { access, refresh: token } of [there, more]) {
          assert.strictEqual(yield* statusOf(access), 401)
          assert.strictEqual((yield* refresh(token)).status, 401)
        }
        assert.strictEqual(yield* statusOf((yield* signInAnew("leaver")).access), 200)
      })
    )

    it.effect("sessions are listed page by page and ended one by one, by their owner alone [R16, R17]", () =>
      Effect.gen(function* () {
        const { account, admin, request } = yield* JoyUp.JoyUp
        const owner = yield* account("owner")
        const stranger = yield* account("stranger")
        yield* signInAnew("owner")
        const last = yield* signInAnew("owner")

        const seen: Array<{ readonly id: string; readonly current: boolean }> = []
        let cursor: string | null = ""
        while (cursor !== null) {
          const next: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`
          const page: typeof SessionPage.Type = yield* Effect.flatMap(
            request(`/sessions?limit=1${next}`, { token: last.access }),
            (answer) => JoyHttp.decode(SessionPage, answer)
          )
          seen.push(...page.items)
          cursor = page.nextCursor
        }
        assert.strictEqual(new Set(seen.map(({ id }) => id)).size, 3)
        assert.deepStrictEqual(
          seen.filter(({ current }) => current).map(({ id }) => id),
          [last.sessionId]
        )

        const end = (id: string, token: string) => request(`/sessions/${id}`, { method: "DELETE", token })
        assert.strictEqual((yield* end(last.sessionId, stranger.token)).status, 404)
        assert.strictEqual(yield* statusOf(last.access), 200)
        assert.strictEqual((yield* end(last.sessionId, owner.token)).status, 204)
        assert.strictEqual(yield* statusOf(last.access), 401)
        assert.strictEqual((yield* end(last.sessionId, owner.token)).status, 404)
        // An administrator may: sessions:write.
        const another = yield* signInAnew("owner")
        assert.strictEqual((yield* end(another.sessionId, admin.token)).status, 204)
        assert.strictEqual(yield* statusOf(another.access), 401)

        const mine = yield* request(`/sessions?userId=${owner.userId}`, { token: stranger.token })
        assert.strictEqual(mine.status, 403)
        const theirs = yield* request(`/sessions?userId=${owner.userId}`, { token: admin.token })
        assert.isAtLeast((yield* JoyHttp.decode(SessionPage, theirs)).items.length, 1)
      })
    )

    it.effect("are made and listed by administrators alone, and nobody gives more than they have [C6, R19]", () =>
      Effect.gen(function* () {
        const { account, admin, request } = yield* JoyUp.JoyUp
        const viewer = yield* account("plain")
        const curator = yield* account("curates", ["curator"])
        const fresh = { username: "made", email: "made@example.org", password: JoyUp.accountPassword }
        for (const { token } of [viewer, curator]) {
          assert.strictEqual(yield* typeOf(yield* request("/users", { token })), "403 forbidden")
          assert.strictEqual(yield* typeOf(yield* post("/users", fresh, token)), "403 forbidden")
          assert.strictEqual(
            yield* typeOf(yield* post("/users", { ...fresh, roles: ["admin"] }, token)),
            "403 forbidden"
          )
          assert.strictEqual((yield* request(`/users/${admin.userId}`, { token })).status, 404)
        }
        assert.strictEqual((yield* request(`/users/${viewer.userId}`, { token: viewer.token })).status, 200)
        assert.strictEqual((yield* request(`/users/${viewer.userId}`, { token: admin.token })).status, 200)
        assert.strictEqual(
          yield* typeOf(yield* post("/users", { ...fresh, roles: ["emperor"] }, admin.token)),
          "422 role-not-found"
        )
        assert.strictEqual((yield* post("/users", fresh, admin.token)).status, 201)
        assert.strictEqual(yield* typeOf(yield* post("/users", fresh, admin.token)), "409 account-exists")
        // Registering can't ask for a role.
        const bold = yield* post("/auth/register", {
          ...fresh,
          username: "bold",
          email: "b@example.org",
          roles: ["admin"]
        })
        if (bold.status === 201) assert.deepStrictEqual((yield* tokensOf(bold)).tokens.user.roles, ["viewer"])
        const me = yield* Effect.orDie(viewer.client.users.me())
        assert.strictEqual(me.username, "plain")
        const found = yield* admin.client.users.list({ query: { q: "plain" } })
        assert.deepStrictEqual(
          found.items.map(({ username }) => String(username)),
          ["plain"]
        )
        const all = yield* request("/users?limit=200", { token: admin.token })
        assert.notMatch(all.text, /argon2|password/i)
      })
    )

    it.effect("tokens that this server did not sign are worth nothing, however they are made [T1, T5]", () =>
      Effect.gen(function* () {
        const { account, admin, request } = yield* JoyUp.JoyUp
        const viewer = yield* account("forger")
        const [header = "", payload = "", signature = ""] = viewer.token.split(".")
        const decoded = JSON.parse(Buffer.from(header, "base64url").toString())
        assert.strictEqual(decoded.alg, "EdDSA")
        const claims = JSON.parse(Buffer.from(payload, "base64url").toString())
        const jwks = yield* request("/.well-known/jwks.json")
        const [key] = (yield* JoyHttp.decode(
          Schema.Struct({ keys: Schema.Array(Schema.Record(Schema.String, Schema.String)) }),
          jwks
        )).keys
        assert.isUndefined(key?.["d"], "a private key is published")
        assert.notInclude(jwks.text, '"d"')

        const hmac = (secret: string | Buffer, head: object, body = payload) => {
          const text = `${base64(head)}.${body}`
          return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`
        }
        const publicKey = Buffer.from(key?.["x"] ?? "", "base64url")
        const [, adminPayload = ""] = admin.token.split(".")
        const forged = [
          `${base64({ ...decoded, alg: "none" })}.${payload}.`,
          `${base64({ ...decoded, alg: "None" })}.${payload}.${signature}`,
          `${base64({ alg: "none" })}.${adminPayload}.`,
          hmac(publicKey, { ...decoded, alg: "HS256" }),
          hmac(key?.["x"] ?? "", { ...decoded, alg: "HS256" }),
          hmac("", { ...decoded, alg: "HS256" }),
          `${header}.${adminPayload}.${signature}`,
          `${header}.${base64({ ...claims, exp: claims.exp + 86_400 })}.${signature}`,
          `${base64({ ...decoded, kid: "../../../dev/null" })}.${payload}.${signature}`,
          `${base64({ ...decoded, jwk: key })}.${payload}.${signature}`,
          `${base64({ ...decoded, crit: ["exp"] })}.${payload}.${signature}`,
          `${header}.${payload}.${"A".repeat(86)}`,
          `${header}.${payload}`,
          `${header}.${payload}.${signature}.${signature}`
        ]
        const statuses = yield* Effect.forEach(forged, statusOf)
        assert.deepStrictEqual(statuses, Array(forged.length).fill(401))
        assert.strictEqual(yield* statusOf(viewer.token), 200)
      })
    )
  })
})
