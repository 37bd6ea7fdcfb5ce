import { rmSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import { ObjectKey } from "@joy/domain/StoredObject"
import { UnreadableMedia } from "@joy/media/MediaError"
import { DerivedStore } from "@joy/storage/ObjectStore"
import { StoreUnavailable } from "@joy/storage/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import type { DerivativeKind } from "../src/DerivativeKind.ts"
import { Dispatcher } from "../src/Dispatcher.ts"
import { Rebuilds } from "../src/Rebuilds.ts"
import { type ItemRow, items, Library, scan, statuses, Tools, until, work, working, workOff } from "./World.ts"

const rebuilding = (...args: Parameters<typeof working>) =>
  Rebuilds.layerNoDeps.pipe(Layer.provideMerge(working(...args)))

const files = Effect.gen(function* () {
  const derived = yield* DerivedStore
  return (yield* derived.list()).objects.map(({ key }) => key)
})

const versions = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ versions: Record<string, number> }>`
      SELECT derivative_versions AS versions FROM processed_s3_objects ORDER BY s3_key`,
    (rows) => rows.map(({ versions }) => versions)
  )
)

/** An item without the number that grows with every change. */
const unversioned = (item: ItemRow) => Object.entries(item).filter(([name]) => name !== "version")

/** Runs a rebuild to its end, as the runners do. */
const finished = Effect.fnUntraced(function* (kind: string) {
  const rebuilds = yield* Rebuilds
  const dispatcher = yield* Dispatcher
  const { id } = yield* rebuilds.start(kind)
  const fiber = yield* Effect.forkChild(dispatcher.run)
  const rebuild = yield* until(
    Effect.andThen(rebuilds.advance, rebuilds.byId(id)),
    (rebuild) => rebuild?.isFinished === true,
    "60 seconds"
  )
  yield* Fiber.interrupt(fiber)
  return rebuild
})

describe("A rebuild", () => {
  it.live("makes one kind anew for all that are ready, and leaves everything else as it was", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      const sql = yield* SqlClient.SqlClient
      const probe = tools.probe
      tools.probe = (store, object) =>
        object.key === "bad.mp4"
          ? Effect.fail(new UnreadableMedia({ step: "probe", reason: "is bad" }))
          : probe(store, object)
      for (const key of ["a.mp4", "b.mp4", "bad.mp4"]) library.put(key, key)
      yield* scan()
      yield* workOff
      const before = yield* items
      const made = yield* files
      assert.lengthOf(made, 4)
      for (const { id } of before) rmSync(join(library.derivedRoot, id), { recursive: true, force: true })
      yield* sql`UPDATE processed_s3_objects SET derivative_versions = '{}'`
      yield* sql`DELETE FROM events`
      tools.probe = () => Effect.die(new Error("must not be probed again"))
      assert.deepInclude(yield* finished("thumbnail"), { total: 2, done: 2, failed: 0 })
      assert.deepStrictEqual(yield* files, made)
      assert.deepStrictEqual(yield* versions, [{ thumbnail: 1 }, { thumbnail: 1 }, {}])
      assert.deepStrictEqual((yield* items).map(unversioned), before.map(unversioned))
      const events = yield* sql<{ name: string }>`SELECT name FROM events ORDER BY id`
      assert.deepStrictEqual(
        events.map(({ name }) => name).filter((name) => name.startsWith("media.")),
        ["media.updated", "media.updated"]
      )
    }).pipe(Effect.provide(rebuilding()))
  )

  it.live("probes again what an older version knew less of", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const sql = yield* SqlClient.SqlClient
      library.put("a.mp4")
      yield* scan()
      yield* workOff
      yield* sql`UPDATE media_items SET metadata = '{}'`
      assert.deepInclude(yield* finished("thumbnail"), { done: 1, failed: 0 })
    }).pipe(Effect.provide(rebuilding()))
  )

  it.live("stops and goes on, with no more in the outbox than it has to be, behind what is new", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const rebuilds = yield* Rebuilds
      const sql = yield* SqlClient.SqlClient
      const tools = yield* Tools
      const count = 1300
      for (let n = 0; n < count; n++) library.put(`${n}.mp4`, `${n}`)
      yield* scan()
      yield* sql`UPDATE media_items SET status = 'ready'`
      yield* sql`DELETE FROM ingest_outbox`
      const { id } = yield* rebuilds.start("thumbnail")
      assert.strictEqual((yield* rebuilds.start("thumbnail")).id, id, "one that is under way is joined")
      yield* rebuilds.advance
      assert.lengthOf(yield* work, 1000)
      yield* rebuilds.advance
      assert.lengthOf(yield* work, 1000)
      assert.deepInclude(yield* rebuilds.byId(id), { total: count, done: 0, isFinished: false })
      const drawn = new Map<string, number>()
      const make = tools.make
      tools.make = (store, object, probe) => {
        drawn.set(object.key, (drawn.get(object.key) ?? 0) + 1)
        return make(store, object, probe)
      }
      library.put("new.mp4", "new")
      yield* scan()
      const dispatcher = yield* Dispatcher
      const first = yield* Effect.forkChild(dispatcher.run)
      yield* until(statuses, (found) => found["new.mp4"] === "ready")
      assert.isBelow(drawn.size, 100, "what is new does not wait")
      yield* until(
        Effect.sync(() => drawn.size),
        (size) => size > 200
      )
      yield* Fiber.interrupt(first)
      // The rest of it, but for what is handed out, is as good as done.
      yield* sql`DELETE FROM ingest_outbox WHERE submitted_at IS NULL`
      assert.deepInclude(yield* finished("thumbnail"), { id, total: count, done: count, failed: 0 })
      assert.isAbove(drawn.size, 400)
      assert.isBelow([...drawn.values()].filter((times) => times > 1).length, 10)
      assert.deepStrictEqual(yield* work, [])
    }).pipe(Effect.provide(rebuilding({ concurrency: 4 })))
  )

  it.live("counts what can't be made anew, and keeps the item and what it has", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      for (const key of ["a.mp4", "b.mp4"]) library.put(key, key)
      yield* scan()
      yield* workOff
      const made = yield* files
      const make = tools.make
      let tries = 0
      tools.make = (store, object, probe) => {
        if (object.key === "b.mp4") return Effect.fail(new UnreadableMedia({ step: "thumbnails", reason: "is bad" }))
        tries += 1
        const away = new StoreUnavailable({ operation: "read", reason: "timed out", retryable: true })
        return tries < 3 ? Effect.fail(away) : make(store, object, probe)
      }
      assert.deepInclude(yield* finished("thumbnail"), { total: 2, done: 2, failed: 1 })
      assert.strictEqual(tries, 3)
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready", "b.mp4": "ready" })
      assert.deepStrictEqual(yield* files, made)
      const unknown = yield* Effect.flip((yield* Rebuilds).start("portrait"))
      assert.include(unknown.message, '"thumbnail"')
    }).pipe(Effect.provide(rebuilding()))
  )

  it.live("drops what was replaced meanwhile: the new object gets everything anyhow", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const rebuilds = yield* Rebuilds
      library.put("a.mp4", "before")
      yield* scan()
      yield* workOff
      const { id } = yield* rebuilds.start("thumbnail")
      yield* rebuilds.advance
      assert.lengthOf(yield* work, 1)
      library.put("a.mp4", "afterwards")
      yield* scan()
      assert.deepStrictEqual(yield* work, ["a.mp4 2"])
      yield* workOff
      yield* rebuilds.advance
      assert.deepInclude(yield* rebuilds.byId(id), { done: 1, isFinished: true })
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
    }).pipe(Effect.provide(rebuilding()))
  )
})

describe("A kind that follows the object becoming ready", () => {
  let holds = true
  const waveform: DerivativeKind = {
    name: "waveform",
    step: "waveform",
    version: 3,
    after: "ready",
    isLong: false,
    types: ["video"],
    make: (work) => {
      const key = ObjectKey.make(`${work.itemId}/${encodeURIComponent(work.etag)}/waveform`)
      return Effect.succeed({ keys: [key], facts: { key } })
    },
    record: () => Effect.void
  }
  const held: DerivativeKind = {
    ...waveform,
    make: (work, probed) =>
      Effect.andThen(
        Effect.repeat(Effect.sleep("20 millis"), { while: () => holds }),
        waveform.make(work, probed).pipe(Effect.map((made) => ({ ...made, keys: [] })))
      )
  }

  it.live("does not hold it up, and is noted when it is made", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("a.mp4")
      yield* scan()
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      yield* until(statuses, (found) => found["a.mp4"] === "ready")
      assert.deepStrictEqual(yield* versions, [{ thumbnail: 1 }])
      holds = false
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* versions, [{ thumbnail: 1, waveform: 3 }])
    }).pipe(Effect.provide(rebuilding({}, [held])))
  )

  it.live("is not believed to be made unless it is there", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("a.mp4")
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
      assert.deepStrictEqual(yield* versions, [{ thumbnail: 1 }])
    }).pipe(Effect.provide(rebuilding({ unforeseenAttempts: 2, retryDelay: Duration.millis(20) }, [waveform])))
  )
})
