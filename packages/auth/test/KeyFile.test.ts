import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Signer } from "@joy/domain/Signer"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"

import * as KeyFile from "../src/KeyFile.ts"
import { Keys } from "../src/Keys.ts"
import * as KeySigner from "../src/KeySigner.ts"
import * as KeyStore from "../src/KeyStore.ts"
import { eventually } from "./TestAuth.ts"

const at = (minutes: number) => DateTime.makeUnsafe(minutes * 60_000)
const ttl = { accessTokenTtl: "15 minutes" } as const

const inFolder = <A, E, R>(use: (path: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    return yield* use(`${folder}/secrets/keys.json`)
  }).pipe(Effect.provide(NodeServices.layer))

describe("KeyFile", () => {
  it.effect("reads what it writes, byte by byte", () =>
    Effect.gen(function* () {
      const file = yield* KeyFile.stageNext(yield* KeyFile.generate(at(0)), at(1), ttl)
      const text = yield* KeyFile.encode(file)
      assert.strictEqual(yield* KeyFile.encode(yield* KeyFile.decode(text)), text)
    })
  )

  it.effect("makes other keys every time, of 32 bytes [T8]", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* KeyFile.generate(at(0)), yield* KeyFile.generate(at(0))]
      const secrets = [a.refresh[0], a.mac[0], b.refresh[0], b.mac[0]].map(KeyFile.secretBytes)
      assert.isTrue(secrets.every((secret) => Redacted.value(secret).length === 32))
      assert.strictEqual(new Set(secrets.map((secret) => Buffer.from(Redacted.value(secret)).toString("hex"))).size, 4)
      assert.notStrictEqual(a.signing[0].kid, b.signing[0].kid)
    })
  )

  it.effect("shows no secret when it is printed [R19]", () =>
    Effect.gen(function* () {
      const file = yield* KeyFile.generate(at(0))
      const shown = `${JSON.stringify(file)} ${String(file)}`
      for (const secret of [file.signing[0].jwk.d, file.refresh[0].secret, file.mac[0].secret]) {
        assert.notInclude(shown, Redacted.value(secret))
      }
    })
  )

  type Encoded = typeof KeyFile.KeyFile.Encoded
  const first = (file: Encoded) => file.signing[0]
  const secret = (file: Encoded, value: string) => ({ ...file.refresh[0], secret: value })
  const counting = Buffer.from(Array.from({ length: 32 }, (_, n) => n)).toString("base64url")
  const tampered: ReadonlyArray<readonly [string, (file: Encoded) => unknown, RegExp]> = [
    ["another version", (file) => ({ ...file, version: 2 }), /version/],
    ["no signing key", (file) => ({ ...file, signing: [] }), /signing/],
    [
      "only a key that retires",
      (file) => ({ ...file, signing: [{ ...first(file), retiresAt: "2030-01-01T00:00:00Z" }] }),
      /not retire/
    ],
    ["a short secret", (file) => ({ ...file, refresh: [secret(file, "c2hvcnQ")] }), /32 bytes/],
    [
      "an example secret",
      (file) => ({ ...file, refresh: [secret(file, Buffer.alloc(32, "ab").toString("base64url"))] }),
      /random/
    ],
    ["a secret in another alphabet", (file) => ({ ...file, mac: [secret(file, "+".repeat(43))] }), /32 bytes/],
    [
      "halves of two keys",
      (file) => ({ ...file, signing: [{ ...first(file), jwk: { ...first(file).jwk, x: counting } }] }),
      /public half/
    ],
    ["one name for two secrets", (file) => ({ ...file, mac: [file.mac[0], file.mac[0]] }), /once/],
    ["an unknown field", (file) => ({ ...file, extra: 1 }), /extra/]
  ]
  it.effect.each(tampered)("refuses %s, and says so without the secret [T8]", ([, tamper, message]) =>
    Effect.gen(function* () {
      const file = yield* KeyFile.generate(at(0))
      const encoded = yield* Schema.encodeEffect(KeyFile.KeyFile)(file)
      const { d } = encoded.signing[0].jwk
      const error = yield* Effect.flip(KeyFile.decode(JSON.stringify(tamper(encoded))))
      assert.match(error.message, message)
      assert.notInclude(error.message, d)
    })
  )

  it.effect(
    "publishes the next key 15 minutes ahead and keeps the one before until its last token has run out [T7]",
    () =>
      Effect.gen(function* () {
        const first = yield* KeyFile.generate(at(0))
        const second = yield* KeyFile.stageNext(first, at(60), ttl)
        const [next, before] = second.signing.map((key) => key.kid)
        const signs = (minutes: number) => KeyFile.currentSigningKey(second, at(minutes)).kid
        const verifies = (minutes: number) => KeyFile.verificationKeys(second, at(minutes)).map((key) => key.kid)
        assert.deepStrictEqual([signs(60), signs(74.9), signs(75), signs(200)], [before, before, next, next])
        assert.deepStrictEqual([verifies(60), verifies(104.9), verifies(105)], [[next, before], [next, before], [next]])

        const third = yield* KeyFile.stageNext(second, at(120), ttl)
        assert.strictEqual(third.signing.length, 2)
        assert.strictEqual(third.signing[1]?.kid, next)
        assert.deepStrictEqual([third.refresh, third.mac], [first.refresh, first.mac])
      })
  )

  it.effect("signs with its only key also on a clock that runs behind", () =>
    Effect.gen(function* () {
      const file = yield* KeyFile.generate(at(60))
      assert.strictEqual(KeyFile.currentSigningKey(file, at(0)).kid, file.signing[0].kid)
    })
  )
})

describe("KeyStore", () => {
  it.effect("says what to do when there is no file", () =>
    inFolder((path) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(KeyStore.load(path))
        assert.strictEqual(error.reason, "missing")
        assert.include(error.message, "joy keys init")
      })
    )
  )

  it.effect("makes a file that its owner alone reads, and never over another [T8]", () =>
    inFolder((path) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const made = yield* KeyStore.init(path)
        assert.strictEqual((yield* fs.stat(path)).mode & 0o777, 0o600)
        assert.strictEqual((yield* Effect.flip(KeyStore.init(path))).reason, "exists")
        assert.strictEqual((yield* KeyStore.load(path)).signing[0].kid, made.signing[0].kid)
        assert.deepStrictEqual(yield* fs.readDirectory(path.replace("/keys.json", "")), ["keys.json"])
      })
    )
  )

  it.effect("makes one file when several start at once", () =>
    inFolder((path) =>
      Effect.gen(function* () {
        const results = yield* Effect.all(
          Array.from({ length: 8 }, () => Effect.result(KeyStore.init(path))),
          { concurrency: "unbounded" }
        )
        const made = results.flatMap((result) => (result._tag === "Success" ? [result.success] : []))
        assert.strictEqual(made.length, 1)
        assert.strictEqual((yield* KeyStore.load(path)).signing[0].kid, made[0]?.signing[0].kid)
      })
    )
  )

  it.effect("refuses half a file [T8]", () =>
    inFolder((path) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* KeyStore.init(path)
        const text = yield* fs.readFileString(path)
        yield* fs.writeFileString(path, text.slice(0, -40))
        const error = yield* Effect.flip(KeyStore.load(path))
        assert.strictEqual(error.reason, "malformed")
        assert.include(error.message, path)
      })
    )
  )

  it.effect("stages one key at a time", () =>
    inFolder((path) =>
      Effect.gen(function* () {
        yield* KeyStore.init(path)
        yield* KeyStore.rotate(path, ttl)
        assert.strictEqual((yield* Effect.flip(KeyStore.rotate(path, ttl))).reason, "staged")
        yield* TestClock.adjust("15 minutes")
        assert.strictEqual((yield* KeyStore.rotate(path, ttl)).signing.length, 3)
        const fs = yield* FileSystem.FileSystem
        assert.strictEqual((yield* fs.stat(path)).mode & 0o777, 0o600)
      })
    )
  )
})

describe("Keys", () => {
  const kids = Effect.flatMap(Keys, (keys) => Effect.map(keys.jwks, ({ keys }) => keys.map((jwk) => jwk["kid"])))

  it.effect("notices a staged key by itself, and keeps what it has when the file gets lost [T7]", () =>
    inFolder((path) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const first = yield* KeyStore.init(path)
        yield* Effect.gen(function* () {
          const keys = yield* Keys
          assert.deepStrictEqual(yield* kids, [first.signing[0].kid])
          const next = yield* KeyStore.rotate(path, ttl)
          yield* TestClock.adjust("30 seconds")
          yield* eventually(Effect.map(kids, (found) => found[0] === next.signing[0].kid))
          assert.strictEqual(keys.signingKey(0).kid, first.signing[0].kid)

          yield* fs.writeFileString(path, "{}")
          yield* keys.reload
          yield* fs.remove(path)
          yield* keys.reload
          assert.strictEqual((yield* kids).length, 2)
        }).pipe(Effect.provide(Keys.layer(path)))
      })
    )
  )
})

const withFile = (file: KeyFile.KeyFile) => KeySigner.layer.pipe(Layer.provide(Keys.layerKeyFile(file)))

describe("KeySigner", () => {
  it.effect("signs for one purpose, and knows its signatures after another secret came first", () =>
    Effect.gen(function* () {
      const file = yield* KeyFile.generate(at(0))
      const other = yield* KeyFile.generate(at(0))
      const signature = yield* Effect.map(Signer, (signer) => signer.sign("cursor", "text")).pipe(
        Effect.provide(withFile(file))
      )
      assert.match(signature, /^[\w-]{22}$/)
      yield* Effect.gen(function* () {
        const signer = yield* Signer
        assert.isTrue(signer.verify("cursor", "text", signature))
        assert.isFalse(signer.verify("thumbnail", "text", signature))
        assert.isFalse(signer.verify("cursor", "text2", signature))
        assert.isFalse(signer.verify("cursor", "text", signature.slice(1)))
        assert.isFalse(signer.verify("cursor", "text", ""))
        assert.notStrictEqual(signer.sign("cursor", "text"), signature)
      }).pipe(Effect.provide(withFile({ ...file, mac: [other.mac[0], file.mac[0]] })))
    })
  )
})
