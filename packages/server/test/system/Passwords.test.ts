import { join } from "node:path"

import { assert, describe, layer } from "@effect/vitest"
import { Tokens } from "@joy/domain/Session"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Timing from "@joy/testing/Timing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const post = Effect.fnUntraced(function* (path: string, body: unknown, token?: string) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request(path, { method: "POST", body, token })
})

const login = (identifier: string, password: string) => post("/auth/login", { identifier, password })
const register = (username: string, email: string, password: string = JoyUp.accountPassword, more: object = {}) =>
  post("/auth/register", { username, email, password, ...more })

const typeOf = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type.slice("urn:joy:".length)}`)
const userOf = (answer: JoyHttp.Answer) => {
  assert.include([200, 201], answer.status, answer.text)
  return Effect.map(JoyHttp.decode(Tokens, answer), ({ user }) => user)
}

const AuditPage = Schema.Struct({ items: Schema.Array(Schema.Struct({ action: Schema.String })) })
const failures = Effect.gen(function* () {
  const { admin, request } = yield* JoyUp.JoyUp
  const answer = yield* request("/audit?action=login.failed&limit=200", { token: admin.token })
  return (yield* JoyHttp.decode(AuditPage, answer)).items.length
})

const guesses = ["admin", "root", "joy", "user", "test", "changeme"]

describe("accounts", () => {
  layer(JoyUp.JoyUp.layer({ RATE_LIMITS: "off" }), { excludeTestServices: true })("and their passwords", (it) => {
    it.effect("have 8 to 256 characters and are no common ones, wherever they are set [P1, P5]", () =>
      Effect.gen(function* () {
        const { account, admin } = yield* JoyUp.JoyUp
        const { token } = yield* account("chooser")
        let n = 0
        const ways = (password: string) => [
          register(`way-${++n}`, `way-${n}@example.org`, password),
          post("/users", { username: `way-${++n}`, email: `way-${n}@example.org`, password }, admin.token),
          post("/auth/password", { currentPassword: JoyUp.accountPassword, newPassword: password }, token)
        ]
        for (const weak of ["zq7-Kx!", "password1", "PassWord1", "qwertyuiop", "x".repeat(257), "🦉🐙🦊🐢🦜🐝🦋"]) {
          for (const way of ways(weak)) assert.strictEqual(yield* typeOf(yield* way), "422 weak-password", weak)
        }
        for (const fine of ["zq7-Kx!p", "xY7 ".repeat(64), "🦉🐙🦊🐢🦜🐝🦋🐌"]) {
          const [registers, creates] = ways(fine)
          for (const way of [registers, creates])
            assert.strictEqual((yield* way ?? Effect.die("none")).status, 201, fine)
        }
      })
    )

    it.effect("are the same however they are typed, and never cut [P2, P3]", () =>
      Effect.gen(function* () {
        const phrase = "Ein Wörterbuch voller Bücher, 眠れない夜, und eine Tasse Tee: 1 Gedicht".slice(0, 64)
        assert.strictEqual([...phrase].length, 64)
        yield* userOf(yield* register("poet", "poet@example.org", phrase.normalize("NFD")))
        for (const form of ["NFC", "NFD"]) yield* userOf(yield* login("poet", phrase.normalize(form)))
        assert.strictEqual((yield* login("poet", phrase.toLowerCase())).status, 401)
        assert.strictEqual((yield* login("poet", `${phrase} `)).status, 401)
        const long = "0123456789".repeat(9)
        yield* userOf(yield* register("long", "long@example.org", `${long}a`))
        for (const other of [long, `${long}b`, `${long}A`])
          assert.strictEqual((yield* login("long", other)).status, 401)
        yield* userOf(yield* login("long", `${long}a`))
      })
    )

    it.effect("are refused before anything is hashed when they are huge [P4]", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        const { token } = yield* account("flooded")
        const before = yield* failures
        for (const [size, status] of [
          [1024 * 1024, 413],
          [5000, 400]
        ] as const) {
          const huge = "p".repeat(size)
          const answers = yield* Effect.all([
            login("flooded", huge),
            register("huge", "huge@example.org", huge),
            post("/auth/password", { currentPassword: huge, newPassword: JoyUp.accountPassword }, token),
            post("/auth/password", { currentPassword: JoyUp.accountPassword, newPassword: huge }, token)
          ])
          assert.deepStrictEqual(
            answers.map((answer) => answer.status),
            Array(4).fill(status)
          )
        }
        assert.strictEqual(yield* failures, before)
      })
    )

    it.effect("give one answer to who has no account, a wrong password, or a disabled account [P9]", () =>
      Effect.gen(function* () {
        const { account, admin, request } = yield* JoyUp.JoyUp
        yield* account("there")
        const { userId } = yield* account("gone")
        yield* request(`/users/${userId}`, { method: "PATCH", token: admin.token, body: { disabled: true } })
        const answers = yield* Effect.all([
          login("nobody-here", JoyUp.accountPassword),
          login("nobody@example.com", "not this one"),
          login("there", "not this one"),
          login("there@example.org", "not this one"),
          login("gone", JoyUp.accountPassword),
          login("gone@example.org", "not this one")
        ])
        const shown = answers.map(({ headers, status, text }) => {
          const { date: _, "x-request-id": __, ...rest } = headers
          return { status, text, rest }
        })
        for (const answer of shown) assert.deepStrictEqual(answer, shown[0])
        assert.strictEqual(shown[0]?.status, 401)
      })
    )

    it.effect("are checked a few at a time: the others wait, too many are sent away, and the rest goes on [P8]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const attempts = Effect.all(
          Array.from({ length: 300 }, (_, n) => login(`one-of-many-${n}`, "not this one")),
          { concurrency: "unbounded" }
        )
        const others = Effect.replicateEffect(request("/protected", { token: admin.token }), 20)
        const [answers, meanwhile] = yield* Effect.all([attempts, others], { concurrency: 2 })
        assert.deepStrictEqual([...new Set(meanwhile.map(({ status }) => status))], [200])
        const sentAway = answers.filter(({ status }) => status === 503)
        assert.strictEqual(answers.filter(({ status }) => status === 401).length + sentAway.length, 300)
        // Of 300 the queue takes 128; how many were done by then is up to the machine.
        assert.isAbove(sentAway.length, 0)
        for (const answer of sentAway) {
          assert.strictEqual(yield* typeOf(answer), "503 service-unavailable")
          assert.strictEqual(answer.headers["retry-after"], "2")
        }
        assert.strictEqual((yield* login("one-of-many-0", "not this one")).status, 401)
      })
    )

    it.effect("take their time to refuse, whether there is one or not [P10]", () =>
      Effect.gen(function* () {
        const { account } = yield* JoyUp.JoyUp
        yield* account("timed")
        const refusals = { known: "timed", unknown: "untimed", address: "untimed@example.org" } as const
        // `npm run soak -- timing` has many more samples, and a finer judgement.
        const services = yield* Effect.context<JoyUp.JoyUp>()
        const times = yield* Effect.promise(() =>
          Timing.interleaved(["known", "unknown", "address"] as const, 24, async (kind) => {
            const { status } = await Effect.runPromiseWith(services)(login(refusals[kind], "not this one"))
            assert.strictEqual(status, 401)
          })
        )
        for (const kind of ["unknown", "address"] as const) {
          const { share } = Timing.separation(times.get(kind) ?? [], times.get("known") ?? [])
          // Without a hash the one would always be the faster: 0.
          assert.isAbove(share, 0.1, kind)
          assert.isBelow(share, 0.9, kind)
        }
      })
    )

    it.effect("are one for all that looks like one name or address [P11]", () =>
      Effect.gen(function* () {
        yield* userOf(yield* register("Zoë Straße", "Zoe@Example.org"))
        for (const name of [
          "zoë straße",
          " ZOË STRASSE ",
          "zoe\u0308 straße",
          "Ｚｏë straße",
          "zo\u034fë straße",
          "zoë\ufe0f straße",
          "zoë straße\u115f"
        ]) {
          const answer = yield* register(name, "another@example.org")
          assert.strictEqual(yield* typeOf(answer), "409 account-exists", JSON.stringify(name))
        }
        for (const name of [
          "zo\u200bë",
          "zo\u202eë",
          "zo\u0000ë",
          "zo\në",
          "\u3164",
          "\u034f",
          " ",
          "@",
          "zoe@example.org"
        ]) {
          const answer = yield* register(name, "another@example.org")
          assert.strictEqual(yield* typeOf(answer), "400 invalid-request", JSON.stringify(name))
        }
        for (const email of ["zoe@EXAMPLE.org", " zoe@example.org ", "ｚoe@example.org", "zoe@exam\u034fple.org"]) {
          assert.strictEqual(yield* typeOf(yield* register("zoe2", email)), "409 account-exists", JSON.stringify(email))
        }
        for (const email of [
          "zoe＠example.org",
          "zoe﹫example.org",
          "zoe",
          "@example.org",
          "a b@example.org",
          "a@b@c",
          "a\u200b@b"
        ]) {
          assert.strictEqual(
            yield* typeOf(yield* register("zoe2", email)),
            "400 invalid-request",
            JSON.stringify(email)
          )
        }
      })
    )

    it.effect("are never reached by a name that looks like the address of another [P11]", () =>
      Effect.gen(function* () {
        const [theirs, mine] = ["the victim's own phrase", "the attacker's own phrase"]
        const victim = yield* userOf(yield* register("victim", "victim@example.org", theirs))
        for (const at of ["＠", "﹫"]) {
          const name = `victim${at}example.org`
          const attacker = yield* userOf(yield* register(name, `attacker${at.codePointAt(0)}@example.org`, mine))
          assert.strictEqual((yield* login("victim@example.org", mine)).status, 401)
          assert.strictEqual((yield* login(name, theirs)).status, 401)
          assert.strictEqual((yield* userOf(yield* login("victim@example.org", theirs))).id, victim.id)
          assert.strictEqual((yield* userOf(yield* login(name, mine))).id, attacker.id)
          yield* Effect.flatMap(JoyUp.JoyUp, ({ admin, request }) =>
            request(`/users/${attacker.id}`, { method: "DELETE", token: admin.token })
          )
        }
      })
    )

    it.effect("are made once by two who register at once [P12]", () =>
      Effect.gen(function* () {
        for (let round = 0; round < 5; round++) {
          const answers = yield* Effect.all(
            [
              register(`twin-${round}`, `one-${round}@example.org`),
              register(`TWIN-${round}`, `two-${round}@example.org`),
              register(`other-${round}`, `ONE-${round}@example.org`)
            ],
            { concurrency: "unbounded" }
          )
          const statuses = answers.map(({ status }) => status)
          assert.isTrue(
            statuses.every((status) => status === 201 || status === 409),
            statuses.join(" ")
          )
          assert.isAtMost(statuses.slice(0, 2).filter((status) => status === 201).length, 1)
          assert.isAtMost([statuses[0], statuses[2]].filter((status) => status === 201).length, 1)
          const [refused] = yield* Effect.forEach(
            answers.filter(({ status }) => status === 409),
            typeOf
          )
          assert.strictEqual(refused, "409 account-exists")
        }
      })
    )

    it.effect("take nothing from fields that nobody asked for [P13]", () =>
      Effect.gen(function* () {
        const { request } = yield* JoyUp.JoyUp
        const id = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"
        const more = {
          id,
          userId: id,
          role: "admin",
          roles: ["admin"],
          permissions: ["*"],
          emailVerified: true,
          disabled: true,
          displayName: "Boss",
          passwordHash: "x",
          constructor: { roles: ["admin"] }
        }
        const answer = yield* register("modest", "modest@example.org", JoyUp.accountPassword, more)
        const { createdAt: _, id: made, updatedAt: __, ...user } = yield* userOf(answer)
        assert.notStrictEqual(String(made), id)
        assert.deepStrictEqual(JSON.parse(JSON.stringify(user)), {
          username: "modest",
          email: "modest@example.org",
          emailVerified: false,
          displayName: null,
          roles: ["viewer"],
          disabled: false
        })
        const tokens = yield* JoyHttp.decode(Tokens, answer)
        const token = Redacted.value(tokens.accessToken)
        const shown = yield* request("/protected", { token })
        assert.deepStrictEqual(JSON.parse(shown.text), {
          userId: made,
          sessionId: tokens.sessionId,
          permissions: ["media:read"]
        })
        // By their own hand they change a name and an address, and nothing else.
        const { displayName: ___, ...others } = more
        const { disabled: ____, ...quiet } = others
        const patched = yield* request(`/users/${made}`, { method: "PATCH", token, body: quiet })
        assert.strictEqual(patched.status, 200, patched.text)
        assert.deepStrictEqual(JSON.parse(patched.text).roles, ["viewer"])
        assert.isFalse(JSON.parse(patched.text).emailVerified)
      })
    )

    it.effect("are changed with the current one and a live session, which ends the others [P14]", () =>
      Effect.gen(function* () {
        const { account, request } = yield* JoyUp.JoyUp
        const here = yield* account("careful")
        const there = yield* userOf(yield* login("careful", JoyUp.accountPassword))
        const other = Redacted.value(
          (yield* JoyHttp.decode(Tokens, yield* login("careful", JoyUp.accountPassword))).accessToken
        )
        assert.strictEqual(String(there.id), here.userId)
        const next = "another tolerable phrase"
        const change = (currentPassword: unknown, token?: string) =>
          post("/auth/password", { currentPassword, newPassword: next }, token)
        assert.strictEqual(yield* typeOf(yield* change(JoyUp.accountPassword)), "401 unauthenticated")
        assert.strictEqual(yield* typeOf(yield* change("not this one", here.token)), "401 invalid-credentials")
        assert.strictEqual(yield* typeOf(yield* change("", here.token)), "401 invalid-credentials")
        for (const none of [undefined, null, 7, [JoyUp.accountPassword]]) {
          assert.strictEqual(yield* typeOf(yield* change(none, here.token)), "400 invalid-request")
        }
        assert.strictEqual((yield* request("/protected", { token: other })).status, 200)
        assert.strictEqual((yield* change(JoyUp.accountPassword, here.token)).status, 204)
        assert.strictEqual((yield* request("/protected", { token: here.token })).status, 200)
        assert.strictEqual((yield* request("/protected", { token: other })).status, 401)
        assert.strictEqual((yield* login("careful", JoyUp.accountPassword)).status, 401)
        assert.strictEqual((yield* login("careful", next)).status, 200)
        assert.strictEqual(yield* typeOf(yield* change(next, other)), "401 unauthenticated")
      })
    )

    it.effect("and what they may do are lost at the next request when they are taken away [T10]", () =>
      Effect.gen(function* () {
        const { account, admin, request } = yield* JoyUp.JoyUp
        const { client, token, userId } = yield* account("demoted", ["curator"])
        const { key } = yield* Effect.orDie(
          client.apiKeys.create({ payload: { name: "k", permissions: ["media:read", "media:refresh"] } })
        )
        const mayAsk = (credential: string) =>
          Effect.map(request("/media/failures", { token: credential }), ({ status }) => status)
        const assign = (roles: ReadonlyArray<string>) =>
          request(`/users/${userId}/roles`, { method: "PUT", token: admin.token, body: { roles } })
        for (let round = 0; round < 5; round++) {
          assert.deepStrictEqual([yield* mayAsk(token), yield* mayAsk(Redacted.value(key))], [200, 200])
          yield* assign(["viewer"])
          assert.deepStrictEqual([yield* mayAsk(token), yield* mayAsk(Redacted.value(key))], [403, 403])
          yield* assign(["curator"])
        }
      })
    )
  })

  layer(TestDatabase.layerEmpty, { excludeTestServices: true })("of a fresh server", (it) => {
    it.effect("are none: nobody gets in by a name and a password that everybody knows [P15]", () =>
      Effect.gen(function* () {
        const folder = yield* Joy.folder
        const { url } = yield* TestDatabase.TestDatabase
        const env = {
          DATABASE_URL: Redacted.value(url),
          AUTH_KEYS_FILE: join(folder, "keys.json"),
          DATA_DIR: join(folder, "data"),
          RATE_LIMITS: "off"
        }
        for (const args of [["migrate"], ["keys", "init"]]) {
          assert.strictEqual((yield* Joy.run(args, { env, cwd: folder })).code, 0, args.join(" "))
        }
        const { request } = yield* JoyUp.serve(folder, env)
        for (const identifier of guesses) {
          for (const password of [identifier, "", "password", "changeme", "admin123"]) {
            const answer = yield* request("/auth/login", { method: "POST", body: { identifier, password } })
            assert.strictEqual(answer.status, 401, `${identifier} ${password}`)
          }
        }
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SELECT 1 FROM users`, [])
      }).pipe(Effect.scoped)
    )
  })
})
