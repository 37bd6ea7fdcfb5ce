import { generateKeyPairSync } from "node:crypto"
import { inspect } from "node:util"

import { assert, describe, it } from "@effect/vitest"
import { defaultRules } from "@joy/auth/RateLimitRules"
import { Configuration } from "@joy/server/config/Configuration"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const read = (env: Record<string, string>) =>
  Configuration.pipe(
    Effect.provide(Configuration.layer),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
  )

const pem = (namedCurve: string) =>
  generateKeyPairSync("ec", { namedCurve }).privateKey.export({ type: "pkcs8", format: "pem" }).toString()

describe("the configuration", () => {
  it.effect("needs nothing", () =>
    Effect.gen(function* () {
      const settings = yield* read({})
      assert.strictEqual(settings.port, 8080)
      assert.strictEqual(settings.host, "127.0.0.1")
      assert.strictEqual(settings.publicUrl, "http://localhost:8080")
      assert.strictEqual(settings.databaseUrl, null)
      assert.strictEqual(settings.source._tag, "Folder")
      assert.strictEqual(settings.registration, "open")
      assert.strictEqual(settings.accessTokenTtl, 900_000)
      assert.strictEqual(settings.ingestInterval, 60_000)
    })
  )

  it.effect("closes registration where others can reach it", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read({ HOST: "0.0.0.0" })).registration, "closed")
      assert.strictEqual((yield* read({ HOST: "0.0.0.0", REGISTRATION: "open" })).registration, "open")
      assert.strictEqual((yield* read({ HOST: "::1" })).registration, "open")
    })
  )

  it.effect("puts derivatives into the bucket of the originals unless told otherwise", () =>
    Effect.gen(function* () {
      const one = yield* read({ S3_BUCKET: "films", S3_ENDPOINT: "http://localhost:7070", S3_FORCE_PATH_STYLE: "on" })
      assert.deepInclude(one.source, { _tag: "Bucket", bucket: "films", prefix: "", forcePathStyle: true })
      assert.deepInclude(one.derived, { _tag: "Bucket", bucket: "films", prefix: ".joy/" })
      assert.strictEqual(one.ingestInterval, 300_000)
      const two = yield* read({ S3_BUCKET: "films", DERIVED_BUCKET: "made" })
      assert.deepInclude(two.derived, { bucket: "made" })
    })
  )

  for (const [media, derived, ok] of [
    ["/films", "/films", false],
    ["/films", "/films/made", false],
    ["/films", "/films/.joy", true],
    ["/films", "/films/.joy/made", true],
    ["/films", "/films-made", true],
    ["/films/a", "/films", true]
  ] as const) {
    it.effect(`${ok ? "lets" : "does not let"} ${derived} hold what is made from ${media}`, () =>
      Effect.gen(function* () {
        const result = yield* Effect.exit(read({ MEDIA_DIR: media, DERIVED_DIR: derived }))
        assert.strictEqual(result._tag, ok ? "Success" : "Failure")
      })
    )
  }

  for (const [prefix, derived, ok] of [
    ["", "made/", false],
    ["", ".joy/made/", true],
    ["films/", "films/made/", false],
    ["films/", "made/", true],
    ["films", "films/.joy", true]
  ] as const) {
    it.effect(`${ok ? "lets" : "does not let"} "${derived}" hold what is made from "${prefix}" of one bucket`, () =>
      Effect.gen(function* () {
        const result = yield* Effect.exit(read({ S3_BUCKET: "b", S3_PREFIX: prefix, DERIVED_PREFIX: derived }))
        assert.strictEqual(result._tag, ok ? "Success" : "Failure")
      })
    )
  }

  it.effect("takes an empty value for none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read({ PORT: "", S3_BUCKET: " " })).source._tag, "Folder")
    })
  )

  for (const [text, millis] of [
    ["500ms", 500],
    ["10s", 10_000],
    ["15m", 900_000],
    ["12h", 43_200_000],
    ["30d", 2_592_000_000]
  ] as const) {
    it.effect(`reads ${text} as ${millis} ms`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* read({ REFRESH_GRACE: text })).refreshGrace, millis)
      })
    )
  }

  it.effect("tells every bad value at once, with what was found and what is allowed, and no secret [E7]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        read({
          PORT: "eighty",
          INGEST_INTERVAL: "1 minute",
          REGISTRATION: "maybe",
          DATABASE_URL: "mysql://joy:hunter2@db/joy",
          TRUSTED_PROXIES: "10.0.0.0/99"
        })
      )
      for (const part of [
        'PORT: found "eighty", expected a whole number from 0 to 65535',
        'INGEST_INTERVAL: found "1 minute", expected a length of time',
        'REGISTRATION: found "maybe", expected "open" or "closed"',
        "DATABASE_URL: found a value that is not shown, expected a URL that begins with postgres://",
        "TRUSTED_PROXIES"
      ]) {
        assert.include(error.message, part)
      }
      assert.notInclude(error.message, "hunter2")
    })
  )

  it.effect("takes other limits for some rules, and the defaults for the rest [L7]", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* read({})).rateLimits, defaultRules)
      assert.deepStrictEqual((yield* read({ RATE_LIMITS: "ON" })).rateLimits, defaultRules)
      assert.strictEqual((yield* read({ RATE_LIMITS: "off" })).rateLimits, "off")
      const { rateLimits } = yield* read({ RATE_LIMITS: "login-account=30/20m, register=3/1h," })
      assert.deepStrictEqual(rateLimits, {
        ...defaultRules,
        "login-account": { limit: 30, window: Duration.minutes(20) },
        register: { limit: 3, window: Duration.hours(1) }
      })
    })
  )

  for (const text of [
    "none",
    "login-account",
    "login-acount=1/1m",
    "register=0/1m",
    "register=-1/1m",
    "register=1.5/1m",
    "register=9999999/1m",
    "register=1/500ms",
    "register=1/31d",
    "register=1/1",
    "register=1/1m,register=2/1m",
    "register=1/1m;login-here=2/1m",
    "toString=1/1m",
    "on,register=1/1m"
  ]) {
    it.effect(`refuses ${text} as RATE_LIMITS, and says what may stand there [L7]`, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(read({ RATE_LIMITS: text }))
        assert.include(message, `RATE_LIMITS: found ${JSON.stringify(text)}, expected "on", "off", or limits such as`)
        for (const name of Object.keys(defaultRules)) assert.include(message, name)
      })
    )
  }

  for (const name of ["ACCESS_TOKEN_TTL", "SESSION_IDLE_TTL", "SESSION_MAX_TTL", "GRANT_TTL"]) {
    it.effect(`refuses a ${name} of nothing, which would never or always expire [R12]`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: "0s" }))
        assert.include(error.message, name)
      })
    )
  }

  it.effect("sends players nowhere else unless told to, and takes a path for the proxy alone", () =>
    Effect.gen(function* () {
      const { accelPrefix, grantTtl, playbackRedirect } = yield* read({})
      assert.deepStrictEqual(
        { accelPrefix, grantTtl, playbackRedirect },
        { accelPrefix: null, grantTtl: 12 * 3_600_000, playbackRedirect: false }
      )
      assert.strictEqual((yield* read({ ACCEL_PREFIX: "/library/films" })).accelPrefix, "/library/films")
      for (const text of ["library", "/", "//", "/a b", "/a\r\nSet-Cookie: b", "/../etc?x", "http://proxy/"]) {
        assert.include((yield* Effect.flip(read({ ACCEL_PREFIX: text }))).message, "ACCEL_PREFIX", text)
      }
    })
  )

  describe("of providers", () => {
    const google = { OAUTH_GOOGLE_CLIENT_ID: "g", OAUTH_GOOGLE_CLIENT_SECRET: "hunter2" }
    const apple = {
      OAUTH_APPLE_CLIENT_ID: "a",
      OAUTH_APPLE_TEAM_ID: "t",
      OAUTH_APPLE_KEY_ID: "k",
      OAUTH_APPLE_PRIVATE_KEY: pem("P-256")
    }
    const redirects = { OAUTH_REDIRECT_URIS: "https://app.example.org/signed-in, org.example.app:/signed-in" }

    it.effect("has none, or Google, or Apple, or both", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* read({})).oauth, { google: null, apple: null, redirectUris: [] })
        const both = (yield* read({ ...google, ...apple, ...redirects })).oauth
        assert.deepStrictEqual(both.redirectUris, ["https://app.example.org/signed-in", "org.example.app:/signed-in"])
        assert.deepInclude(both.google, { clientId: "g", issuer: "https://accounts.google.com" })
        assert.deepInclude(both.apple, { clientId: "a", teamId: "t", keyId: "k", issuer: "https://appleid.apple.com" })
        // On one line, as a file of variables has it.
        const escaped = { ...apple, OAUTH_APPLE_PRIVATE_KEY: apple.OAUTH_APPLE_PRIVATE_KEY.replaceAll("\n", "\\n") }
        const alone = (yield* read({ ...escaped, ...redirects })).oauth
        assert.isNull(alone.google)
        assert.isNotNull(alone.apple)
        assert.notMatch(inspect(both, { depth: 9 }), /hunter2|PRIVATE KEY/)
      })
    )

    for (const [what, env, names] of [
      ["half of Google", { OAUTH_GOOGLE_CLIENT_ID: "g" }, ["OAUTH_GOOGLE_CLIENT_SECRET", "OAUTH_REDIRECT_URIS"]],
      ["Google without an address", google, ["OAUTH_REDIRECT_URIS"]],
      [
        "a quarter of Apple",
        { OAUTH_APPLE_TEAM_ID: "t", ...redirects },
        ["OAUTH_APPLE_CLIENT_ID", "OAUTH_APPLE_KEY_ID", "OAUTH_APPLE_PRIVATE_KEY"]
      ],
      [
        "a key that is none",
        { ...apple, ...redirects, OAUTH_APPLE_PRIVATE_KEY: "hunter2" },
        ["OAUTH_APPLE_PRIVATE_KEY"]
      ],
      [
        "a key on another curve",
        { ...apple, ...redirects, OAUTH_APPLE_PRIVATE_KEY: pem("P-384") },
        ["OAUTH_APPLE_PRIVATE_KEY"]
      ],
      ["a key alone that is none", { OAUTH_APPLE_PRIVATE_KEY: "hunter2", ...redirects }, Object.keys(apple)],
      [
        "plain HTTP to another machine",
        { OAUTH_GOOGLE_ISSUER: "http://accounts.example.org" },
        ["OAUTH_GOOGLE_ISSUER"]
      ],
      ["an address of another kind", { OAUTH_APPLE_ISSUER: "file:///etc/passwd" }, ["OAUTH_APPLE_ISSUER"]],
      ...[
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,a",
        "vbscript:a",
        "file:///a",
        "blob:https://a/b",
        "/signed-in",
        "app.example.org",
        "https://a.example/#b",
        "https://a.example#",
        "https://ok.example,javascript:alert(1)"
      ].map((uri) => [uri, { OAUTH_REDIRECT_URIS: uri }, ["OAUTH_REDIRECT_URIS"]] as const)
    ] as const) {
      it.effect(`does not start with ${what}, says so, and shows no secret [O13, O18]`, () =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(read(env))
          assert.deepStrictEqual(error.problems.map(({ name }) => name).toSorted(), [...names].toSorted())
          assert.notMatch(error.message, /hunter2|PRIVATE KEY/)
        })
      )
    }
  })
})
