import { readFileSync } from "node:fs"
import { join } from "node:path"

import * as Sdk from "@aws-sdk/client-s3"
import { assert, describe, layer } from "@effect/vitest"
import { findOnPath } from "@joy/testing/Executables"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as RedisServer from "@joy/testing/RedisServer"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

import { S3Server } from "../../../storage/test/S3Server.ts"

const password = "a phrase for production"

class Production extends Context.Service<
  Production,
  {
    readonly folder: string
    readonly env: Joy.Environment
    readonly bucket: string
    readonly put: (key: string, path: string) => Effect.Effect<void>
    readonly keys: Effect.Effect<ReadonlyArray<string>>
    readonly one: JoyUp.Server
    readonly two: JoyUp.Server
    readonly ingest: Joy.JoyProcess
    readonly redis: RedisServer.RedisProcess
  }
>()("@joy/server/test/Production") {
  static readonly layer = Layer.effect(
    Production,
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const { url } = yield* TestDatabase.TestDatabase
      const s3 = yield* S3Server
      const bucket = yield* s3.makeBucket
      const redis = yield* RedisServer.start(folder)
      const env = {
        DATA_DIR: join(folder, "data"),
        AUTH_KEYS_FILE: join(folder, "keys.json"),
        DATABASE_URL: Redacted.value(url),
        REDIS_URL: `redis://127.0.0.1:${redis.port}`,
        S3_BUCKET: bucket,
        S3_ENDPOINT: s3.endpoint,
        S3_REGION: s3.region,
        S3_FORCE_PATH_STYLE: "on",
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        INGEST_INTERVAL: "1s",
        REGISTRATION: "closed"
      }
      const works = Effect.fnUntraced(function* (args: ReadonlyArray<string>, input?: string) {
        const ended = yield* Joy.run(args, { env, cwd: folder, input })
        assert.strictEqual(ended.code, 0, `${args.join(" ")}: ${ended.stderr}${ended.stdout}`)
      })
      yield* works(["migrate"])
      yield* works(["keys", "init"])
      const create = ["admin", "create", "--username", "admin", "--email", "admin@example.org", "--password-stdin"]
      yield* works(create, `${password}\n`)
      const [one, two] = yield* Effect.all([JoyUp.serve(folder, env), JoyUp.serve(folder, env)], { concurrency: 2 })
      const ingest = yield* Joy.start(["ingest"], { env, cwd: folder })
      const put = (key: string, path: string) =>
        Effect.asVoid(
          Effect.promise(() =>
            s3.client.send(new Sdk.PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(path) }))
          )
        )
      const keys = Effect.map(
        Effect.promise(() => s3.client.send(new Sdk.ListObjectsV2Command({ Bucket: bucket }))),
        ({ Contents }) => (Contents ?? []).map(({ Key }) => Key ?? "")
      )
      return { folder, env, bucket, put, keys, one, two, ingest, redis }
    })
  ).pipe(Layer.provide([S3Server.layer, TestDatabase.layerEmpty]))
}

const admin = Effect.flatMap(Production, ({ one }) => one.signIn("admin", password))

const Health = Schema.Struct({ status: Schema.String })
const healthOf = (server: JoyUp.Server) =>
  Effect.flatMap(server.request("/health"), (answer) =>
    Effect.map(JoyHttp.decode(Health, answer), ({ status }) => `${answer.status} ${status}`)
  )

/** What `/protected` says to a token. */
const protectedBy = (server: JoyUp.Server, token: string) =>
  Effect.map(server.request("/protected", { token }), ({ status }) => status)

const canStopRedis = findOnPath("redis-server") !== null

describeWith(["redis", "s3", "ffmpeg"], "joy serve and joy ingest on real servers", () => {
  layer(Production.layer, { excludeTestServices: true, timeout: "120 seconds" })("in production", (it) => {
    it.effect("show what lands in the bucket, with thumbnails and ranges [M9]", () =>
      Effect.gen(function* () {
        const { keys, one, put, two } = yield* Production
        const video = yield* TestMedia.video({ extra: ["-movflags", "+faststart"] })
        yield* put("films/böse & schön+1.mp4", video)
        yield* put("song.mp3", yield* TestMedia.audio())
        yield* put("picture.jpg", yield* TestMedia.image())
        // Text, called a film.
        yield* put("notes.mp4", new URL(import.meta.url).pathname)
        const { client, token } = yield* admin
        const { items } = yield* Joy.until(
          Effect.orDie(client.media.list({ query: {} })),
          ({ items }) => items.length === 4 && items.every(({ status }) => status === "ready" || status === "failed")
        )
        assert.deepStrictEqual(
          items.map(({ s3Key, status, type }) => `${s3Key} ${type} ${status}`).toSorted(),
          [
            "films/böse & schön+1.mp4 video ready",
            "notes.mp4 video failed",
            "picture.jpg image ready",
            "song.mp3 audio ready"
          ].toSorted()
        )
        const film = items.find(({ type, status }) => type === "video" && status === "ready")
        for (const server of [one, two]) {
          for (const { url } of film?.thumbnails ?? []) {
            const picture = yield* server.request(url, { headers: { accept: "image/webp" } })
            assert.strictEqual(picture.status, 200, picture.text.slice(0, 200))
            assert.strictEqual(picture.bytes.toString("latin1", 8, 12), "WEBP")
          }
          const file = readFileSync(video)
          const content = `/media/${film?.id}/content`
          assert.isTrue((yield* server.request(content, { token })).bytes.equals(file))
          const part = yield* server.request(content, { token, headers: { range: "bytes=777-7776" } })
          assert.strictEqual(part.status, 206)
          assert.strictEqual(part.headers["content-range"], `bytes 777-7776/${file.length}`)
          assert.isTrue(part.bytes.equals(file.subarray(777, 7777)))
          const head = yield* server.request(content, { token, method: "HEAD" })
          assert.strictEqual(head.headers["content-length"], String(file.length))
          const beyond = yield* server.request(content, { token, headers: { range: `bytes=${file.length}-` } })
          assert.strictEqual(beyond.status, 416)
          const fresh = yield* server.request(content, { token, headers: { "if-none-match": head.headers.etag ?? "" } })
          assert.strictEqual(fresh.status, 304)
        }
        assert.isAtLeast(film?.thumbnails.length ?? 0, 1)
        // What was made from them lies apart, and the sources are as they were.
        const stored = yield* keys
        assert.deepStrictEqual(
          stored.filter((key) => !key.startsWith(".joy/")).toSorted(),
          ["films/böse & schön+1.mp4", "notes.mp4", "picture.jpg", "song.mp3"].toSorted()
        )
        assert.isTrue(stored.some((key) => key.startsWith(".joy/")))
      })
    )

    it.effect("accept each other's tokens, and each other's logouts [R22]", () =>
      Effect.gen(function* () {
        const { one, two } = yield* Production
        for (const [here, there] of [
          [one, two],
          [two, one]
        ] as const) {
          const { token, tokens } = yield* here.signIn("admin", password)
          assert.strictEqual(yield* protectedBy(here, token), 200)
          assert.strictEqual(yield* protectedBy(there, token), 200)
          const renewed = yield* there.request("/auth/refresh", {
            method: "POST",
            body: { refreshToken: JoyUp.refreshTokenOf(tokens) }
          })
          assert.strictEqual(renewed.status, 200)
          assert.strictEqual((yield* there.request("/auth/logout", { method: "POST", token })).status, 204)
          assert.strictEqual(yield* protectedBy(there, token), 401)
          assert.strictEqual(yield* protectedBy(here, token), 401)
        }
      })
    )

    it.effect("count wrong passwords together [L1]", () =>
      Effect.gen(function* () {
        const { one, two } = yield* Production
        const body = { identifier: "guessed-at-both", password: "wrong" }
        const statuses: Array<number> = []
        for (const server of [one, two, one, two, one, two, one]) {
          statuses.push((yield* server.request("/auth/login", { method: "POST", body })).status)
        }
        assert.deepStrictEqual(statuses, [401, 401, 401, 401, 401, 429, 429])
      })
    )

    it.effect("keep registration closed where it is", () =>
      Effect.gen(function* () {
        const { one } = yield* Production
        const answer = yield* one.request("/auth/register", {
          method: "POST",
          body: { username: "guest", email: "guest@example.org", password }
        })
        assert.strictEqual(answer.status, 403)
        assert.include(answer.text, "urn:joy:registration-closed")
      })
    )

    describe.skipIf(!canStopRedis)("when Redis stops", () => {
      it.effect("go on, say so, and are well again when it is back [L6, R21]", () =>
        Effect.gen(function* () {
          const { env, folder, one, redis, two } = yield* Production
          const before = yield* one.signIn("admin", password)
          assert.strictEqual(yield* healthOf(one), "200 ok")
          yield* redis.stop
          yield* Joy.until(healthOf(one), (health) => health === "200 degraded")
          assert.strictEqual((yield* one.request("/health/redis")).status, 503)
          assert.strictEqual((yield* one.request("/health/ready")).status, 200)

          // Who is signed in stays so; who wants to, gets in.
          assert.strictEqual((yield* one.request("/protected", { token: before.token })).status, 200)
          const during = yield* one.signIn("admin", password)
          for (const server of [one, two]) {
            assert.strictEqual((yield* server.request("/media", { token: during.token })).status, 200)
          }
          const renewed = yield* two.request("/auth/refresh", {
            method: "POST",
            body: { refreshToken: JoyUp.refreshTokenOf(during.tokens) }
          })
          assert.strictEqual(renewed.status, 200)
          // And who signs out is out, everywhere.
          assert.strictEqual((yield* one.request("/auth/logout", { method: "POST", token: before.token })).status, 204)
          for (const server of [one, two]) {
            assert.strictEqual(yield* protectedBy(server, before.token), 401)
          }
          // Passwords can't be guessed without end meanwhile.
          const body = { identifier: "guessed-meanwhile", password: "wrong" }
          const guesses = yield* Effect.replicateEffect(one.request("/auth/login", { method: "POST", body }), 7)
          assert.include(
            guesses.map(({ status }) => status),
            429
          )

          // A server that starts meanwhile works too.
          yield* Effect.scoped(
            Effect.gen(function* () {
              const third = yield* JoyUp.serve(folder, env)
              assert.strictEqual(yield* healthOf(third), "200 degraded")
              assert.strictEqual((yield* third.request("/protected", { token: during.token })).status, 200)
            })
          )

          yield* RedisServer.start(folder, redis.port)
          for (const server of [one, two]) {
            yield* Joy.until(healthOf(server), (health) => health === "200 ok", { seconds: 30 })
            // What ended while Redis was away does not come back with it.
            assert.strictEqual((yield* server.request("/protected", { token: before.token })).status, 401)
            assert.strictEqual((yield* server.request("/protected", { token: during.token })).status, 200)
          }
        })
      )
    })

    it.effect("go on where an ingest was killed", () =>
      Effect.gen(function* () {
        const { env, folder, ingest, put } = yield* Production
        const video = yield* TestMedia.video({ seconds: 4 })
        for (let n = 0; n < 6; n++) yield* put(`more/${n}.mp4`, video)
        const { client } = yield* admin
        const more = Effect.map(Effect.orDie(client.media.list({ query: { limit: 200 } })), ({ items }) =>
          items.filter(({ s3Key }) => String(s3Key).startsWith("more/"))
        )
        yield* Joy.until(more, (items) => items.length > 0)
        yield* Joy.nothingLeft(folder + "/none", yield* ingest.kill)
        const next = yield* Joy.start(["ingest"], { env, cwd: folder })
        const items = yield* Joy.until(
          more,
          (items) => items.length === 6 && items.every(({ status }) => status === "ready")
        )
        assert.strictEqual(new Set(items.map(({ s3Key }) => s3Key)).size, 6)
        const ended = yield* next.stop("SIGTERM")
        assert.deepStrictEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" })
        assert.isBelow(ended.millis, 15_000)
      })
    )

    it.effect("stop in order, with no secret in what they wrote [R1, R19]", () =>
      Effect.gen(function* () {
        const { env, ingest, one, two } = yield* Production
        const { token, tokens } = yield* admin
        const ends = yield* Effect.all([one.joy.stop("SIGTERM"), two.joy.stop("SIGINT")], { concurrency: 2 })
        for (const { code, millis, stderr } of ends) {
          assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
          assert.isBelow(millis, 15_000)
        }
        const written = [...ends.map(({ stdout }) => stdout), ingest.stdout()].join("\n").split("\n")
        const secrets = [
          password,
          token,
          JoyUp.refreshTokenOf(tokens).split(".")[1] ?? "-",
          env["AWS_SECRET_ACCESS_KEY"] ?? "-",
          new URL(env["DATABASE_URL"] ?? "postgres://x:y@z").password,
          "sig=",
          "Bearer "
        ]
        assert.deepStrictEqual(
          written.filter((line) => secrets.some((secret) => line.includes(secret))),
          []
        )
        assert.deepStrictEqual(
          written.filter((line) => /not foreseen|"level":"(ERROR|FATAL)"/.test(line)).map((line) => line.slice(0, 500)),
          []
        )
      })
    )
  })
})
