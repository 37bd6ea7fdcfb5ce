import { assert, describe, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

type Headers = Readonly<Record<string, string>>

const login = Effect.fnUntraced(function* (identifier: string, password: string, headers: Headers = {}) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request("/auth/login", { method: "POST", headers, body: { identifier, password } })
})
const guess = (identifier: string, headers?: Headers) => login(identifier, "not this one", headers)
const guesses = Effect.fnUntraced(function* (count: number, identifier: string, headers?: Headers) {
  const answers = yield* Effect.replicateEffect(guess(identifier, headers), count)
  return answers.map(({ status }) => status)
})

const from = (forwardedFor: string) => ({ "x-forwarded-for": forwardedFor })
const withoutTime = ({ text }: JoyHttp.Answer) => text.replace(/"retryAfterSeconds":\d+/, "")

/** What the fields of an answer say of each limit, by its name. */
const limitsOf = ({ headers }: JoyHttp.Answer) => {
  const read = (field: string) =>
    new Map(
      String(headers[field] ?? "")
        .split(", ")
        .filter((item) => item !== "")
        .map((item) => {
          // A structured list of strings with integer parameters (RFC 9651).
          assert.match(item, /^"[a-z-]+"(;[a-z]=\d+)+$/)
          const [name = "", ...parameters] = item.split(";")
          return [
            name.slice(1, -1),
            Object.fromEntries(parameters.map((text) => [text[0], Number(text.slice(2))]))
          ] as const
        })
    )
  return { policies: read("ratelimit-policy"), left: read("ratelimit") }
}

const AuditPage = Schema.Struct({
  items: Schema.Array(Schema.Struct({ action: Schema.String, ip: Schema.NullOr(Schema.String) }))
})
const audited = Effect.fnUntraced(function* (userId: string, action: string) {
  const { admin, request } = yield* JoyUp.JoyUp
  const answer = yield* request(`/audit?limit=200&userId=${userId}&action=${action}`, { token: admin.token })
  return (yield* JoyHttp.decode(AuditPage, answer)).items
})

const origin = "https://app.example.org"

describe("limits", () => {
  const few = "register=3/1m,refresh-session=2/1m"
  layer(JoyUp.JoyUp.layer({ CORS_ORIGINS: origin, RATE_LIMITS: few }), { excludeTestServices: true })(
    "of a server that stands alone",
    (it) => {
      it.effect("look at five of two hundred wrong passwords that come at once [L2]", () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          const { userId } = yield* account("besieged")
          const answers = yield* Effect.all(
            Array.from({ length: 200 }, (_, n) => guess(n % 2 === 0 ? "besieged" : "besieged@example.org")),
            { concurrency: "unbounded" }
          )
          const looked = answers.filter(({ status }) => status === 401)
          assert.strictEqual(looked.length, 5)
          assert.strictEqual(answers.filter(({ status }) => status === 429).length, 195)
          // Every password that is looked at leaves an entry.
          assert.strictEqual((yield* audited(userId, "login.failed")).length, 5)
        })
      )

      it.effect("make the right password wait like a wrong one, and leave who is signed in alone [L3]", () =>
        Effect.gen(function* () {
          const { account, request } = yield* JoyUp.JoyUp
          const owner = yield* account("waits")
          assert.deepStrictEqual(yield* guesses(6, "waits"), [401, 401, 401, 401, 401, 429])
          const wrong = yield* guess("waits")
          const right = yield* login("waits", JoyUp.accountPassword)
          assert.deepStrictEqual([right.status, withoutTime(right)], [429, withoutTime(wrong)])
          const refreshed = yield* request("/auth/refresh", {
            method: "POST",
            body: { refreshToken: JoyUp.refreshTokenOf(owner.tokens) }
          })
          assert.strictEqual(refreshed.status, 200)
        })
      )

      it.effect("believe nobody who says where they come from [L4]", () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* guesses(6, "spoofed"), [401, 401, 401, 401, 401, 429])
          for (const header of ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip"]) {
            assert.deepStrictEqual(yield* guesses(1, "spoofed", { [header]: "203.0.113.9" }), [429], header)
          }
        })
      )

      it.effect("hold for changes of passwords and for registrations too [L1, L3, L7]", () =>
        Effect.gen(function* () {
          const { account, request } = yield* JoyUp.JoyUp
          const { token } = yield* account("changer")
          const change = request("/auth/password", {
            method: "POST",
            token,
            body: { currentPassword: "not this one", newPassword: "another tolerable phrase" }
          })
          const changes = yield* Effect.replicateEffect(change, 6)
          assert.deepStrictEqual(
            changes.map(({ status }) => status),
            [401, 401, 401, 401, 401, 429]
          )
          assert.strictEqual((yield* login("changer", JoyUp.accountPassword)).status, 429)
          const registrations = yield* Effect.forEach([1, 2, 3, 4], (n) =>
            request("/auth/register", {
              method: "POST",
              body: { username: `new-${n}`, email: `new-${n}@example.org`, password: JoyUp.accountPassword }
            })
          )
          assert.deepStrictEqual(
            registrations.map(({ status }) => status),
            [201, 201, 201, 429]
          )
        })
      )

      it.effect("say what is left, to pages of other origins too, and never more than Retry-After [L7]", () =>
        Effect.gen(function* () {
          const { account, request } = yield* JoyUp.JoyUp
          const { tokens } = yield* account("counts")
          const first = yield* guess("counts", { origin })
          assert.strictEqual(first.status, 401)
          const { left, policies } = limitsOf(first)
          assert.deepStrictEqual(policies.get("login-here"), { q: 5, w: 60 })
          assert.deepStrictEqual(left.get("login-here"), { r: 4, t: 12 })
          assert.deepStrictEqual([...left.keys()], [...policies.keys()])
          assert.isFalse(left.has("login-account"))
          const exposed = String(first.headers["access-control-expose-headers"]).split(",")
          assert.includeMembers(exposed, ["RateLimit", "RateLimit-Policy", "Retry-After"])
          // What succeeded is given back.
          const right = yield* login("counts", JoyUp.accountPassword)
          assert.strictEqual(right.status, 200)
          assert.strictEqual(limitsOf(right).left.get("login-here")?.["r"], 4)

          yield* guesses(4, "counts")
          const refused = yield* guess("counts", { origin })
          assert.strictEqual(refused.status, 429)
          const limits = limitsOf(refused)
          assert.deepStrictEqual([...limits.policies], [["login-here", { q: 5, w: 60 }]])
          assert.deepStrictEqual(
            [...limits.left],
            [["login-here", { r: 0, t: Number(refused.headers["retry-after"]) }]]
          )

          const body = { refreshToken: JoyUp.refreshTokenOf(tokens) }
          const refreshed = yield* request("/auth/refresh", { method: "POST", body })
          assert.deepStrictEqual([...limitsOf(refreshed).left.keys()], ["refresh-network", "refresh-session"])
          // The network has room for later than the session has: that is not told.
          const refusals = yield* Effect.replicateEffect(request("/auth/refresh", { method: "POST", body }), 2)
          const last = refusals.at(-1) ?? refreshed
          assert.strictEqual(last.status, 429)
          assert.deepStrictEqual(
            [...limitsOf(last).left],
            [["refresh-session", { r: 0, t: Number(last.headers["retry-after"]) }]]
          )
          for (const path of ["/media", "/health", "/nowhere"]) {
            assert.isUndefined((yield* request(path)).headers["ratelimit"], path)
          }
        })
      )
    }
  )

  const proxied = { TRUSTED_PROXIES: "127.0.0.0/8,10.0.0.0/8" }
  layer(JoyUp.JoyUp.layer(proxied), { excludeTestServices: true })("of a server behind a proxy", (it) => {
    it.effect("keep apart who comes through one proxy, by IPv4 address and IPv6 /64 [L4]", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        const { userId } = yield* account("shared")
        assert.deepStrictEqual(yield* guesses(6, "shared", from("203.0.113.1")), [401, 401, 401, 401, 401, 429])
        assert.strictEqual((yield* login("shared", JoyUp.accountPassword, from("203.0.113.2"))).status, 200)
        assert.strictEqual((yield* login("shared", JoyUp.accountPassword, from("203.0.113.1"))).status, 429)
        for (let n = 0; n < 5; n++) yield* guess("shared", from(`2001:db8:0:1::${n}`))
        assert.strictEqual((yield* guess("shared", from("2001:db8:0:1:ffff::1"))).status, 429)
        assert.strictEqual((yield* guess("shared", from("2001:db8:0:2::1"))).status, 401)
        const ips = (yield* audited(userId, "login.failed")).map(({ ip }) => ip)
        assert.includeMembers(ips, ["203.0.113.1", "2001:db8:0:1::0", "2001:db8:0:2::1"])
        const { joy } = yield* JoyUp.JoyUp
        yield* Joy.until(Effect.sync(joy.stdout), (log) => log.includes('"ip":"2001:db8:0:2::1"'))
      })
    )

    it.effect("take the last address that no proxy of ours has written for the client's [L4]", () =>
      Effect.gen(function* () {
        for (let n = 0; n < 5; n++) {
          // What the client claims comes first; then what the outer and the inner proxy saw.
          assert.strictEqual((yield* guess("chained", from(`198.51.100.${n}, 203.0.113.7, 10.1.2.3`))).status, 401)
        }
        assert.strictEqual((yield* guess("chained", from("198.51.100.99, 203.0.113.7, 10.1.2.3"))).status, 429)
        assert.strictEqual((yield* guess("chained", from("203.0.113.7"))).status, 429)
        assert.strictEqual((yield* guess("chained", from("nonsense, 203.0.113.7"))).status, 429)
        assert.strictEqual((yield* guess("chained", from("203.0.113.8"))).status, 401)
      })
    )
  })
})
