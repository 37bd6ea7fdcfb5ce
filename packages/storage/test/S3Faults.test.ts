import * as http from "node:http"
import type { AddressInfo } from "node:net"

import { assert, describe, it } from "@effect/vitest"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"

import * as S3Store from "../src/S3Store.ts"
import { collect } from "./contractTools.ts"

/** Servers that misbehave as no real one can be asked to. */

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void

const serve = (answer: Answer) =>
  Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const server = http.createServer(answer)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )

const storeAt = (endpoint: string) =>
  S3Store.make({
    bucket: "bucket",
    prefix: "",
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId: "key", secretAccessKey: Redacted.make("secret") }
  })

const makeStore = Effect.fnUntraced(function* (answer: Answer) {
  const server = yield* serve(answer)
  return yield* storeAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

const headers = (length: number) => ({
  "content-length": String(length),
  etag: '"abc"',
  "last-modified": "Wed, 12 Oct 2009 17:50:00 GMT"
})

const failWith =
  (status: number, code: string): Answer =>
  (request, response) => {
    request.resume()
    response.writeHead(status, { "content-type": "application/xml" })
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>said so</Message></Error>`)
  }

const key = ObjectKey.make("film.mp4")

const said = (status: number, code: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* makeStore(failWith(status, code))
      const error = yield* Effect.flip(store.read(key))
      assert.isTrue(error._tag === "StoreUnavailable" && !error.retryable)
      return error.message
    })
  )

const entry = (key: string) =>
  `<Contents><Key>${key}</Key><Size>1</Size><ETag>&quot;abc&quot;</ETag><LastModified>2009-10-12T17:50:30.000Z</LastModified></Contents>`

/** For the callbacks of servers, which are no part of any fiber. */
const tell = (deferred: Deferred.Deferred<void>) => Deferred.doneUnsafe(deferred, Effect.void)

describe("S3Store against servers that fail", () => {
  it.effect(
    "says that a read broke off when the connection ends before the promised length",
    Effect.fnUntraced(function* () {
      const store = yield* makeStore((_, response) => {
        response.writeHead(200, headers(1_000_000))
        response.write(Buffer.alloc(600_000), () => response.socket?.destroy())
      })
      const body = yield* store.read(key)
      assert.strictEqual(body.object.sizeBytes, 1_000_000)
      const error = yield* Effect.flip(collect(body.stream))
      assert.match(error.reason, /broke off|were promised/)
      assert.isTrue(error.retryable)
    })
  )

  it.effect(
    "gives up on a server that falls silent, but not on a consumer that does",
    Effect.fnUntraced(function* () {
      const store = yield* makeStore((_, response) => {
        response.writeHead(200, headers(1_000_000))
        response.write(Buffer.alloc(10))
      })
      const body = yield* store.read(key)
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        Effect.flip(
          Stream.runForEach(body.stream, () =>
            Effect.andThen(Effect.sleep("2 hours"), Deferred.succeed(begun, undefined))
          )
        )
      )
      // The piece comes in real time; the two hours that its consumer takes pass here.
      while (!(yield* Deferred.isDone(begun))) {
        yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        yield* TestClock.adjust("10 seconds")
      }
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("31 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "nothing came for 30 seconds")
      assert.isTrue(error.retryable)
    })
  )

  it.effect(
    "hangs up when a read is interrupted or its scope closes",
    Effect.fnUntraced(function* () {
      const closed = yield* Deferred.make<void>()
      const store = yield* makeStore((_, response) => {
        response.on("close", () => tell(closed))
        response.writeHead(200, headers(1_000_000))
        response.write(Buffer.alloc(100_000))
      })
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.scoped(
        Effect.flatMap(store.read(key), (body) =>
          Stream.runForEach(body.stream, () => Deferred.succeed(started, undefined))
        )
      ).pipe(Effect.forkChild)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
    })
  )

  it.effect(
    "takes a request back when it is interrupted before the answer",
    Effect.fnUntraced(function* () {
      const asked = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const store = yield* makeStore((_, response) => {
        response.on("close", () => tell(closed))
        tell(asked)
      })
      const fiber = yield* Effect.forkChild(store.list())
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
    })
  )

  it.effect(
    "asks again when the server is busy, and then says that it may pass",
    Effect.fnUntraced(function* () {
      let asked = 0
      const store = yield* makeStore((request, response) => {
        asked++
        failWith(503, "SlowDown")(request, response)
      })
      const error = yield* Effect.flip(store.list())
      assert.strictEqual(asked, 3)
      assert.isTrue(error.retryable)
      assert.match(error.reason, /503.*SlowDown/)
    })
  )

  it.effect(
    "says which server can't be reached",
    Effect.fnUntraced(function* () {
      const server = yield* Effect.scoped(
        Effect.map(
          serve(() => {}),
          (server) => (server.address() as AddressInfo).port
        )
      )
      const store = yield* storeAt(`http://127.0.0.1:${server}`)
      const error = yield* Effect.flip(store.head(key))
      assert.match(error.message, /http:\/\/127\.0\.0\.1:\d+ can't be reached.*ECONNREFUSED/)
      assert.isTrue(error._tag === "StoreUnavailable" && error.retryable)
    })
  )

  it.effect(
    "says what is denied, what is archived, and that the clock or the region is wrong",
    Effect.fnUntraced(function* () {
      assert.match(yield* said(403, "AccessDenied"), /denies access to the bucket bucket.*s3:GetObject/)
      assert.match(yield* said(403, "InvalidAccessKeyId"), /refuses the credentials/)
      assert.match(yield* said(403, "InvalidObjectState"), /archived: restore it/)
      assert.match(yield* said(403, "RequestTimeTooSkewed"), /clock/)
      assert.match(yield* said(301, "PermanentRedirect"), /another region/)
    })
  )

  it.effect(
    "does not take the whole for a range when a server ignores ranges",
    Effect.fnUntraced(function* () {
      const store = yield* makeStore((_, response) => {
        response.writeHead(200, headers(10))
        response.end("0123456789")
      })
      const error = yield* Effect.flip(store.read(key, { range: { start: 3, end: 5 } }))
      assert.match(error.message, /other bytes/)
      const whole = yield* store.read(key, { range: { start: 0, end: 100 }, ifMatch: ETag.make("abc") })
      assert.deepStrictEqual(whole.range, { start: 0, end: 9 })
    })
  )

  it.effect(
    "decodes keys that come encoded, and steps over derivatives in one request",
    Effect.fnUntraced(function* () {
      const asked: Array<string> = []
      const store = yield* makeStore((request, response) => {
        asked.push(request.url ?? "")
        const first = asked.length === 1
        const keys = first ? ["%2Ehidden", ".joy%2Fitem%2F1"] : ["a+b%2Bc%25.mp4", "caf%C3%A9", "bad%FF"]
        response.writeHead(200, { "content-type": "application/xml" })
        response.end(
          `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${first}</IsTruncated>${keys.map(entry).join("")}</ListBucketResult>`
        )
      })
      const first = yield* store.list()
      assert.deepStrictEqual(
        first.objects.map((object): string => object.key),
        [".hidden"]
      )
      const second = yield* store.list({ startAfter: first.nextStartAfter ?? undefined })
      assert.deepStrictEqual(
        second.objects.map((object): string => object.key),
        ["a b+c%.mp4", "café"]
      )
      assert.deepStrictEqual(
        second.unusable.map((entry) => entry.key),
        ["bad%FF"]
      )
      assert.match(asked[1] ?? "", /start-after=\.joy%2F%F4%8F%BF%BF/)
    })
  )
})
