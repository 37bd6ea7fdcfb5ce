import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import { TestDatabase } from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { daemonProcess } from "./DaemonProcess.ts"
import * as Deaths from "./Deaths.ts"
import type { DaemonOptions } from "./RealDaemon.ts"
import { ground, Library, statuses, until, work } from "./World.ts"

/** What is in the catalogue and what was made, by kind of file: for each kind all copies have to be the same. */
const pictures = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { derivedRoot } = yield* Library
  const items = yield* sql<{ id: string; etag: string; kind: string; facts: unknown }>`
    SELECT item.id, item.etag, right(item.s3_key, 3) AS kind, jsonb_build_array(item.type, item.status, container,
      duration_seconds, width, height, video_codec, audio_codec, streams, thumbnails, thumbhash, failure_step,
      failure_message, failure_attempts, object.processed_at IS NOT NULL, object.derivative_versions) AS facts
    FROM media_items AS item JOIN processed_s3_objects AS object ON object.item_id = item.id
    WHERE item.etag = object.etag ORDER BY item.s3_key`
  return items.map(({ etag, facts, id, kind }) => {
    const folder = join(derivedRoot, id, encodeURIComponent(etag))
    const made = existsSync(folder)
      ? readdirSync(folder).map((name) => `${name} ${statSync(join(folder, name)).size}`)
      : []
    return { kind, picture: JSON.stringify([facts, made.toSorted()]) }
  })
})

describeWith(["ffmpeg"], "An ingest that is asked to stop", () => {
  it.live("does so in time although a step does not end, and leaves that to the next one", () =>
    Effect.gen(function* () {
      const { derivedRoot, root } = yield* Library
      const { url } = yield* TestDatabase
      const sql = yield* SqlClient.SqlClient
      const options: DaemonOptions = {
        databaseUrl: Redacted.value(url),
        root,
        derivedRoot,
        intervalMillis: 200,
        shared: true
      }
      const image = readFileSync(yield* TestMedia.image())
      for (const name of ["one.jpg", "two.jpg", "three.jpg"]) writeFileSync(join(root, name), image)
      const hanging = yield* daemonProcess({ ...options, hangAt: "drawn" })
      const waiting = Effect.map(
        sql<{ inHand: number }>`SELECT in_hand FROM ingest_runners`,
        ([runner]) => runner?.inHand
      )
      yield* until(waiting, (inHand) => inHand === 3, "60 seconds")
      // Two seconds to stop, and some for a machine that has other things to do.
      assert.isBelow(yield* hanging.stop, 5000)
      yield* daemonProcess(options)
      yield* until(statuses, (found) => Object.values(found).every((status) => status === "ready"), "60 seconds")
      const [told] = yield* sql<{ count: number }>`SELECT count(*)::int AS count FROM events WHERE name = 'media.ready'`
      assert.strictEqual(told?.count, 3)
    }).pipe(Effect.scoped, Effect.provide(ground()))
  )
})

describeWith(["ffmpeg"], "An ingest that is killed", () => {
  it.live(
    "at every boundary of a step, and of what is committed between two, ends as if it had not been",
    () =>
      Effect.gen(function* () {
        const { derivedRoot, root } = yield* Library
        const { url } = yield* TestDatabase
        const sql = yield* SqlClient.SqlClient
        const pg = yield* PgClient.PgClient
        const image = readFileSync(yield* TestMedia.image())
        const audio = readFileSync(yield* TestMedia.audio())
        let dropped = 0
        const drop = () => {
          const name = String(dropped++).padStart(3, "0")
          writeFileSync(join(root, `${name}.jpg`), image)
          writeFileSync(join(root, `${name}.mp3`), audio)
          writeFileSync(join(root, `${name}.mp4`), "no film")
        }
        const options: DaemonOptions = {
          databaseUrl: Redacted.value(url),
          root,
          derivedRoot,
          intervalMillis: 200,
          concurrency: 1
        }
        const settled = Effect.gen(function* () {
          const found = Object.values(yield* statuses)
          const done = found.filter((status) => status === "ready" || status === "failed").length
          return 3 * dropped - done + (yield* work).length
        })
        const undisturbed = until(settled, (left) => left === 0, "120 seconds")

        drop()
        const first = yield* daemonProcess(options)
        yield* undisturbed
        yield* first.kill
        const clean = new Map((yield* pictures).map(({ kind, picture }) => [kind, picture]))
        assert.strictEqual(clean.size, 3)

        for (const dieAt of Deaths.within) {
          drop()
          const daemon = yield* daemonProcess({ ...options, dieAt })
          yield* daemon.exited.pipe(
            Effect.timeoutOrElse({
              duration: "60 seconds",
              orElse: () => Effect.die(new Error(`It never came to where it is to die: ${dieAt}`))
            })
          )
        }
        const told = yield* pg.listen(yield* Deaths.announce)
        for (const name of Deaths.between) {
          drop()
          const daemon = yield* daemonProcess(options)
          yield* Effect.repeat(Queue.take(told), { until: ({ payload }) => payload === name })
          yield* daemon.kill
          yield* Queue.clear(told)
        }
        yield* daemonProcess(options)
        yield* undisturbed

        const found = yield* pictures
        assert.lengthOf(found, 3 * dropped)
        for (const { kind, picture } of found) assert.strictEqual(picture, clean.get(kind))
        const doubled = yield* sql`
          SELECT 1 FROM events WHERE name IN ('media.ready', 'media.failed')
          GROUP BY data ->> 'mediaId', name HAVING count(*) > 1`
        assert.lengthOf(doubled, 0)
        yield* Console.log(
          `${Deaths.within.length + Deaths.between.length} deaths, ${found.length} objects: lost 0, doubled 0, stuck 0`
        )
      }).pipe(Effect.scoped, Effect.provide(ground())),
    { timeout: 400_000 }
  )
})
