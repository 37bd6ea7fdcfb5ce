import { copyFileSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { OpenedShare } from "@joy/domain/Share"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const world = JoyUp.JoyUp.layer({
  INGEST_INTERVAL: "1h",
  PUBLIC_URL: "https://joy.example.org/films/",
  RATE_LIMITS: "share=5/1m"
})

/** The item of the library, once it is ready. */
const item = Effect.gen(function* () {
  const up = yield* JoyUp.JoyUp
  copyFileSync(yield* TestMedia.video(), join(up.library, "Film.mp4"))
  yield* Effect.orDie(up.admin.client.media.refresh({ query: {} }))
  const { items } = yield* Joy.until(
    Effect.orDie(up.admin.client.media.list({ query: {} })),
    ({ items }) => items[0]?.status === "ready"
  )
  return items[0] ?? (yield* Effect.die("There is no item"))
})

describeWith(["ffmpeg"], "Shares", () => {
  layer(world, { excludeTestServices: true })((it) => {
    it.effect(
      "open one item to whoever has the link, as often as a network may, and leave no trace of it in the log [S2, S3]",
      () =>
        Effect.gen(function* () {
          const up = yield* JoyUp.JoyUp
          const { id } = yield* item
          const made = yield* Effect.orDie(up.admin.client.shares.create({ params: { id }, payload: {} }))
          const url = Redacted.value(made.url)
          assert.match(url, /^https:\/\/joy\.example\.org\/films\/shares\/[\w-]{48}$/)
          const path = url.slice(url.indexOf("/shares/"))

          const first = yield* up.request(path)
          assert.strictEqual(first.status, 200)
          assert.strictEqual(first.headers["cache-control"], "no-store")
          assert.match(String(first.headers["ratelimit"]), /"share";r=4/)
          const [, thumbnail = ""] = /"url":"([^"]+)"/.exec(first.text) ?? []
          assert.strictEqual((yield* up.request(thumbnail)).status, 200)
          const { playback } = yield* JoyHttp.decode(OpenedShare, first)
          const content = playback?.progressive.url ?? ""
          const played = yield* up.request(content, { headers: { range: "bytes=0-99" } })
          assert.deepStrictEqual([played.status, played.bytes.length], [206, 100])
          assert.isNull(playback?.resumeAtSeconds)
          // Only what the link is for.
          const token = path.slice("/shares/".length)
          for (const other of ["/media", `/media/${id}`, `/media/${id}/content`, "/protected"]) {
            assert.strictEqual((yield* up.request(other, { token })).status, 401, other)
          }

          for (let n = 0; n < 4; n++) assert.strictEqual((yield* up.request(path)).status, 200)
          const refused = yield* up.request(path)
          assert.strictEqual(refused.status, 429)
          assert.isAbove(Number(refused.headers["retry-after"]), 0)
          assert.strictEqual((yield* JoyHttp.decode(JoyHttp.Problem, refused)).type, "urn:joy:too-many-requests")

          yield* Effect.orDie(up.admin.client.shares.revoke({ params: { id, shareId: made.id } }))
          assert.strictEqual((yield* up.request(content)).status, 404)

          yield* Joy.until(Effect.sync(up.joy.stdout), (log) => log.includes("/shares/"))
          assert.notInclude(up.joy.stdout() + up.joy.stderr(), token)
        })
    )
  })
})
