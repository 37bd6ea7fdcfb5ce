import { copyFileSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"

import { assert, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import { TestDatabase } from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import * as RealDaemon from "./RealDaemon.ts"
import { ground, items, Library, statuses, until, work } from "./World.ts"

/** What the daemon says. */
const makeLog = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make(({ message }) => void lines.push(JSON.stringify(message)))])
  const says = (part: string) =>
    until(
      Effect.sync(() => lines),
      (said) => said.some((line) => line.includes(part)),
      "40 seconds"
    )
  return { layer, says }
}

/** A daemon that scans at its start, and then for an hour only when it is told to. */
const daemon = Effect.fnUntraced(function* (log: ReturnType<typeof makeLog>) {
  const { derivedRoot, root } = yield* Library
  const { url } = yield* TestDatabase
  return RealDaemon.layer({
    databaseUrl: Redacted.value(url),
    root,
    derivedRoot,
    intervalMillis: 3_600_000
  }).pipe(Layer.provide(log.layer))
})

const dropInto = (root: string, key: string, from: string) => {
  mkdirSync(dirname(join(root, key)), { recursive: true })
  copyFileSync(from, join(root, key))
}

describeWith(["ffmpeg"], "A daemon that watches its folder", () => {
  it.live("has what is dropped into it ready, and follows what is renamed and removed, without a scan", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const [video, image] = [yield* TestMedia.video(), yield* TestMedia.image()]
      dropInto(root, "first.jpg", image)
      yield* Effect.gen(function* () {
        yield* until(statuses, (found) => found["first.jpg"] === "ready", "40 seconds")
        const scans = Effect.map(sql`SELECT id FROM scans WHERE NOT partial`, (all) => all.length)
        // One at the start, and one when it had begun to watch.
        const before = yield* until(scans, (count) => count >= 2)
        yield* until(sql`SELECT id FROM scans WHERE status = 'running'`, (running) => running.length === 0)
        dropInto(root, "deep/down/film.mp4", video)
        yield* until(statuses, (found) => found["deep/down/film.mp4"] === "ready")
        // A step whose file goes asks for a scan.
        yield* until(work, (left) => left.length === 0)
        const film = (yield* items).find(({ s3Key }) => s3Key === "deep/down/film.mp4")
        renameSync(join(root, "deep"), join(root, "renamed"))
        const [moved] = yield* until(
          Effect.map(items, (all) => all.filter(({ s3Key }) => s3Key === "renamed/down/film.mp4")),
          (found) => found.length === 1
        )
        assert.deepStrictEqual([moved?.id, moved?.status], [film?.id, "ready"])
        rmSync(join(root, "first.jpg"))
        yield* until(statuses, (found) => found["first.jpg"] === "missing")
        assert.strictEqual(yield* scans, before)
      }).pipe(Effect.provide(yield* daemon(makeLog())))
    }).pipe(Effect.provide(ground()))
  )

  it.live("says that it scans alone when the folder is taken away, and watches it again when it is back", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const image = yield* TestMedia.image()
      dropInto(root, "first.jpg", image)
      const log = makeLog()
      yield* Effect.gen(function* () {
        yield* until(statuses, (found) => found["first.jpg"] === "ready", "40 seconds")
        renameSync(root, `${root} unmounted`)
        yield* log.says("are found by scanning alone, every 1h")
        renameSync(`${root} unmounted`, root)
        yield* log.says("are seen at once again")
        dropInto(root, "second.jpg", image)
        yield* until(statuses, (found) => found["second.jpg"] === "ready")
        assert.deepStrictEqual(yield* statuses, { "first.jpg": "ready", "second.jpg": "ready" })
      }).pipe(Effect.provide(yield* daemon(log)))
    }).pipe(Effect.provide(ground()))
  )
})
