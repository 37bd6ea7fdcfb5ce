import { readFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { join } from "node:path"

import * as Sdk from "@aws-sdk/client-s3"
import { assert, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { posting, type S3ServerShape } from "../../../storage/test/S3Server.ts"

const password = "a phrase for production"
const secret = "the store's own secret 1"

interface Delivery {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Stands between the store and joy, and passes on what is posted, or keeps it for the test to pass on. */
const makeRelay = Effect.gen(function* () {
  let pass: ((delivery: Delivery) => void) | null = null
  const kept: Array<Delivery> = []
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk: Buffer) => (body += chunk.toString()))
    request.on("end", () => {
      response.writeHead(202).end()
      const delivery = { headers: request.headers, body }
      if (pass === null) kept.push(delivery)
      else pass(delivery)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)).closeAllConnections())
  )
  const address = server.address()
  return {
    // Its user part is all that versitygw can be given to prove itself by.
    url: `http://store:${encodeURIComponent(secret)}@127.0.0.1:${typeof address === "object" ? address?.port : ""}/ingest/events`,
    passTo: (to: typeof pass) => (pass = to),
    take: () => kept.splice(0)
  }
})

class World extends Context.Service<
  World,
  {
    readonly folder: string
    readonly env: Joy.Environment
    readonly api: JoyUp.Server
    readonly bucket: string
    readonly s3: S3ServerShape
    readonly relay: Effect.Success<typeof makeRelay>
  }
>()("@joy/server/test/StoreEventsWorld") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const { url } = yield* TestDatabase.TestDatabase
      const relay = yield* makeRelay
      const s3 = yield* posting(relay.url)
      const bucket = yield* s3.makeBucket
      const env = {
        DATA_DIR: join(folder, "data"),
        AUTH_KEYS_FILE: join(folder, "keys.json"),
        DATABASE_URL: Redacted.value(url),
        S3_BUCKET: bucket,
        S3_ENDPOINT: s3.endpoint,
        S3_REGION: s3.region,
        S3_FORCE_PATH_STYLE: "on",
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        // Nothing is found by waiting.
        INGEST_INTERVAL: "1d",
        INGEST_EVENTS_SECRET: secret,
        RATE_LIMITS: "off"
      }
      yield* Joy.run(["migrate"], { env, cwd: folder })
      yield* Joy.run(["keys", "init"], { env, cwd: folder })
      const create = ["admin", "create", "--username", "admin", "--email", "admin@example.org", "--password-stdin"]
      yield* Joy.run(create, { env, cwd: folder, input: `${password}\n` })
      const api = yield* JoyUp.serve(folder, env)
      const ingest = yield* Joy.start(["ingest"], { env, cwd: folder })
      yield* ingest.says(/Ingest works/)
      return { folder, env, api, bucket, s3, relay }
    })
  ).pipe(Layer.provide(TestDatabase.layerEmpty))
}

const post = Effect.fnUntraced(function* (options: JoyHttp.RequestOptions) {
  const { api } = yield* World
  return yield* api.request("/ingest/events", { method: "POST", ...options })
})

const deliver = Effect.fnUntraced(function* ({ body, headers }: Delivery) {
  const answer = yield* post({
    body,
    headers: { "content-type": headers["content-type"] ?? "", authorization: headers["authorization"] ?? "" }
  })
  assert.strictEqual(answer.status, 202, answer.text)
})

const put = Effect.fnUntraced(function* (key: string, path: string) {
  const { bucket, s3 } = yield* World
  yield* Effect.promise(() =>
    s3.client.send(new Sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(path) }))
  )
})

const remove = Effect.fnUntraced(function* (key: string) {
  const { bucket, s3 } = yield* World
  yield* Effect.promise(() => s3.client.send(new Sdk.DeleteObjectCommand({ Bucket: bucket, Key: key })))
})

const copy = Effect.fnUntraced(function* (from: string, to: string) {
  const { bucket, s3 } = yield* World
  yield* Effect.promise(() =>
    s3.client.send(
      new Sdk.CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: `${bucket}/${encodeURIComponent(from)}` })
    )
  )
})

/** What the catalogue says, as `key status`. */
const catalogue = Effect.gen(function* () {
  const { api } = yield* World
  const { client } = yield* api.signIn("admin", password)
  return Effect.map(Effect.orDie(client.media.list({ query: { limit: 200 } })), ({ items }) =>
    Object.fromEntries(items.map(({ id, s3Key, status }) => [String(s3Key), { id, status }]))
  )
})

const statusesAre = Effect.fnUntraced(function* (wanted: Readonly<Record<string, string>>) {
  const list = yield* catalogue
  return yield* Joy.until(
    list,
    (found) =>
      JSON.stringify(
        Object.entries(found)
          .map(([key, { status }]) => [key, status])
          .toSorted()
      ) === JSON.stringify(Object.entries(wanted).toSorted())
  )
})

const basic = (user: string, shown: string) => ({
  headers: { authorization: `Basic ${Buffer.from(`${user}:${shown}`).toString("base64")}` }
})

describeWith(["s3", "ffmpeg"], "An object store that posts what changes", () => {
  layer(World.layer, { excludeTestServices: true, timeout: "120 seconds" })("to joy serve, beside joy ingest", (it) => {
    it.effect("has what lands in the bucket ready without a scan, and what is gone told as missing", () =>
      Effect.gen(function* () {
        const { relay } = yield* World
        const context = yield* Effect.context<World>()
        relay.passTo((delivery) => void Effect.runForkWith(context)(deliver(delivery)))
        const video = yield* TestMedia.video()
        yield* put("films/böse & schön+1 100%.mp4", video)
        const first = yield* statusesAre({ "films/böse & schön+1 100%.mp4": "ready" })
        yield* copy("films/böse & schön+1 100%.mp4", "films/renamed.mp4")
        yield* remove("films/böse & schön+1 100%.mp4")
        const list = yield* catalogue
        yield* Joy.until(
          list,
          (found) =>
            found["films/renamed.mp4"]?.status === "ready" ||
            found["films/böse & schön+1 100%.mp4"]?.status === "missing"
        )
        yield* remove("films/renamed.mp4")
        yield* Joy.until(list, (found) => Object.values(found).every(({ status }) => status === "missing"))
        assert.isDefined(first["films/böse & schön+1 100%.mp4"])
        relay.passTo(null)
      })
    )

    it.effect("comes to the same end when everything is delivered late, in reverse, twice, or not at all", () =>
      Effect.gen(function* () {
        const { relay } = yield* World
        const list = yield* catalogue
        const before = Object.fromEntries(Object.entries(yield* list).map(([key, { status }]) => [key, status]))
        // Others than before: what was missing is known again by its content.
        const [video, image] = [yield* TestMedia.video({ seconds: 1 }), yield* TestMedia.image()]
        yield* put("one.mp4", video)
        yield* put("two.jpg", image)
        yield* put("dropped.jpg", yield* TestMedia.image({ width: 200, height: 100 }))
        yield* put("came and went.mp4", video)
        yield* remove("came and went.mp4")
        yield* copy("one.mp4", "one moved.mp4")
        yield* remove("one.mp4")
        const deliveries: Array<Delivery> = []
        yield* Joy.until(
          Effect.sync(() => deliveries.push(...relay.take())),
          (count) => count >= 7
        )
        const told = deliveries.filter(({ body }) => !body.includes("dropped.jpg")).toReversed()
        yield* Effect.forEach([...told, ...told], deliver, { concurrency: 4 })
        const reported = { ...before, "one moved.mp4": "ready", "two.jpg": "ready" }
        // The one that was dropped may be there too: work that finds its object gone has the store looked through.
        yield* Joy.until(list, (found) =>
          Object.entries(reported).every(([key, status]) => found[key]?.status === status)
        )
        yield* Effect.forEach(told.toReversed(), deliver)
        const { api } = yield* World
        const { client } = yield* api.signIn("admin", password)
        // What was never told is found by the scan, which is relied on.
        yield* client.media.refresh({ query: {} })
        yield* statusesAre({ ...reported, "dropped.jpg": "ready" })
      })
    )

    it.effect("is believed by its secret alone, however that is shown [E8]", () =>
      Effect.gen(function* () {
        const { api } = yield* World
        const body = { Records: [] }
        const { token } = yield* api.signIn("admin", password)
        for (const shown of [{ token: secret }, basic("", secret), basic("anybody", secret)]) {
          assert.strictEqual((yield* post({ body, ...shown })).status, 202)
        }
        for (const shown of [
          {},
          { token: "" },
          { token },
          { token: secret.slice(0, -1) },
          { token: `${secret}1` },
          { token: secret.toUpperCase() },
          basic(secret, ""),
          basic("", secret.slice(1)),
          { headers: { authorization: "Basic !!!" } },
          { headers: { authorization: `Digest ${secret}` } }
        ]) {
          const answer = yield* post({ body, ...shown })
          assert.strictEqual(answer.status, 401, JSON.stringify(shown))
          const { type } = yield* JoyHttp.decode(JoyHttp.Problem, answer)
          assert.strictEqual(type, "urn:joy:unauthenticated")
        }
        // Nor does it open anything else.
        assert.strictEqual((yield* api.request("/media", { token: secret })).status, 401)
      })
    )

    it.effect("is told what is wrong with what it posted", () =>
      Effect.gen(function* () {
        const record = { eventName: "ObjectCreated:Put", s3: { bucket: { name: "b" }, object: { key: "k" } } }
        const json = { "content-type": "application/json" }
        for (const body of [
          "",
          "no json",
          "[",
          "null",
          "[]",
          "{}",
          '{"Records":null}',
          '{"Records":[null]}',
          '{"Records":[{}]}',
          '{"Records":[{"eventName":1}]}',
          JSON.stringify({ Records: [record, { ...record, s3: { ...record.s3, object: { key: 7 } } }] }),
          JSON.stringify({ "detail-type": "Object Created", detail: { bucket: "b", object: { key: "k" } } }),
          `${"[".repeat(30_000)}${"]".repeat(30_000)}`
        ]) {
          const answer = yield* post({ token: secret, body, headers: json })
          assert.strictEqual(answer.status, 400, body.slice(0, 80))
          const problem = yield* JoyHttp.decode(JoyHttp.Problem, answer)
          assert.strictEqual(problem.type, "urn:joy:invalid-request")
          assert.isAbove(problem.issues?.length ?? 0, 0, body.slice(0, 80))
        }
        const typeless = yield* post({ token: secret, body: "{}", headers: { "content-type": "text/plain" } })
        assert.strictEqual(typeless.status, 415)
      })
    )

    it.effect("may post 256 KiB, and no more, once it is known [E1]", () =>
      Effect.gen(function* () {
        const { bucket } = yield* World
        const record = (key: string) =>
          JSON.stringify({ eventName: "ObjectRemoved:Delete", s3: { bucket: { name: bucket }, object: { key } } })
        const bodyOf = (bytes: number) => {
          const records = Array.from({ length: 1000 }, (_, at) => record(`${at}.mp4`)).join(",")
          return `{"Records":[${records}],"pad":"${"x".repeat(bytes - records.length - 23)}"}`
        }
        const headers = { "content-type": "application/json" }
        const most = bodyOf(256 * 1024)
        assert.strictEqual(Buffer.byteLength(most), 256 * 1024)
        assert.strictEqual((yield* post({ token: secret, body: most, headers })).status, 202)
        assert.strictEqual((yield* post({ token: secret, body: bodyOf(256 * 1024 + 1), headers })).status, 413)
        assert.strictEqual((yield* post({ token: secret, body: bodyOf(400_000), headers, chunked: true })).status, 413)
        assert.strictEqual((yield* post({ token: "nobody", body: most, headers })).status, 401)
        const { api } = yield* World
        const other = yield* api.request("/auth/login", { method: "POST", body: most, headers })
        assert.strictEqual(other.status, 413, "other routes keep to 64 KiB")
      })
    )

    it.effect("finds no route where there is no secret [E8]", () =>
      Effect.gen(function* () {
        const { env, folder } = yield* World
        const { INGEST_EVENTS_SECRET: _, ...without } = env
        const api = yield* JoyUp.serve(folder, without)
        for (const token of [undefined, "", secret]) {
          const answer = yield* api.request("/ingest/events", { method: "POST", body: { Records: [] }, token })
          assert.strictEqual(answer.status, 404)
        }
        const weak = yield* Joy.run(["serve"], { env: { ...env, INGEST_EVENTS_SECRET: "changeme" }, cwd: folder })
        assert.strictEqual(weak.code, 1)
        assert.match(weak.stderr, /INGEST_EVENTS_SECRET: found a value that is not shown, expected a secret of 16/)
      })
    )
  })
})
