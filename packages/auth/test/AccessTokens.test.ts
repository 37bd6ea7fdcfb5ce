import { createHmac, createPrivateKey, generateKeyPairSync, sign } from "node:crypto"

import { assert, describe, it, layer } from "@effect/vitest"
import { SessionId, UserId } from "@joy/domain/Ids"
import { Unauthenticated } from "@joy/domain/Problem"
import { Timestamp } from "@joy/domain/Timestamp"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as jose from "jose"

import { AccessTokens } from "../src/AccessTokens.ts"
import { AuthConfig, defaults } from "../src/AuthConfig.ts"
import * as KeyFile from "../src/KeyFile.ts"
import { Keys } from "../src/Keys.ts"

const subject = {
  userId: UserId.make(SecureRandom.uuidV7Unsafe()),
  sessionId: SessionId.make(SecureRandom.uuidV7Unsafe()),
  counter: 3
}

const tokensWith = (file: KeyFile.KeyFile) =>
  AccessTokens.layer.pipe(Layer.provideMerge(Keys.layerKeyFile(file)), Layer.provide(AuthConfig.layer({})))

const file = Effect.runSync(KeyFile.generate(DateTime.makeUnsafe(0)))
const key = KeyFile.privateKey(file.signing[0])
const kid = file.signing[0].kid

const claims = {
  iss: defaults.issuer,
  aud: defaults.audience,
  sub: subject.userId,
  sid: subject.sessionId,
  gen: 0,
  iat: 0,
  exp: 900,
  jti: "one"
}
const header = { alg: "EdDSA", typ: "at+jwt", kid }

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const signed = (head: unknown, body: unknown, privateKey = key) => {
  const input = `${part(head)}.${part(body)}`
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString("base64url")}`
}

const refused = (token: string) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip((yield* AccessTokens).verify(token))
    // Not a word about why.
    assert.deepStrictEqual({ ...error }, { ...new Unauthenticated({}) })
  })

describe("AccessTokens", () => {
  layer(tokensWith(file))((it) => {
    it.effect("issues what it accepts", () =>
      Effect.gen(function* () {
        const tokens = yield* AccessTokens
        const { accessToken, expiresIn } = yield* tokens.issue(subject)
        const verified = yield* tokens.verify(Redacted.value(accessToken))
        assert.deepStrictEqual(verified, { ...subject, expiresAtMillis: 900_000 })
        assert.strictEqual(expiresIn, 900)
      })
    )

    it.effect("issues none that outlives its session [R12]", () =>
      Effect.gen(function* () {
        const { issue } = yield* AccessTokens
        for (const [ends, seconds] of [
          ["1970-01-01T00:01:00.900000Z", 60],
          ["1970-01-01T01:00:00.000000Z", 900],
          ["1970-01-01T00:00:00.100000Z", 1]
        ] as const) {
          const { accessToken, expiresIn } = yield* issue({ ...subject, refreshExpiresAt: Timestamp.make(ends) })
          assert.strictEqual(expiresIn, seconds)
          assert.strictEqual(jose.decodeJwt(Redacted.value(accessToken)).exp, seconds)
        }
      })
    )

    it.effect("issues what another implementation accepts with the published keys", () =>
      Effect.gen(function* () {
        const { accessToken } = yield* (yield* AccessTokens).issue(subject)
        const jwks = yield* (yield* Keys).jwks
        const { payload } = yield* Effect.promise(() =>
          jose.jwtVerify(
            Redacted.value(accessToken),
            jose.createLocalJWKSet({ keys: jwks.keys.map((jwk) => ({ ...jwk, kty: "OKP" })) }),
            {
              algorithms: ["EdDSA"],
              issuer: defaults.issuer,
              audience: defaults.audience,
              typ: "at+jwt",
              requiredClaims: ["iss", "aud", "sub", "sid", "exp", "iat", "jti"],
              currentDate: new Date(0)
            }
          )
        )
        assert.strictEqual(payload.sub, subject.userId)
        assert.strictEqual(payload["sid"], subject.sessionId)
        assert.isTrue(jwks.keys.every((jwk) => !("d" in jwk)))
      })
    )

    it.effect("gives every token an id of its own", () =>
      Effect.gen(function* () {
        const tokens = yield* AccessTokens
        const all = yield* Effect.replicateEffect(tokens.issue(subject), 20)
        assert.strictEqual(
          new Set(all.map(({ accessToken }) => jose.decodeJwt(Redacted.value(accessToken)).jti)).size,
          20
        )
      })
    )

    it.effect("accepts a token that was put together by hand as these tests do", () =>
      Effect.gen(function* () {
        yield* (yield* AccessTokens).verify(signed(header, claims))
      })
    )

    const { x } = file.signing[0].jwk
    const hs256 = (secret: string | Buffer) => {
      const input = `${part({ ...header, alg: "HS256" })}.${part(claims)}`
      return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
    }
    const bad: ReadonlyArray<readonly [string, string]> = [
      ["no algorithm", `${part({ ...header, alg: "none" })}.${part(claims)}.`],
      ["no algorithm but a signature", signed({ ...header, alg: "none" }, claims)],
      ["HS256 with the public key as its secret", hs256(Buffer.from(x, "base64url"))],
      ["HS256 with the public key's text as its secret", hs256(x)],
      ["another algorithm's name", signed({ ...header, alg: "ES256" }, claims)],
      ["no type", signed({ alg: "EdDSA", kid }, claims)],
      ["the type of an ID token", signed({ ...header, typ: "JWT" }, claims)],
      ["an unknown key", signed({ ...header, kid: "other" }, claims)],
      ["a key name with a path", signed({ ...header, kid: "../../etc/passwd" }, claims)],
      ["a key name with quotes", signed({ ...header, kid: "' OR 1=1 --" }, claims)],
      ["no key name", signed({ alg: "EdDSA", typ: "at+jwt" }, claims)],
      ["a key name of an object's prototype", signed({ ...header, kid: "__proto__" }, claims)],
      ["an address of keys", signed({ ...header, jku: "http://127.0.0.1:9/jwks" }, claims)],
      ["a key of its own", signed({ ...header, jwk: { kty: "OKP", crv: "Ed25519", x: "AA" } }, claims)],
      ["a certificate's address", signed({ ...header, x5u: "http://127.0.0.1:9/x" }, claims)],
      ["a critical extension", signed({ ...header, crit: ["b64"], b64: false }, claims)],
      ["another issuer", signed(header, { ...claims, iss: "https://evil.example" })],
      ["another audience", signed(header, { ...claims, aud: "other" })],
      ["several audiences", signed(header, { ...claims, aud: [defaults.audience, "other"] })],
      ["a subject that is no id", signed(header, { ...claims, sub: "root" })],
      ["an end that is text", signed(header, { ...claims, exp: "900" })],
      ["an end that is no number", signed(header, { ...claims, exp: null })],
      ["a foreign signature", signed(header, claims, generateKeyPairSync("ed25519").privateKey)],
      ["a body that is no JSON", `${part(header)}.AAAA.${"A".repeat(86)}`],
      ["nothing", ""],
      ["one word", "Bearer"],
      ["only dots", ".."],
      ["100 KB", "a".repeat(100_000)],
      ["100 KB after a good beginning", `${signed(header, claims)}${"A".repeat(100_000)}`],
      ["letters that are not ASCII", "ö.ü.ä"],
      ...(["iss", "aud", "sub", "sid", "exp", "iat", "jti"] as const).map(
        (name) => [`no ${name}`, signed(header, { ...claims, [name]: undefined })] as const
      )
    ]
    it.effect.each(bad)("refuses a token with %s [T1, T2, T3, T4, T5, T9]", ([, token]) => refused(token))

    it.effect("refuses any change of one character of a good token [T1]", () =>
      Effect.gen(function* () {
        const tokens = yield* AccessTokens
        const token = signed(header, claims)
        yield* tokens.verify(token)
        for (let at = 0; at < token.length; at++) {
          const other = token[at] === "A" ? "B" : "A"
          yield* refused(token.slice(0, at) + other + token.slice(at + 1))
        }
        for (const cut of [1, 2, 10, 40, 86]) yield* refused(token.slice(0, -cut))
        yield* refused(`${token}=`)
        yield* refused(`${token}\n`)
        yield* refused(` ${token}`)
      })
    )
  })

  it.effect("ends tokens at exp plus five seconds, also when it has just verified them [T6]", () =>
    Effect.gen(function* () {
      const tokens = yield* AccessTokens
      const token = signed(header, claims)
      yield* TestClock.setTime(904_999)
      yield* tokens.verify(token)
      yield* TestClock.setTime(905_000)
      yield* refused(token)
    }).pipe(Effect.provide(tokensWith(file)))
  )

  it.effect("takes no token before its nbf, with five seconds of tolerance [T6]", () =>
    Effect.gen(function* () {
      const tokens = yield* AccessTokens
      const token = signed(header, { ...claims, nbf: 100 })
      yield* TestClock.setTime(94_999)
      yield* refused(token)
      yield* TestClock.setTime(95_000)
      yield* tokens.verify(token)
    }).pipe(Effect.provide(tokensWith(file)))
  )

  it.effect("goes on accepting tokens of the key before until they have run out, and signs with the next [T7]", () =>
    Effect.gen(function* () {
      const now = DateTime.makeUnsafe(0)
      const rotated = yield* KeyFile.stageNext(file, now, { accessTokenTtl: "15 minutes" })
      yield* Effect.gen(function* () {
        const tokens = yield* AccessTokens
        const kidNow = Effect.map(
          tokens.issue(subject),
          ({ accessToken }) => jose.decodeProtectedHeader(Redacted.value(accessToken)).kid
        )
        const staged = rotated.signing[0].kid
        assert.strictEqual(yield* kidNow, kid)
        assert.deepStrictEqual(
          (yield* (yield* Keys).jwks).keys.map((jwk) => jwk["kid"]),
          [staged, kid]
        )
        yield* TestClock.adjust("14 minutes")
        const last = yield* tokens.issue(subject)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* kidNow, staged)
        yield* TestClock.adjust("13 minutes")
        yield* tokens.verify(Redacted.value(last.accessToken))

        // After the key's end nothing that it signs is accepted, however long it says to live.
        const forever = signed(header, { ...claims, exp: 10_000_000 })
        yield* tokens.verify(forever)
        yield* TestClock.adjust("17 minutes")
        yield* refused(forever)
        assert.deepStrictEqual(
          (yield* (yield* Keys).jwks).keys.map((jwk) => jwk["kid"]),
          [staged]
        )
      }).pipe(Effect.provide(tokensWith(rotated)))
    })
  )

  it("signs with a key that Node can read as an ordinary private key", () => {
    assert.strictEqual(createPrivateKey(key.export({ format: "pem", type: "pkcs8" })).asymmetricKeyType, "ed25519")
  })
})
