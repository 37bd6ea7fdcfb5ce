import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { assert, it } from "@effect/vitest"
import { freePort } from "@joy/testing/FreePort"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** What somebody meets who starts it for the first time: one installation, from nothing to its second start. */
describeWith(["ffmpeg"], "the first start", () => {
  it.live(
    "prints how to get in, has three samples to watch, stops at Ctrl-C, and starts again without help [M9, C4]",
    () =>
      Effect.gen(function* () {
        const folder = yield* Joy.folder
        const running = yield* JoyUp.up(folder)
        const { joy, request } = running

        // The block.
        assert.match(running.address, /^http:\/\/127\.0\.0\.1:\d+$/)
        assert.strictEqual(running.user, "admin")
        assert.match(running.password ?? "", /^[a-z0-9]{5}(-[a-z0-9]{5}){3}$/)
        assert.strictEqual(running.library, join(folder, "data/media"))
        assert.strictEqual(joy.stderr(), "")

        // Samples.
        const admin = yield* running.signIn("admin", running.password ?? "")
        const { items } = yield* Joy.until(
          Effect.orDie(admin.client.media.list({ query: {} })),
          ({ items }) => items.length >= 3 && items.every(({ status }) => status === "ready" || status === "failed")
        )
        assert.deepStrictEqual(items.map(({ status, type }) => `${type} ${status}`).toSorted(), [
          "audio ready",
          "image ready",
          "video ready"
        ])

        // Each names a picture that needs no header, as browsers ask for it, and one as JPEG.
        for (const item of items) {
          assert.isAtLeast(item.thumbnails.length, item.type === "audio" ? 0 : 1, item.title)
          for (const { url } of item.thumbnails) {
            const webp = yield* request(url, { headers: { accept: "image/avif,image/webp,*/*;q=0.8" } })
            assert.strictEqual(webp.status, 200, webp.text.slice(0, 200))
            assert.strictEqual(webp.headers["content-type"], "image/webp")
            assert.strictEqual(webp.bytes.toString("latin1", 8, 12), "WEBP")
            assert.match(webp.headers["cache-control"] ?? "", /immutable/)
            const jpeg = yield* request(url, { headers: { accept: "image/jpeg" } })
            assert.strictEqual(jpeg.headers["content-type"], "image/jpeg")
            assert.deepStrictEqual([...jpeg.bytes.subarray(0, 3)], [0xff, 0xd8, 0xff])
            assert.strictEqual((yield* request(url.replace(/sig=.{4}/, "sig=AAAA"))).status, 401)
          }
        }

        // The original, whole and in parts.
        const video = items.find(({ type }) => type === "video")
        const file = readFileSync(join(running.library, video?.s3Key ?? ""))
        const content = `/media/${video?.id}/content`
        const { token } = admin
        const whole = yield* request(content, { token })
        assert.strictEqual(whole.status, 200)
        assert.strictEqual(whole.headers["content-type"], "video/mp4")
        assert.isTrue(whole.bytes.equals(file))
        for (const [range, start, end] of [
          ["bytes=0-0", 0, 0],
          ["bytes=1000-70000", 1000, 70_000],
          ["bytes=-500", file.length - 500, file.length - 1],
          [`bytes=${file.length - 1}-`, file.length - 1, file.length - 1],
          ["bytes=10-99999999999", 10, file.length - 1]
        ] as const) {
          const part = yield* request(content, { token, headers: { range } })
          assert.strictEqual(part.status, 206, range)
          assert.strictEqual(part.headers["content-range"], `bytes ${start}-${end}/${file.length}`)
          assert.strictEqual(part.headers["content-length"], String(end + 1 - start))
          assert.isTrue(part.bytes.equals(file.subarray(start, end + 1)), range)
        }
        const head = yield* request(content, { token, method: "HEAD" })
        assert.strictEqual(head.status, 200)
        assert.strictEqual(head.headers["content-length"], String(file.length))
        assert.strictEqual(head.headers["accept-ranges"], "bytes")
        assert.strictEqual(head.bytes.length, 0)
        const etag = whole.headers.etag ?? ""
        assert.match(etag, /^"[^"]+"$/)
        const fresh = yield* request(content, { token, headers: { "if-none-match": etag } })
        assert.strictEqual(fresh.status, 304)
        assert.strictEqual(fresh.headers.etag, etag)
        assert.strictEqual(fresh.bytes.length, 0)
        const beyond = yield* request(content, { token, headers: { range: `bytes=${file.length}-` } })
        assert.strictEqual(beyond.status, 416)
        assert.strictEqual(beyond.headers["content-range"], `bytes */${file.length}`)
        assert.strictEqual((yield* JoyHttp.decode(JoyHttp.Problem, beyond)).type, "urn:joy:range-not-satisfiable")
        const changed = yield* request(content, { token, headers: { "if-match": '"another"' } })
        assert.strictEqual(changed.status, 412)
        const stale = yield* request(content, { token, headers: { range: "bytes=0-9", "if-range": '"another"' } })
        assert.strictEqual(stale.status, 200)

        // The docs.
        const docs = yield* request("/docs")
        assert.strictEqual(docs.status, 200)
        assert.match(docs.headers["content-type"] ?? "", /^text\/html/)
        const openapi = yield* request("/openapi.json")
        assert.strictEqual(openapi.status, 200)
        const document = yield* JoyHttp.decode(
          Schema.Struct({ openapi: Schema.String, paths: Schema.Record(Schema.String, Schema.Unknown) }),
          openapi
        )
        assert.match(document.openapi, /^3\.1/)
        assert.isTrue("/media/{id}/content" in document.paths, Object.keys(document.paths).join(" "))

        // Ctrl-C, as the terminal sends it.
        const listing = readdirSync(running.library).toSorted()
        const first = yield* joy.stop("SIGINT")
        assert.deepStrictEqual({ code: first.code, signal: first.signal }, { code: 0, signal: null })
        assert.isBelow(first.millis, 5000)
        assert.strictEqual(first.stderr, "")
        yield* Joy.nothingLeft(running.dataDir)
        assert.strictEqual(first.stdout.split(running.password ?? "-").length - 1, 1, "the password stands there once")

        // The second start.
        const again = yield* JoyUp.up(folder)
        assert.strictEqual(again.password, null)
        assert.notInclude(again.joy.stdout(), running.password ?? "")
        const back = yield* again.signIn("admin", running.password ?? "")
        const page = yield* back.client.media.list({ query: {} })
        assert.deepStrictEqual(
          page.items.map(({ id }) => id),
          items.map(({ id }) => id)
        )
        assert.deepStrictEqual(readdirSync(running.library).toSorted(), listing)
        // Tokens of the first run are good still: it has the same keys and knows the session.
        assert.strictEqual((yield* again.request("/protected", { token })).status, 200)

        const last = yield* again.joy.stop("SIGTERM")
        assert.strictEqual(last.code, 0)
        assert.isBelow(last.millis, 5000)
        yield* Joy.nothingLeft(running.dataDir)
      })
  )

  it.live("has its administrator before anybody can register [P15]", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const port = yield* freePort
      const body = { username: "admin", email: "somebody@joy.test", password: "a long enough one" }
      // From before it listens until it first answers.
      const first = yield* JoyHttp.request(`http://127.0.0.1:${port}`, "/auth/register", { method: "POST", body }).pipe(
        Effect.sandbox,
        Effect.retry(Schedule.spaced("10 millis")),
        Effect.orDie,
        Effect.forkChild
      )
      const running = yield* JoyUp.up(folder, { PORT: String(port) })
      assert.strictEqual((yield* Fiber.join(first)).status, 409)
      assert.isNotNull(running.password)
      const { tokens } = yield* running.signIn("admin", running.password ?? "")
      assert.deepStrictEqual(tokens.user.roles, ["admin"])
    }).pipe(Effect.scoped)
  )
})
