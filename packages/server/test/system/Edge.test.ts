import { assert, describe, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"

const unknownId = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"

/** What must never be in an answer that tells of an error. */
const leak = /\bat [\w.<>]+ \(|node_modules|\/src\/|\bSELECT\b|\bINSERT\b|SqlError|\.ts:\d|\/tmp\/|postgres/i

/** Asks, and looks at what every error has. */
const problemOf = Effect.fnUntraced(function* (
  status: number,
  type: string,
  path: string,
  options: JoyHttp.RequestOptions = {}
) {
  const { request } = yield* JoyUp.JoyUp
  const answer = yield* request(path, options)
  const where = `${options.method ?? "GET"} ${path}: ${answer.status} ${answer.text.slice(0, 300)}`
  assert.strictEqual(answer.status, status, where)
  assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/, where)
  assert.notMatch(answer.text, leak, where)
  if (options.method !== "HEAD") {
    const problem = yield* JoyHttp.decode(JoyHttp.Problem, answer)
    assert.deepStrictEqual({ status: problem.status, type: problem.type }, { status, type: `urn:joy:${type}` }, where)
    return { answer, problem }
  }
  return { answer, problem: { type: "", title: "", status, issues: [] } }
})

/** A sign-in of so many bytes. */
const sized = (bytes: number) => {
  const rest = JSON.stringify({ identifier: "nobody at all", password: "x", padding: "" }).length
  return JSON.stringify({ identifier: "nobody at all", password: "x", padding: "p".repeat(bytes - rest) })
}

/** That a bare answer is a problem document. */
const isProblem = (text: string, status: number, type: string) => {
  assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
  assert.match(text, /content-type: application\/problem\+json/i)
  assert.include(text, `"type":"urn:joy:${type}"`)
}

const json = { "content-type": "application/json" }
const login = { method: "POST", headers: json }

describe("the edge", () => {
  layer(JoyUp.JoyUp.layer(), { excludeTestServices: true })("of a server with the defaults", (it) => {
    it.effect("answers an unknown route with a problem document [L8]", () =>
      Effect.gen(function* () {
        for (const path of ["/nowhere", "/media/x/y/z", "/auth", "/", "/media/../../etc/passwd", "/%2e%2e/%00"]) {
          yield* problemOf(404, "not-found", path)
        }
        yield* problemOf(404, "not-found", "/nowhere", { method: "POST", body: {} })
        yield* problemOf(404, "not-found", "/nowhere", { method: "HEAD" })
      })
    )

    it.effect("answers a wrong method with 405 and says which are allowed [L8]", () =>
      Effect.gen(function* () {
        const { request } = yield* JoyUp.JoyUp
        for (const [method, path, allowed] of [
          ["DELETE", "/auth/login", "OPTIONS, POST"],
          ["GET", "/auth/login", "OPTIONS, POST"],
          ["POST", "/media", "GET, HEAD, OPTIONS"],
          ["PUT", `/media/${unknownId}/content`, "GET, HEAD, OPTIONS"],
          ["POST", "/openapi.json", "GET, HEAD, OPTIONS"],
          ["PATCH", "/health/live", "GET, HEAD, OPTIONS"]
        ] as const) {
          const { answer } = yield* problemOf(405, "method-not-allowed", path, { method })
          assert.deepStrictEqual(answer.headers["allow"]?.split(", ").toSorted(), allowed.split(", "), path)
        }
        const options = yield* request("/auth/login", { method: "OPTIONS" })
        assert.strictEqual(options.status, 204)
        assert.match(options.headers["allow"] ?? "", /POST/)
      })
    )

    it.effect("answers a wrong content type with 415 [L8]", () =>
      Effect.gen(function* () {
        for (const type of ["text/plain", "application/x-www-form-urlencoded", "image/png"]) {
          yield* problemOf(415, "unsupported-media-type", "/auth/login", {
            method: "POST",
            headers: { "content-type": type },
            body: '{"identifier":"a","password":"b"}'
          })
        }
      })
    )

    it.effect("answers JSON that is none with 400 [L8, E3]", () =>
      Effect.gen(function* () {
        for (const body of ["{", "", "{]", "nul", '{"identifier":"\u0000', "[".repeat(20_000)]) {
          yield* problemOf(400, "invalid-request", "/auth/login", { ...login, body })
        }
        yield* problemOf(400, "invalid-request", "/auth/login", {
          ...login,
          body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d])
        })
      })
    )

    it.effect("says of a body that does not decode where the issues are, and not what was sent [L8, R19]", () =>
      Effect.gen(function* () {
        const { answer, problem } = yield* problemOf(400, "invalid-request", "/auth/register", {
          method: "POST",
          body: { username: "with@sign", email: "not-an-address", password: 424242424242 }
        })
        assert.isTrue(
          (problem.issues ?? []).some(({ path }) => /^(username|email|password)$/.test(path)),
          answer.text
        )
        assert.notInclude(answer.text, "424242424242")
        const missing = yield* problemOf(400, "invalid-request", "/auth/login", { method: "POST", body: {} })
        assert.isNotEmpty(missing.problem.issues ?? [])
        for (const body of [[], null, 7, "text"]) {
          yield* problemOf(400, "invalid-request", "/auth/login", { ...login, body: JSON.stringify(body) })
        }
        const pollution = '{"__proto__":{"identifier":"admin","password":"x"}}'
        yield* problemOf(400, "invalid-request", "/auth/login", { ...login, body: pollution })
      })
    )

    it.effect(
      "takes bodies up to 64 KiB and answers larger ones with 413, whether they say their length or not [E1, L8]",
      () =>
        Effect.gen(function* () {
          const { request } = yield* JoyUp.JoyUp
          for (const chunked of [false, true]) {
            const fits = yield* request("/auth/login", { ...login, chunked, body: sized(64 * 1024) })
            assert.strictEqual(fits.status, 401, fits.text)
            yield* problemOf(413, "payload-too-large", "/auth/login", { ...login, chunked, body: sized(64 * 1024 + 1) })
            yield* problemOf(413, "payload-too-large", "/auth/login", { ...login, chunked, body: sized(1024 * 1024) })
          }
        })
    )

    it.effect("answers what is no HTTP, or has headers without end, and goes on [E1, E3, L8]", () =>
      Effect.gen(function* () {
        const { address, request } = yield* JoyUp.JoyUp
        isProblem(yield* JoyHttp.raw(address, "NONSENSE\r\n\r\n"), 400, "invalid-request")
        isProblem(yield* JoyHttp.raw(address, "\u0016\u0003\u0001\u0000\u0000"), 400, "invalid-request")
        isProblem(
          yield* JoyHttp.raw(address, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
          400,
          "invalid-request"
        )
        isProblem(
          yield* JoyHttp.raw(
            address,
            "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
          ),
          400,
          "invalid-request"
        )
        isProblem(
          yield* JoyHttp.raw(address, `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(20_000)}\r\n\r\n`),
          431,
          "request-header-fields-too-large"
        )
        // HTTP/1.1 without a Host (RFC 9112, 3.2).
        isProblem(yield* JoyHttp.raw(address, "GET /health/live HTTP/1.1\r\n\r\n"), 400, "invalid-request")
        assert.strictEqual((yield* request("/health/live")).status, 200)
      })
    )

    it.effect("has an answer for whatever else HTTP allows [E3, L8]", () =>
      Effect.gen(function* () {
        const { address, admin, request } = yield* JoyUp.JoyUp
        const close = "Host: x\r\nConnection: close\r\n"
        for (const [bytes, status, type] of [
          [`GET http://x/nowhere HTTP/1.1\r\n${close}\r\n`, 404, "not-found"],
          [`OPTIONS * HTTP/1.1\r\n${close}\r\n`, 404, "not-found"],
          [`TRACE /media HTTP/1.1\r\n${close}\r\n`, 405, "method-not-allowed"],
          [`PROPFIND /media HTTP/1.1\r\n${close}\r\n`, 405, "method-not-allowed"],
          [`POST /auth/login HTTP/1.1\r\n${close}Expect: a-miracle\r\n\r\n`, 417, "expectation-failed"],
          [
            `GET /protected HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
            401,
            "unauthenticated"
          ],
          [`CONNECT x:443 HTTP/1.1\r\n${close}\r\n`, 400, "invalid-request"],
          [`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`, 400, "invalid-request"],
          [
            `POST /auth/login HTTP/1.1\r\n${close}Transfer-Encoding: gzip, chunked\r\nContent-Type: application/json\r\n\r\n0\r\n\r\n`,
            400,
            "invalid-request"
          ]
        ] as const) {
          const text = yield* JoyHttp.raw(address, bytes)
          isProblem(text, status, type)
          assert.notMatch(text, leak, bytes)
        }
        // HEAD says what GET says, without a body.
        for (const [path, status] of [
          ["/nowhere", 404],
          ["/media", 401],
          [`/media/${unknownId}/content`, 401]
        ] as const) {
          const head = yield* request(path, { method: "HEAD" })
          const get = yield* request(path)
          assert.deepStrictEqual([head.status, head.bytes.length], [status, 0], path)
          assert.strictEqual(head.headers["content-type"], get.headers["content-type"], path)
        }
        yield* problemOf(400, "invalid-request", "/api-keys", { token: admin.token, ...login, body: '{"name":"k"' })
      })
    )

    it.effect("refuses limits, cursors and ids that are none [C5, L8]", () =>
      Effect.gen(function* () {
        const { account, admin, request } = yield* JoyUp.JoyUp
        const { token } = admin
        for (const list of ["/media", "/users", "/sessions", "/media/failures"]) {
          for (const limit of ["0", "201", "-1", "1.5", "many", "", "1e2x"]) {
            yield* problemOf(400, "invalid-request", `${list}?limit=${limit}`, { token })
          }
          for (const cursor of ["x", "abc.def", "a".repeat(2000), "%00", "eyJhIjoxfQ.AAAAAAAAAAAAAAAAAAAAAA"]) {
            yield* problemOf(400, "invalid-request", `${list}?cursor=${cursor}`, { token })
          }
        }
        // A true cursor with one letter changed, and one of another list.
        yield* account("cursor1")
        yield* account("cursor2")
        const { nextCursor } = yield* admin.client.users.list({ query: { limit: 1 } })
        assert.isNotNull(nextCursor)
        const cursor = nextCursor ?? ""
        const changed = `${cursor[0] === "A" ? "B" : "A"}${cursor.slice(1)}`
        yield* problemOf(400, "invalid-request", `/users?limit=1&cursor=${encodeURIComponent(changed)}`, { token })
        yield* problemOf(400, "invalid-request", `/media?cursor=${encodeURIComponent(cursor)}`, { token })
        for (const query of [
          "type=film",
          "status=done",
          "owner=you",
          "sort=size",
          "favourite=2",
          `q=${"q".repeat(201)}`
        ]) {
          yield* problemOf(400, "invalid-request", `/media?${query}`, { token })
        }
        for (const id of ["1", "not-a-uuid", `${unknownId}x`, "%00", "..%2f..%2f", "0".repeat(600)]) {
          for (const path of [`/media/${id}`, `/media/${id}/content`, `/media/${id}/thumbnail`, `/users/${id}`]) {
            const { status } = yield* request(path, { token })
            assert.include([400, 404], status, path)
          }
        }
        yield* problemOf(404, "not-found", `/media/${unknownId}`, { token })
        yield* problemOf(404, "not-found", `/media/${unknownId}/content`, { token })
        yield* problemOf(404, "not-found", `/users/${unknownId}`, { token })
        yield* problemOf(404, "not-found", `/sessions/${unknownId}`, { token, method: "DELETE" })
        yield* problemOf(404, "not-found", `/media/refresh/${unknownId}`, { token })
      })
    )

    it.effect("says with 401 how to sign in, for every credential that is none [T9, R19]", () =>
      Effect.gen(function* () {
        const { admin } = yield* JoyUp.JoyUp
        for (const authorization of [
          "",
          "Bearer",
          "Bearer ",
          "Bearer x",
          "Bearer a.b.c",
          "Basic YWRtaW46YWRtaW4=",
          `Bearer ${admin.token.slice(0, -2)}`,
          `Bearer ${admin.token}x`,
          `Bearer ${"a".repeat(8000)}`
        ]) {
          const { answer } = yield* problemOf(401, "unauthenticated", "/protected", { headers: { authorization } })
          assert.match(answer.headers["www-authenticate"] ?? "", /^Bearer/)
          assert.strictEqual(answer.headers["cache-control"], "no-store")
        }
        // A token of a session stands in a header alone.
        yield* problemOf(401, "unauthenticated", `/protected?access_token=${admin.token}`)
      })
    )

    it.effect("sends what keeps browsers and caches safe with every answer [E4, R20]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const ids = new Set<string>()
        for (const path of [
          "/health",
          "/media",
          "/nowhere",
          "/docs",
          "/openapi.json",
          "/users/me",
          "/.well-known/jwks.json"
        ]) {
          const { headers } = yield* request(path, { token: admin.token })
          assert.strictEqual(headers["x-content-type-options"], "nosniff", path)
          assert.strictEqual(headers["x-frame-options"], "DENY", path)
          assert.strictEqual(headers["referrer-policy"], "no-referrer", path)
          assert.match(String(headers["content-security-policy"]), /frame-ancestors 'none'/, path)
          assert.isUndefined(headers["x-powered-by"], path)
          assert.isUndefined(headers["server"], path)
          const id = String(headers["x-request-id"])
          assert.match(id, /^[\da-f-]{36}$/, path)
          ids.add(id)
        }
        assert.strictEqual(ids.size, 7)
        for (const path of ["/users/me", "/users", "/sessions", "/protected", "/media", "/audit", "/api-keys"]) {
          const { headers } = yield* request(path, { token: admin.token })
          assert.strictEqual(headers["cache-control"], "no-store", path)
        }
        // One path has one spelling: another one is no way around a rule about it.
        for (const path of ["/USERS/me", "//users/me", "/users//me"]) {
          assert.strictEqual((yield* request(path, { token: admin.token })).status, 404, path)
        }
        const refused = yield* request("/auth/login", { method: "POST", body: { identifier: "no one", password: "x" } })
        assert.strictEqual(refused.headers["cache-control"], "no-store")
      })
    )

    it.effect("lets no foreign page read it unless it is told to [E5]", () =>
      Effect.gen(function* () {
        const { request } = yield* JoyUp.JoyUp
        const headers = { origin: "https://elsewhere.example", "access-control-request-method": "GET" }
        for (const method of ["GET", "OPTIONS"]) {
          const answer = yield* request("/media", { method, headers })
          assert.isUndefined(answer.headers["access-control-allow-origin"], method)
        }
      })
    )

    it.effect("tells of its health", () =>
      Effect.gen(function* () {
        const { request } = yield* JoyUp.JoyUp
        const health = yield* request("/health")
        assert.strictEqual(health.status, 200)
        assert.match(health.text, /"status":"ok"/)
        assert.match(health.text, /"version":"\d/)
        assert.deepStrictEqual(JSON.parse((yield* request("/health/redis")).text), { status: "embedded" })
        assert.deepStrictEqual(JSON.parse((yield* request("/health/live")).text), { status: "live" })
        assert.deepStrictEqual(JSON.parse((yield* request("/health/ready")).text), { status: "ready" })
      })
    )

    it.effect("slows down who guesses passwords, and tells for how long [L1, L4]", () =>
      Effect.gen(function* () {
        const { account, request, signIn } = yield* JoyUp.JoyUp
        yield* account("guessed")
        const guess = request("/auth/login", { method: "POST", body: { identifier: "guessed", password: "wrong one" } })
        const answers = yield* Effect.replicateEffect(guess, 8)
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [401, 401, 401, 401, 401, 429, 429, 429]
        )
        const last = answers.at(-1)
        assert.isDefined(last)
        if (last === undefined) return
        const problem = yield* JoyHttp.decode(JoyHttp.Problem, last)
        assert.strictEqual(problem.type, "urn:joy:too-many-requests")
        assert.isAbove(problem.retryAfterSeconds ?? 0, 0)
        assert.strictEqual(last.headers["retry-after"], String(Math.ceil(problem.retryAfterSeconds ?? 0)))
        // Somebody else is let in from the same place.
        yield* account("unguessed")
        assert.isString((yield* signIn("unguessed", JoyUp.accountPassword)).token)
      })
    )

    it.effect("takes text that databases, patterns and decoders choke on for text [E3, L8]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const { token } = admin
        const texts = ["%00", "a%00b", "%27%3B--%25_%5C", "%25_%5C%27", "%ff%fe", "%ED%A0%80", "%E2%80%AE", "%", "%zz"]
        const paths = [
          ...texts.flatMap((text) => [`/media?q=${text}`, `/media?tag=${text}`, `/users?q=${text}`]),
          "/media?limit=1&limit=2",
          "/media?q=a&q=b",
          "/media?__proto__=1",
          "/media?constructor=1"
        ]
        const names = ["nul\u0000", "\ud800", "a\nb", "\u202e", "%", "'; DROP TABLE users; --"]
        const answers = [
          ...(yield* Effect.forEach(paths, (path) =>
            Effect.map(request(path, { token }), (answer) => ({ what: path, answer }))
          )),
          ...(yield* Effect.forEach(names, (name) =>
            Effect.map(
              request("/auth/login", { method: "POST", body: { identifier: name, password: name } }),
              (answer) => ({
                what: JSON.stringify(name),
                answer
              })
            )
          )),
          ...(yield* Effect.forEach(names, (name) =>
            Effect.map(
              request("/users", {
                token,
                method: "POST",
                body: { username: name, email: "a@b", password: name, roles: [name] }
              }),
              (answer) => ({ what: `make ${JSON.stringify(name)}`, answer })
            )
          ))
        ]
        const wrong = answers
          .filter(({ answer }) => answer.status >= 500 || leak.test(answer.text))
          .map(({ answer, what }) => `${what}: ${answer.status}`)
        assert.deepStrictEqual(wrong, [])
      })
    )

    it.effect("writes an access log that holds no password, token, signature or query [R19]", () =>
      Effect.gen(function* () {
        const { admin, joy, password, request } = yield* JoyUp.JoyUp
        yield* request(`/media/${unknownId}/thumbnail?width=320&exp=9999999999&sig=verysecretsignature`)
        yield* request(`/media?q=verysecretquery`, { token: admin.token })
        yield* Joy.until(Effect.sync(joy.stdout), (text) => text.includes(`/media/${unknownId}/thumbnail`))
        yield* request("/nowhere-at-the-end")
        const log = yield* Joy.until(Effect.sync(joy.stdout), (text) => text.includes("/nowhere-at-the-end"))
        const lines = log.split("\n").filter((line) => line.startsWith("{"))
        assert.isAbove(lines.filter((line) => line.includes('"message":"request"')).length, 50)
        const written = [...lines, ...joy.stderr().split("\n")]
        const secrets = [
          password,
          JoyUp.accountPassword,
          admin.token,
          admin.token.split(".")[2] ?? "",
          "verysecret",
          "sig=",
          "wrong one",
          "Bearer "
        ]
        assert.deepStrictEqual(
          written.filter((line) => secrets.some((secret) => line.includes(secret))),
          []
        )
        // Nothing of all that was sent above is a defect of ours.
        assert.deepStrictEqual(
          written
            .filter((line) => /not foreseen|"level":"(ERROR|FATAL)"/i.test(line))
            .map((line) => line.slice(0, 600)),
          []
        )
        assert.strictEqual(joy.stderr(), "")
      })
    )
  })

  layer(JoyUp.JoyUp.layer({ CORS_ORIGINS: "https://one.example,https://two.example" }), { excludeTestServices: true })(
    "with CORS_ORIGINS",
    (it) => {
      it.effect("lets those pages in, and no others [E5]", () =>
        Effect.gen(function* () {
          const { request } = yield* JoyUp.JoyUp
          for (const origin of ["https://one.example", "https://two.example"]) {
            const preflight = yield* request("/media", {
              method: "OPTIONS",
              headers: {
                origin,
                "access-control-request-method": "GET",
                "access-control-request-headers": "authorization,range"
              }
            })
            assert.strictEqual(preflight.status, 204)
            assert.strictEqual(preflight.headers["access-control-allow-origin"], origin)
            assert.match(String(preflight.headers["access-control-allow-headers"]), /authorization/i)
            // Errors too, or the page can't tell why.
            const refused = yield* request("/media", { headers: { origin } })
            assert.strictEqual(refused.status, 401)
            assert.strictEqual(refused.headers["access-control-allow-origin"], origin)
            assert.match(String(refused.headers["vary"]), /origin/i)
          }
          for (const origin of ["https://three.example", "https://one.example.evil.example", "null"]) {
            const answer = yield* request("/health", { headers: { origin } })
            assert.notStrictEqual(answer.headers["access-control-allow-origin"], origin)
            assert.notStrictEqual(answer.headers["access-control-allow-origin"], "*")
          }
        })
      )
    }
  )
})
