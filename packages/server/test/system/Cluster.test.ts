import { assert, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import { describeWith } from "@joy/testing/Needs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

import { ClusterWorld, corpus, count, left, runners, toldTwice } from "./ClusterWorld.ts"

const nothingLeft = Joy.until(left, (count) => count === 0, { seconds: 90, what: "work left" })

describeWith(["s3", "ffmpeg"], "joy ingest, several of them", () => {
  layer(ClusterWorld.layer, { excludeTestServices: true, timeout: "180 seconds" })(
    "on one database and one bucket",
    (it) => {
      it.effect("share the work; what one was at when it is killed is taken over, once", () =>
        Effect.gen(function* () {
          const { put, start } = yield* ClusterWorld
          const [first, second] = yield* Effect.all([start(), start()], { concurrency: 2 })
          yield* Joy.until(runners, (found) => found.length === 2 && found.every(({ shards }) => shards > 50), {
            what: "two runners with shards"
          })
          const files = yield* corpus(120)
          yield* Effect.forEach(files, ({ body, key }) => put(key, body), { concurrency: 8, discard: true })
          yield* Joy.until(runners, (found) => found.length === 2 && found.every(({ inHand }) => inHand > 0), {
            what: "two runners at work"
          })
          yield* Joy.until(count("ready"), (ready) => ready > 20)
          const killedAt = performance.now()
          yield* first.joy.kill
          yield* Joy.until(runners, (found) => found.length === 1 && found[0]?.shards === 300, {
            what: "one runner with all shards"
          })
          const takeover = performance.now() - killedAt
          yield* Console.log(`takeover after kill -9: ${(takeover / 1000).toFixed(1)} s`)
          assert.isBelow(takeover, 20_000)
          yield* nothingLeft
          assert.strictEqual(yield* count("failed"), 6)
          assert.strictEqual(yield* count("ready"), 114)
          assert.strictEqual(yield* toldTwice, 0)
          yield* second.joy.stop("SIGTERM")
        })
      )
    }
  )
})
