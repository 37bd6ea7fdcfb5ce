import { assert, describe, layer } from "@effect/vitest"
import { Tokens } from "@joy/domain/Session"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const post = Effect.fnUntraced(function* (path: string, options: JoyHttp.RequestOptions = {}) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request(path, { method: "POST", ...options })
})

const open = Effect.fnUntraced(function* (answer: JoyHttp.Answer) {
  assert.include([200, 201], answer.status, answer.text)
  const tokens = yield* JoyHttp.decode(Tokens, answer)
  return {
    access: Redacted.value(tokens.accessToken),
    refresh: JoyUp.refreshTokenOf(tokens),
    sessionId: tokens.sessionId,
    tokens
  }
})

const login = (identifier: string, options: JoyHttp.RequestOptions = {}) =>
  post("/auth/login", { body: { identifier, password: JoyUp.accountPassword }, ...options })
const signIn = (identifier: string, options?: JoyHttp.RequestOptions) =>
  Effect.flatMap(login(identifier, options), open)
const refresh = (refreshToken: string) => post("/auth/refresh", { body: { refreshToken } })

const statusOf = (token: string) =>
  Effect.flatMap(JoyUp.JoyUp, ({ request }) => Effect.map(request("/protected", { token }), ({ status }) => status))

/** Whether neither of a session's tokens opens anything. */
const isOver = Effect.fnUntraced(function* (session: { readonly access: string; readonly refresh: string }) {
  return (yield* statusOf(session.access)) === 401 && (yield* refresh(session.refresh)).status === 401
})

const past = (moment: number) =>
  Joy.until(
    Effect.sync(() => performance.now()),
    (now) => now > moment
  )

const cookieOf = ({ headers }: JoyHttp.Answer) => headers["set-cookie"]?.[0]?.split(";")[0]

const AuditPage = Schema.Struct({
  items: Schema.Array(
    Schema.Struct({
      action: Schema.String,
      actorId: Schema.NullOr(Schema.String),
      sessionId: Schema.NullOr(Schema.String),
      ip: Schema.NullOr(Schema.String),
      userAgent: Schema.NullOr(Schema.String)
    })
  )
})
const audited = Effect.fnUntraced(function* (userId: string, action?: string) {
  const { admin, request } = yield* JoyUp.JoyUp
  const query = `limit=200&userId=${userId}${action === undefined ? "" : `&action=${action}`}`
  return (yield* JoyHttp.decode(AuditPage, yield* request(`/audit?${query}`, { token: admin.token }))).items
})

const SessionPage = Schema.Struct({
  items: Schema.Array(
    Schema.Struct({ id: Schema.String, ip: Schema.NullOr(Schema.String), userAgent: Schema.NullOr(Schema.String) })
  )
})

const graceMillis = 1500

describe("sessions", () => {
  layer(JoyUp.JoyUp.layer({ REFRESH_GRACE: `${graceMillis}ms`, RATE_LIMITS: "off" }), { excludeTestServices: true })(
    "over sockets",
    (it) => {
      it.effect("are new at every sign-in, whatever the client brings along [R2]", () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          yield* account("fixed")
          const first = yield* signIn("fixed")
          const second = yield* signIn("fixed", {
            token: first.access,
            headers: {
              cookie: `joy-refresh=${first.refresh}; sid=${first.sessionId}`,
              "x-session-id": first.sessionId
            },
            body: { identifier: "fixed", password: JoyUp.accountPassword, sessionId: first.sessionId }
          })
          assert.notStrictEqual(second.sessionId, first.sessionId)
          assert.strictEqual(yield* statusOf(first.access), 200)
        })
      )

      it.effect("have one successor for fifty who refresh at once, which works later [R5, R8]", () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          yield* account("crowd")
          const first = yield* signIn("crowd")
          const answers = yield* Effect.all(
            Array.from({ length: 50 }, () => Effect.flatMap(refresh(first.refresh), open)),
            { concurrency: "unbounded" }
          )
          const successors = new Set(answers.map((answer) => answer.refresh))
          assert.strictEqual(successors.size, 1)
          const [successor = ""] = successors
          assert.notStrictEqual(successor, first.refresh)
          assert.deepStrictEqual(
            yield* Effect.forEach(answers.slice(0, 5), ({ access }) => statusOf(access)),
            [200, 200, 200, 200, 200]
          )
          const next = yield* Effect.flatMap(refresh(successor), open)
          assert.notStrictEqual(next.refresh, successor)
          assert.strictEqual(next.sessionId, first.sessionId)
        })
      )

      it.effect("keep browsers signed in that lose the race, and cookies of errors as they are [R7]", () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          yield* account("tabs")
          const signedIn = yield* login("tabs", { headers: { "x-token-transport": "cookie" } })
          const cookie = cookieOf(signedIn) ?? ""
          const answers = yield* Effect.all(
            Array.from({ length: 20 }, () => post("/auth/refresh", { headers: { cookie } })),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
          assert.strictEqual(new Set(answers.map(cookieOf)).size, 1)
          assert.match(cookieOf(answers[0] ?? signedIn) ?? "", /^joy-refresh=[\da-f-]{36}\../)
          const wrong = yield* post("/auth/refresh", { headers: { cookie: "joy-refresh=nonsense" } })
          assert.strictEqual(wrong.status, 401)
          assert.isUndefined(wrong.headers["set-cookie"])
        })
      )

      it.effect("give a client whose answer got lost the same successor, also after the grace [R9]", () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          yield* account("offline")
          const first = yield* signIn("offline")
          const lost = yield* Effect.flatMap(refresh(first.refresh), open)
          yield* past(performance.now() + graceMillis + 500)
          const again = yield* Effect.flatMap(refresh(first.refresh), open)
          assert.strictEqual(again.refresh, lost.refresh)
          assert.strictEqual(yield* statusOf(again.access), 200)
          yield* Effect.flatMap(refresh(again.refresh), open)
        })
      )

      it.effect("end when a spent token comes late, the newest token too, which is written down [R4, L9]", () =>
        Effect.gen(function* () {
          const { account } = yield* JoyUp.JoyUp
          const { userId } = yield* account("robbed")
          const stolen = yield* signIn("robbed", { headers: { "user-agent": "Owner/1" } })
          const elsewhere = yield* signIn("robbed")
          const second = yield* Effect.flatMap(refresh(stolen.refresh), open)
          const newest = yield* Effect.flatMap(refresh(second.refresh), open)
          yield* past(performance.now() + graceMillis + 500)
          const late = yield* post("/auth/refresh", {
            body: { refreshToken: stolen.refresh },
            headers: { "user-agent": "Thief/1" }
          })
          assert.strictEqual(late.status, 401)
          assert.include(late.text, "urn:joy:refresh-token-reused")
          assert.isTrue(yield* isOver(newest))
          assert.isFalse(yield* isOver(elsewhere))
          const [entry, ...more] = yield* audited(userId, "session.refresh-reused")
          assert.deepStrictEqual(more, [])
          assert.deepInclude(entry, { sessionId: stolen.sessionId, ip: "127.0.0.1", userAgent: "Thief/1" })
        })
      )

      it.effect("leave nothing usable when they are refreshed while they end, however it is done [R10]", () =>
        Effect.gen(function* () {
          const { account, request } = yield* JoyUp.JoyUp
          yield* account("hasty")
          for (let round = 0; round < 12; round++) {
            const session = yield* signIn("hasty")
            const other = yield* signIn("hasty")
            const end = [
              request("/auth/logout", { method: "POST", token: session.access }),
              request("/auth/logout-all", { method: "POST", token: other.access }),
              request(`/sessions/${session.sessionId}`, { method: "DELETE", token: other.access }),
              request("/auth/password", {
                method: "POST",
                token: other.access,
                body: { currentPassword: JoyUp.accountPassword, newPassword: JoyUp.accountPassword }
              })
            ][round % 4]
            if (end === undefined) return
            const [ended, ...refreshed] = yield* Effect.all([end, refresh(session.refresh), refresh(session.refresh)], {
              concurrency: "unbounded"
            })
            assert.strictEqual(ended.status, 204, ended.text)
            assert.isTrue(yield* isOver(session))
            for (const answer of refreshed) {
              if (answer.status === 200) assert.isTrue(yield* isOver(yield* open(answer)))
            }
          }
        })
      )

      it.effect("end with the account that is disabled or deleted, and can't be refreshed [R15]", () =>
        Effect.gen(function* () {
          const { account, admin, request } = yield* JoyUp.JoyUp
          const disabled = yield* account("disabled")
          const session = yield* signIn("disabled")
          const turn = (off: boolean) =>
            request(`/users/${disabled.userId}`, { method: "PATCH", token: admin.token, body: { disabled: off } })
          assert.strictEqual((yield* turn(true)).status, 200)
          assert.isTrue(yield* isOver(session))
          assert.strictEqual((yield* login("disabled")).status, 401)
          assert.strictEqual((yield* turn(false)).status, 200)
          assert.isTrue(yield* isOver(session))
          assert.strictEqual(yield* statusOf((yield* signIn("disabled")).access), 200)

          const deleted = yield* account("deleted")
          const last = yield* signIn("deleted")
          const gone = yield* request(`/users/${deleted.userId}`, { method: "DELETE", token: last.access })
          assert.strictEqual(gone.status, 204)
          assert.isTrue(yield* isOver(last))
          assert.isTrue(yield* isOver({ access: deleted.token, refresh: JoyUp.refreshTokenOf(deleted.tokens) }))
        })
      )

      it.effect("are shown with where they are, each on one line [R16, L9]", () =>
        Effect.gen(function* () {
          const { account, request } = yield* JoyUp.JoyUp
          const { userId } = yield* account("shown")
          const here = yield* signIn("shown", { headers: { "user-agent": 'Phone\u0085{"action":"x"}\u009b31m' } })
          const page = yield* JoyHttp.decode(SessionPage, yield* request("/sessions", { token: here.access }))
          const shown = page.items.find(({ id }) => id === here.sessionId)
          assert.deepInclude(shown, { ip: "127.0.0.1", userAgent: 'Phone\\u0085{"action":"x"}\\u009b31m' })
          assert.notInclude(JSON.stringify(page), here.refresh.split(".")[1] ?? "")
          const [entry] = yield* audited(userId, "login.succeeded")
          assert.strictEqual(entry?.userAgent, 'Phone\\u0085{"action":"x"}\\u009b31m')
        })
      )

      it.effect("are written down from the first sign-in to the last end, with who, when and from where [L9]", () =>
        Effect.gen(function* () {
          const { account, admin, request } = yield* JoyUp.JoyUp
          const { userId } = yield* account("watched")
          yield* post("/auth/login", { body: { identifier: "watched", password: "not this one" } })
          const session = yield* signIn("watched")
          const key = yield* post("/api-keys", { token: session.access, body: { name: "k", permissions: [] } })
          const { id } = yield* JoyHttp.decode(Schema.Struct({ id: Schema.String }), key)
          yield* request(`/api-keys/${id}`, { method: "DELETE", token: session.access })
          yield* request("/users", { token: session.access })
          yield* post("/auth/password", {
            token: session.access,
            body: { currentPassword: JoyUp.accountPassword, newPassword: "another tolerable phrase" }
          })
          const roles = (names: ReadonlyArray<string>) =>
            request(`/users/${userId}/roles`, { method: "PUT", token: admin.token, body: { roles: names } })
          yield* roles(["curator"])
          yield* post("/auth/logout", { token: session.access })
          const entries = yield* audited(userId)
          assert.deepStrictEqual(entries.map(({ action }) => action).toReversed(), [
            "account.created",
            "login.succeeded",
            "login.failed",
            "login.succeeded",
            "api-key.created",
            "api-key.revoked",
            "access.denied",
            "account.password-changed",
            "session.ended",
            "account.roles-changed",
            "session.ended"
          ])
          assert.isTrue(entries.every(({ ip }) => ip === "127.0.0.1"))
          const byAdmin = entries.filter(({ actorId }) => actorId === admin.userId).map(({ action }) => action)
          assert.deepStrictEqual(byAdmin.toReversed(), ["account.created", "account.roles-changed"])
        })
      )

      it.effect("of one user, or of everybody else, end when an administrator wants it [R17]", () =>
        Effect.gen(function* () {
          const { account, admin, request } = yield* JoyUp.JoyUp
          const one = yield* account("one-of-two")
          yield* account("two-of-two")
          const [first, second, third] = [
            yield* signIn("one-of-two"),
            yield* signIn("one-of-two"),
            yield* signIn("two-of-two")
          ]
          const end = (userId: string, token = admin.token) =>
            Effect.map(request(`/sessions?userId=${userId}`, { method: "DELETE", token }), ({ status }) => status)
          for (const userId of ["", "everyone", "*", "%00"]) assert.strictEqual(yield* end(userId), 400, userId)
          assert.strictEqual((yield* request("/sessions", { method: "DELETE", token: admin.token })).status, 400)
          assert.strictEqual(yield* end("0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"), 404)
          assert.strictEqual(yield* end("all", first.access), 403)
          assert.strictEqual(yield* end(one.userId), 204)
          assert.isTrue(yield* isOver(first))
          assert.isTrue(yield* isOver(second))
          assert.strictEqual(yield* statusOf(third.access), 200)
          assert.strictEqual(yield* end("all"), 204)
          assert.isTrue(yield* isOver(third))
          assert.strictEqual(yield* statusOf(admin.token), 200)
          assert.strictEqual(yield* statusOf((yield* signIn("one-of-two")).access), 200)
        })
      )
    }
  )

  const short = { SESSION_IDLE_TTL: "2s", SESSION_MAX_TTL: "5s", RATE_LIMITS: "off" }
  layer(JoyUp.JoyUp.layer(short), { excludeTestServices: true })("that are short", (it) => {
    it.effect("end when nobody refreshes them, and for good however often somebody does [R11, R12]", () =>
      Effect.gen(function* () {
        const { admin, signIn, ...server } = yield* JoyUp.JoyUp
        assert.isAtMost(admin.tokens.expiresIn, 2)
        const again = yield* signIn("admin", server.password)
        const began = performance.now()
        const idle = yield* signIn("admin", server.password)
        let token = JoyUp.refreshTokenOf(again.tokens)
        let access = again.token
        let last: JoyHttp.Answer
        // Refreshed twice a second, from before the idle time is over until the session is.
        for (;;) {
          yield* past(performance.now() + 400)
          last = yield* server.request("/auth/refresh", { method: "POST", body: { refreshToken: token } })
          if (last.status !== 200) break
          const tokens = yield* JoyHttp.decode(Tokens, last)
          token = JoyUp.refreshTokenOf(tokens)
          access = Redacted.value(tokens.accessToken)
          assert.isBelow(performance.now() - began, 8000, "a session that does not end")
        }
        assert.strictEqual(last.status, 401)
        assert.isAbove(performance.now() - began, 3500)
        assert.strictEqual(yield* statusOf(access), 401)
        assert.strictEqual(yield* statusOf(idle.token), 401)
        assert.strictEqual((yield* refresh(JoyUp.refreshTokenOf(idle.tokens))).status, 401)
      })
    )
  })
})
