import { copyFileSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import * as Sdk from "@aws-sdk/client-s3"
import { assert, describe, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as SlowReader from "@joy/testing/SlowReader"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"

import { S3Server } from "../../../storage/test/S3Server.ts"

/** The playback of the one item there is, once it is ready. */
const playback = Effect.fnUntraced(function* ({ client }: JoyUp.SignedIn) {
  const { items } = yield* Joy.until(
    Effect.orDie(client.media.list({ query: { q: "only" } })),
    ({ items }) => items.length === 1 && items.every(({ status }) => status === "ready")
  )
  const [item] = items
  if (item === undefined) return yield* Effect.die(new Error("no item"))
  return { item, ...(yield* Effect.orDie(client.playback.prepare({ params: { id: item.id } }))) }
})

const problem = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type}`)

describeWith(["s3", "ffmpeg"], "playback from a bucket", () => {
  /** A bucket with one film, and a joy on it. */
  const world = Effect.fnUntraced(function* (more: Joy.Environment) {
    const s3 = yield* S3Server
    const bucket = yield* s3.makeBucket
    const film = readFileSync(yield* TestMedia.video())
    const put = (body: Buffer) =>
      Effect.promise(() =>
        s3.client.send(new Sdk.PutObjectCommand({ Bucket: bucket, Key: "only this+ü.mp4", Body: body }))
      )
    yield* put(film)
    const up = yield* JoyUp.up(yield* Joy.folder, {
      S3_BUCKET: bucket,
      S3_ENDPOINT: s3.endpoint,
      S3_REGION: s3.region,
      S3_FORCE_PATH_STYLE: "on",
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      // Scanned at the start alone.
      INGEST_INTERVAL: "1h",
      ...more
    })
    return { ...up, film, put, admin: yield* up.signIn("admin", up.password ?? "") }
  })

  layer(S3Server.layer, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect("passes ranges on with one request for each, and tells of a changed object [M9, G3]", () =>
      Effect.gen(function* () {
        const { admin, film, put, request } = yield* world({})
        const { item, progressive } = yield* playback(admin)
        assert.isTrue((yield* request(progressive.url)).bytes.equals(film))
        const part = yield* request(progressive.url, { headers: { range: "bytes=777-7776" } })
        assert.strictEqual(part.status, 206)
        assert.isTrue(part.bytes.equals(film.subarray(777, 7777)))
        assert.deepInclude(part.headers, {
          "content-range": `bytes 777-7776/${film.length}`,
          "content-type": "video/mp4",
          etag: `"${item.etag}"`
        })
        const head = yield* request(progressive.url, { method: "HEAD" })
        assert.deepInclude(head.headers, { "content-length": String(film.length), etag: `"${item.etag}"` })
        const beyond = yield* request(progressive.url, { headers: { range: `bytes=${film.length}-` } })
        assert.strictEqual(yield* problem(beyond), "416 urn:joy:range-not-satisfiable")
        assert.strictEqual(beyond.headers["content-range"], `bytes */${film.length}`)
        const known = yield* request(progressive.url, { headers: { "if-none-match": `"${item.etag}"` } })
        assert.strictEqual(known.status, 304)

        // No scan has seen it, and no byte of it passes for one of the other.
        yield* put(readFileSync(yield* TestMedia.video({ seconds: 3 })))
        for (const headers of [{}, { range: "bytes=0-9" }]) {
          const changed = yield* request(progressive.url, { headers })
          assert.strictEqual(yield* problem(changed), "410 urn:joy:content-changed")
        }
        assert.strictEqual((yield* request(progressive.url, { method: "HEAD" })).status, 410)
      })
    )

    it.effect("cuts off what is passed on when the grant ends [G2]", () =>
      Effect.gen(function* () {
        const size = 96 * 2 ** 20
        const { address, admin, put, request } = yield* world({})
        yield* put(readFileSync(yield* SlowReader.longFilm(yield* Joy.folder, size)))
        yield* Effect.orDie(admin.client.media.refresh({ query: {} }))
        const { progressive } = yield* Joy.until(playback(admin), ({ item }) => item.sizeBytes === size)
        let began = 0
        const received = yield* SlowReader.sip(address, progressive.url, () => {
          began = performance.now()
          Effect.runFork(Effect.orDie(admin.client.auth.logout()))
        })
        assert.isFalse(received.complete)
        assert.isBelow(performance.now() - began, 5000)
        assert.isBelow(received.bytes, size)
        assert.strictEqual((yield* request("/health")).status, 200)
      })
    )

    it.effect("sends players to the bucket where that is wanted, for five minutes [G2]", () =>
      Effect.gen(function* () {
        const { admin, film, put, request } = yield* world({ PLAYBACK_REDIRECT: "on" })
        const { progressive } = yield* playback(admin)
        const answer = yield* request(progressive.url, { headers: { range: "bytes=0-9" } })
        assert.strictEqual(answer.status, 302)
        assert.strictEqual(answer.headers["cache-control"], "no-store")
        const location = new URL(String(answer.headers.location))
        assert.strictEqual(location.searchParams.get("X-Amz-Expires"), "300")
        const headers = { range: "bytes=0-9", host: location.host }
        const bytes = yield* JoyHttp.request(location.origin, location.pathname + location.search, { headers })
        assert.strictEqual(bytes.status, 206)
        assert.isTrue(bytes.bytes.equals(film.subarray(0, 10)))
        assert.strictEqual(bytes.headers["content-type"], "video/mp4")
        // A URL for GET is none for HEAD.
        assert.strictEqual((yield* request(progressive.url, { method: "HEAD" })).status, 200)
        // What was made from the original, and the original for who shows a header, come from here.
        assert.strictEqual((yield* request(`/media/${(yield* playback(admin)).item.id}/content`, admin)).status, 200)
        yield* put(readFileSync(yield* TestMedia.video({ seconds: 3 })))
        assert.strictEqual(yield* problem(yield* request(progressive.url)), "410 urn:joy:content-changed")
      })
    )
  })
})

describeWith(["ffmpeg"], "playback behind a proxy", () => {
  describe("that sends the files of the library", () => {
    layer(JoyUp.JoyUp.layer({ ACCEL_PREFIX: "/library/", PLAYBACK_REDIRECT: "on" }), {
      excludeTestServices: true,
      timeout: "120 seconds"
    })("of joy up", (it) => {
      it.effect("tells it which one, and nobody else where it lies", () =>
        Effect.gen(function* () {
          const { admin, library, request } = yield* JoyUp.JoyUp
          mkdirSync(join(library, "a b"), { recursive: true })
          copyFileSync(yield* TestMedia.video(), join(library, "a b", "only? 100%+é.mp4"))
          const { item, progressive } = yield* playback(admin)
          for (const method of ["GET", "HEAD"]) {
            const answer = yield* request(progressive.url, { method })
            assert.strictEqual(answer.status, 200)
            assert.strictEqual(answer.bytes.length, 0)
            assert.deepInclude(answer.headers, {
              "x-accel-redirect": "/library/a%20b/only%3F%20100%25%2B%C3%A9.mp4",
              "content-type": "video/mp4"
            })
          }
          const refused = yield* request(progressive.url.replace("/play/", "/play/x"))
          assert.strictEqual(refused.status, 401)
          assert.notProperty(refused.headers, "x-accel-redirect")
          const original = yield* request(`/media/${item.id}/content`, { token: admin.token })
          assert.notProperty(original.headers, "x-accel-redirect")
        })
      )
    })
  })
})
