import { PutObjectCommand } from "@aws-sdk/client-s3"
import { assert, describe, layer } from "@effect/vitest"
import { ObjectKey } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

import * as S3Store from "../src/S3Store.ts"
import { listAll } from "./contractTools.ts"
import { objectStoreContract } from "./objectStoreContract.ts"
import { missing, S3Server } from "./S3Server.ts"

const options = (server: S3Server["Service"], bucket: string, prefix = "") => ({
  bucket,
  prefix,
  endpoint: server.endpoint,
  region: server.region,
  forcePathStyle: true,
  credentials: { accessKeyId: server.accessKeyId, secretAccessKey: Redacted.make(server.secretAccessKey) }
})

const makeUnderTest = (prefix: string) =>
  Effect.gen(function* () {
    const server = yield* S3Server
    const bucket = yield* server.makeBucket
    return {
      store: yield* S3Store.make(options(server, bucket, prefix)),
      presigns: true,
      put: (key: string, body: Uint8Array) =>
        Effect.promise(() =>
          server.client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body: body }))
        )
    }
  })

const key = ObjectKey.make("film.mp4")

describe.skipIf(missing !== null)(`S3Store${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  objectStoreContract("on a whole bucket", S3Server.layer, makeUnderTest(""))
  objectStoreContract("below a prefix", S3Server.layer, makeUnderTest("library/main/"))

  layer(S3Server.layer)("against a real server", (it) => {
    it.effect(
      "sees nothing outside of its prefix",
      Effect.fnUntraced(function* () {
        const server = yield* S3Server
        const bucket = yield* server.makeBucket
        for (const Key of ["media/film.mp4", "media-old/film.mp4", "film.mp4", "zoo.mp4"]) {
          yield* Effect.promise(() => server.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "x" })))
        }
        const store = yield* S3Store.make(options(server, bucket, "/media"))
        assert.strictEqual(store.location, `s3://${bucket}/media/`)
        assert.deepStrictEqual((yield* listAll(store)).keys, ["film.mp4"])
      })
    )

    it.effect(
      "says of keys that the server can't tell that it can't, and loses none behind them",
      Effect.fnUntraced(function* () {
        const server = yield* S3Server
        const bucket = yield* server.makeBucket
        const good = ["x .mp4", "x!.mp4", "xa.mp4", "xz.mp4", "y.mp4"]
        for (const Key of ["w.mp4", "x\u0001.mp4", "x\u0002.mp4", ...good]) {
          yield* Effect.promise(() => server.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "x" })))
        }
        const store = yield* S3Store.make(options(server, bucket))
        const told = (yield* store.list()).unusable.length === 0
        // A server that encodes keys in its listing can tell all of them.
        const all = told ? ["w.mp4", "x\u0001.mp4", "x\u0002.mp4", ...good] : ["w.mp4", ...good]
        for (const limit of [3, 4, 5, 1000]) assert.deepStrictEqual((yield* listAll(store, { limit })).keys, all)
        // It ends on one from which it could not go on without leaving others out.
        if (!told) assert.match((yield* Effect.flip(store.list({ startAfter: "w.mp4", limit: 2 }))).message, /no key/)
      })
    )

    it.effect(
      "leaves out the empty objects that consoles make for folders",
      Effect.fnUntraced(function* () {
        const server = yield* S3Server
        const bucket = yield* server.makeBucket
        for (const Key of ["media/", "media/films/", "media/films/a.mp4"]) {
          const Body = new Uint8Array(Key.endsWith("/") ? 0 : 1)
          yield* Effect.promise(() => server.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body })))
        }
        const store = yield* S3Store.make(options(server, bucket, "media/"))
        assert.deepStrictEqual((yield* listAll(store)).keys, ["films/a.mp4"])
        assert.deepStrictEqual((yield* listAll(store, { limit: 1 })).keys, ["films/a.mp4"])
      })
    )

    it.effect(
      "writes and deletes nothing when it is read-only [M8]",
      Effect.fnUntraced(function* () {
        const server = yield* S3Server
        const bucket = yield* server.makeBucket
        const store = yield* S3Store.make({ ...options(server, bucket), readOnly: true })
        const put = { expiresIn: "1 minute", contentType: "video/mp4", sizeBytes: 1 } as const
        assert.strictEqual((yield* Effect.flip(store.write(key, new Uint8Array(1))))._tag, "StoreReadOnly")
        assert.strictEqual((yield* Effect.flip(store.delete(key)))._tag, "StoreReadOnly")
        assert.strictEqual((yield* Effect.flip(store.presignPut(key, put)))._tag, "PresignUnsupported")
      })
    )

    it.effect(
      "says what to do about a missing bucket and about refused credentials",
      Effect.fnUntraced(function* () {
        const server = yield* S3Server
        const bucket = yield* server.makeBucket
        const lost = yield* S3Store.make(options(server, "no-such-bucket-at-all"))
        const wrong = yield* S3Store.make({
          ...options(server, bucket),
          credentials: { accessKeyId: server.accessKeyId, secretAccessKey: Redacted.make("wrong") }
        })
        const noBucket = yield* Effect.flip(lost.list())
        assert.match(noBucket.reason, /no-such-bucket-at-all does not exist at http.*create it/)
        assert.isFalse(noBucket.retryable)
        const refused = yield* Effect.flip(wrong.list())
        assert.match(refused.reason, /refuses the credentials.*AWS_SECRET_ACCESS_KEY/)
        assert.isFalse(refused.retryable)
        const looked = yield* Effect.flip(wrong.head(key))
        assert.strictEqual(looked._tag, "StoreUnavailable")
      })
    )
  })
})
