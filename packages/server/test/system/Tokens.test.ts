import { createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"

import { assert, describe, layer } from "@effect/vitest"
import * as KeyFile from "@joy/auth/KeyFile"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

type Json = Readonly<Record<string, unknown>>

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** What the server's own key signs, and what it says when it is not told otherwise. */
const signer = Effect.gen(function* () {
  const { dataDir, signIn } = yield* JoyUp.JoyUp
  const { accountOf } = yield* owner
  const file = yield* Effect.orDie(KeyFile.decode(readFileSync(join(dataDir, "keys.json"), "utf8")))
  const [{ kid }] = file.signing
  const privateKey = KeyFile.privateKey(file.signing[0])
  const { token } = yield* signIn(accountOf, JoyUp.accountPassword)
  const [, payload = ""] = token.split(".")
  const good: Json = JSON.parse(Buffer.from(payload, "base64url").toString())
  const make = (head: Json = {}, claims: Json = {}, key = privateKey) => {
    const input = `${part({ alg: "EdDSA", typ: "at+jwt", kid, ...head })}.${part({ ...good, jti: randomUUID(), ...claims })}`
    return `${input}.${sign(null, Buffer.from(input), key).toString("base64url")}`
  }
  return { good, kid, make, token, x: file.signing[0].jwk.x }
})

const owner = Effect.gen(function* () {
  const { account } = yield* JoyUp.JoyUp
  const accountOf = `owner-${randomUUID().slice(0, 8)}`
  return { ...(yield* account(accountOf)), accountOf }
})

const ask = Effect.fnUntraced(function* (token: string) {
  const { request } = yield* JoyUp.JoyUp
  return yield* request("/protected", { token })
})
const statusOf = (token: string) => Effect.map(ask(token), ({ status }) => status)

describe("access tokens", () => {
  layer(JoyUp.JoyUp.layer({ RATE_LIMITS: "off" }), { excludeTestServices: true })("over sockets", (it) => {
    it.effect("that the server's own key signed are good only with every claim as it is to be [T2, T3, T6]", () =>
      Effect.gen(function* () {
        const { good, make } = yield* signer
        const now = Math.floor(Date.now() / 1000)
        // What is put together here is what the server takes, so that nothing below is refused for another reason.
        assert.strictEqual(yield* statusOf(make()), 200)
        assert.strictEqual(yield* statusOf(make({}, { exp: now + 60, nbf: now - 60 })), 200)
        const wrong: Record<string, string> = {
          "of another type": make({ typ: "JWT" }),
          "of no type": make({ typ: undefined }),
          "of a refresh token's type": make({ typ: "rt+jwt" }),
          "of another issuer": make({}, { iss: "https://accounts.google.com" }),
          "of a longer issuer": make({}, { iss: `${String(good["iss"])}/` }),
          "for another audience": make({}, { aud: "other" }),
          "for several audiences": make({}, { aud: ["joy", "other"] }),
          "for none": make({}, { aud: undefined }),
          "without an end": make({}, { exp: undefined }),
          "with an end for ever": make({}, { exp: Number.MAX_VALUE }),
          "with an end in words": make({}, { exp: String(now + 60) }),
          "that ended": make({}, { exp: now - 6 }),
          "not begun": make({}, { nbf: now + 30 }),
          "of nobody": make({}, { sub: undefined }),
          "of another user": make({}, { sub: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee" }),
          "of no session": make({}, { sid: undefined }),
          "of another session": make({}, { sid: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee" }),
          "without an id": make({}, { jti: undefined }),
          "without a beginning": make({}, { iat: undefined }),
          "with a critical extension": make({ crit: ["exp"] }),
          compressed: make({ zip: "DEF" }),
          unencoded: make({ b64: false, crit: ["b64"] })
        }
        for (const [name, token] of Object.entries(wrong)) assert.strictEqual(yield* statusOf(token), 401, name)
        assert.strictEqual(yield* statusOf(make()), 200)
      })
    )

    it.effect("name no key but ours, and nothing is fetched for them [T1, T5]", () =>
      Effect.gen(function* () {
        const { kid, make, token, x } = yield* signer
        const visits: Array<string> = []
        const canary = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer((request, response) => {
              visits.push(request.url ?? "")
              response.end("{}")
            })
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const { port } = canary.address() as AddressInfo
        const url = `http://127.0.0.1:${port}/keys`
        const stranger = generateKeyPairSync("ed25519")
        const jwk = stranger.publicKey.export({ format: "jwk" })
        const [head = "", payload = "", signature = ""] = token.split(".")
        const hmac = (secret: string | Buffer) => {
          const input = `${part({ alg: "HS256", typ: "at+jwt", kid })}.${payload}`
          return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
        }
        const pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(x, "base64url")]).toString("base64")}\n-----END PUBLIC KEY-----\n`
        const forged = [
          make({ jku: url }),
          make({ x5u: url }),
          make({ jwk }, {}, stranger.privateKey),
          make({ jku: url }, {}, stranger.privateKey),
          make({ kid: url }, {}, stranger.privateKey),
          make({ kid: "../../../../dev/null" }),
          make({ kid: "' OR '1'='1" }),
          make({ kid: "" }),
          make({ kid: ["x"] }),
          make({}, {}, stranger.privateKey),
          make({ alg: "none" }),
          make({ alg: "ES256" }),
          make({ alg: "eddsa" }),
          `${part({ alg: "none", typ: "at+jwt", kid })}.${payload}.`,
          hmac(pem),
          hmac(x),
          hmac(Buffer.from(x, "base64url")),
          `${head}.${payload}.${signature.slice(0, -2)}`,
          `${head}.${payload}.`,
          `${head}.${part({ sub: "x" })}.${signature}`,
          `${head}=.${payload}.${signature}`,
          `${head}.${payload}.${signature}=`,
          `${token} `.replace(" ", "%20"),
          token.toUpperCase()
        ]
        for (const [at, one] of forged.entries()) assert.strictEqual(yield* statusOf(one), 401, `${at}: ${one}`)
        // A flood of unknown keys asks for nothing either.
        yield* Effect.all(
          Array.from({ length: 50 }, (_, n) => statusOf(make({ kid: `k${n}`, jku: url }))),
          { concurrency: 10 }
        )
        assert.deepStrictEqual(visits, [])
        assert.strictEqual(yield* statusOf(token), 200)
      }).pipe(Effect.scoped)
    )

    it.effect("are nothing that opens another door, nor does anything else open theirs [T4]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const { client, token, tokens } = yield* owner
        const refreshToken = JoyUp.refreshTokenOf(tokens)
        const { id, key } = yield* Effect.orDie(client.apiKeys.create({ payload: { name: "k", permissions: [] } }))
        const { nextCursor } = yield* admin.client.users.list({ query: { limit: 1 } })
        const { items } = yield* admin.client.media.list({ query: {} })
        const signatures = items.flatMap(({ thumbnails }) =>
          thumbnails.map(({ url }) => /sig=([^&]+)/.exec(url)?.[1] ?? "")
        )
        const others = [
          refreshToken,
          refreshToken.split(".")[1] ?? "",
          nextCursor ?? "",
          id,
          ...signatures,
          tokens.sessionId
        ]
        for (const other of others) assert.strictEqual(yield* statusOf(other), 401, other)
        for (const other of [token, Redacted.value(key), nextCursor ?? ""]) {
          const answer = yield* request("/auth/refresh", { method: "POST", body: { refreshToken: other } })
          assert.include([400, 401], answer.status, answer.text)
        }
        const asCookie = yield* request("/auth/logout", { method: "POST", headers: { cookie: `joy-refresh=${token}` } })
        assert.strictEqual(asCookie.status, 401)
        // Nor in another place than the header.
        for (const place of [`?access_token=${token}`, `?token=${token}`, `?sig=${token}`]) {
          assert.strictEqual((yield* request(`/protected${place}`)).status, 401, place)
        }
        assert.strictEqual((yield* request("/protected", { headers: { cookie: `access_token=${token}` } })).status, 401)
      })
    )

    it.effect("and whatever else stands for one get the same 401 when they are none [T9]", () =>
      Effect.gen(function* () {
        const { address } = yield* JoyUp.JoyUp
        const { make, token } = yield* signer
        const expired = make({}, { exp: Math.floor(Date.now() / 1000) - 60 })
        const answers = yield* Effect.forEach(
          [expired, make({ typ: "JWT" }), `${token.slice(0, -3)}AAA`, "joy_", `joy_${"A".repeat(43)}`, "x", "a.b.c"],
          ask
        )
        const shown = answers.map(({ headers, status, text }) => {
          const { date: _, "x-request-id": __, ...rest } = headers
          return { status, text, rest }
        })
        for (const answer of shown) assert.deepStrictEqual(answer, shown[0])
        assert.strictEqual(shown[0]?.status, 401)
        // Bytes that no client library would send.
        for (const value of [
          "",
          " ",
          "Bearer",
          "Bearer\t",
          "Bearer  ",
          "bearer é",
          "Bearer \u00ff\u00fe",
          "Bearer a b",
          "Basic OjA=",
          "\u0080"
        ]) {
          const text = yield* JoyHttp.raw(
            address,
            `GET /protected HTTP/1.1\r\nHost: x\r\nAuthorization: ${value}\r\nConnection: close\r\n\r\n`
          )
          assert.match(text, /^HTTP\/1\.1 401 /, JSON.stringify(value))
          assert.include(text, shown[0]?.text ?? "-")
        }
        const twice = yield* JoyHttp.raw(
          address,
          `GET /protected HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`
        )
        assert.match(twice, /^HTTP\/1\.1 401 /)
        const huge = yield* JoyHttp.raw(
          address,
          `GET /protected HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${"a".repeat(100_000)}\r\n\r\n`
        )
        assert.match(huge, /^HTTP\/1\.1 431 /)
        assert.include(huge, "application/problem+json")
      })
    )
  })
})
