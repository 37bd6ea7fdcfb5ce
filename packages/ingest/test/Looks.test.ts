import { assert, describe, it } from "@effect/vitest"
import { ObjectKey } from "@joy/domain/StoredObject"
import { StoreUnavailable } from "@joy/storage/StoreError"
import { describeWith } from "@joy/testing/Needs"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import type { IngestOptions } from "../src/IngestConfig.ts"
import { Looks } from "../src/Looks.ts"
import { ObjectEvents } from "../src/ObjectEvents.ts"
import { onBucket, onFolder, Place } from "./Places.ts"
import { items, Library, scan, type scanning, statuses, StoreFaults, work } from "./World.ts"

type Grounds = (
  options?: Partial<IngestOptions>
) => Layer.Layer<Layer.Success<ReturnType<typeof scanning>> | Place, Layer.Error<ReturnType<typeof scanning>>>

const look = (...keys: ReadonlyArray<string>) =>
  Effect.flatMap(Looks, (looks) => looks.look({ keys: keys.map((key) => ObjectKey.make(key)), below: [] }))

const filled = Effect.fnUntraced(function* (bodies: Readonly<Record<string, string>>) {
  const place = yield* Place
  const sql = yield* SqlClient.SqlClient
  for (const [key, body] of Object.entries(bodies)) yield* place.put(key, body)
  yield* scan()
  yield* sql`UPDATE media_items SET status = 'ready'`
  yield* sql`DELETE FROM ingest_outbox`
  return place
})

const ids = Effect.map(items, (all): Record<string, string> =>
  Object.fromEntries(all.map(({ id, s3Key }) => [s3Key, id]))
)

const tests = (grounds: Grounds) => {
  it.live("finds what is new, changed, back and gone, and nothing else", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "a", "b.mp4": "b", "c.mp4": "c" })
      yield* place.put("new.mp4", "a new body")
      yield* place.put("a.mp4", "another one")
      yield* place.remove("b.mp4")
      yield* place.put("unmentioned.mp4", "unmentioned")
      assert.deepInclude(yield* look("new.mp4", "a.mp4", "b.mp4", "c.mp4", "no film.txt", "never was.mp4"), {
        needsScan: false
      })
      assert.deepStrictEqual(yield* statuses, {
        "a.mp4": "pending",
        "b.mp4": "missing",
        "c.mp4": "ready",
        "new.mp4": "pending"
      })
      assert.deepStrictEqual(yield* work, ["a.mp4 2", "new.mp4 1"])
      assert.deepInclude(yield* scan(), { new: 1, changed: 0, moved: 0, missing: 0 })
      assert.deepInclude(yield* statuses, { "unmentioned.mp4": "pending" })
      const sql = yield* SqlClient.SqlClient
      assert.lengthOf(yield* sql`SELECT 1 FROM scans WHERE partial`, 0)
    }).pipe(Effect.provide(grounds()))
  )

  it.live("believes in no deletion that the store does not confirm [E8]", () =>
    Effect.gen(function* () {
      yield* filled({ "a.mp4": "a" })
      yield* look("a.mp4")
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
    }).pipe(Effect.provide(grounds()))
  )

  it.live("follows a renamed object, in whichever order it is told of its two names", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "one body", "m.mp4": "another body", "z.mp4": "a third body" })
      const before = yield* ids
      yield* place.move("a.mp4", "renamed a.mp4")
      yield* look("a.mp4", "renamed a.mp4")
      yield* place.move("m.mp4", "renamed m.mp4")
      yield* look("renamed m.mp4")
      yield* look("m.mp4")
      yield* place.move("z.mp4", "renamed z.mp4")
      yield* look("z.mp4")
      assert.deepInclude(yield* statuses, { "z.mp4": "missing" })
      yield* look("renamed z.mp4")
      const after = yield* ids
      assert.lengthOf(Object.keys(after), 3)
      for (const name of ["a.mp4", "m.mp4", "z.mp4"]) assert.strictEqual(after[`renamed ${name}`], before[name])
      assert.deepStrictEqual([...new Set(Object.values(yield* statuses))], ["ready"])
      assert.deepStrictEqual(yield* work, [])
    }).pipe(Effect.provide(grounds()))
  )

  it.live("looks at what is below a folder, and at no other one", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a/1.mp4": "1", "a/2.mp4": "22", "a0.mp4": "333", "b/1.mp4": "4444" })
      yield* place.move("a/1.mp4", "c/1.mp4")
      yield* place.remove("a/2.mp4")
      yield* place.remove("a0.mp4")
      yield* place.remove("b/1.mp4")
      yield* Effect.flatMap(Looks, (looks) => looks.look({ keys: [], below: ["a/", "c/"] }))
      assert.deepStrictEqual(yield* statuses, {
        "a/2.mp4": "missing",
        "a0.mp4": "ready",
        "b/1.mp4": "ready",
        "c/1.mp4": "ready"
      })
    }).pipe(Effect.provide(grounds({ pageSize: 1 })))
  )

  it.live("leaves it to a scan to say that much is gone, or that there is much", () =>
    Effect.gen(function* () {
      const place = yield* filled(Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`f/${at}.mp4`, `${at}`])))
      const keys = Array.from({ length: 22 }, (_, at) => `f/${at}.mp4`)
      for (const key of keys) yield* place.remove(key)
      assert.deepInclude(yield* look(...keys), { needsScan: true })
      assert.isFalse(Object.values(yield* statuses).includes("missing"))
      assert.deepInclude(yield* look(...keys.slice(0, 20)), { needsScan: false })
      assert.lengthOf(
        Object.values(yield* statuses).filter((status) => status === "missing"),
        20
      )
      const looks = yield* Looks
      assert.deepInclude(yield* looks.look({ keys: [], below: ["f/"] }), { needsScan: true })
    }).pipe(Effect.provide(grounds({ pageSize: 4 })))
  )

  it.live("comes to the same end, however events are repeated, reversed and lost", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "a", "b.mp4": "bb", "c.mp4": "ccc", "d.mp4": "dddd" })
      const before = yield* ids
      yield* place.put("a.mp4", "replaced")
      yield* place.move("b.mp4", "moved b.mp4")
      yield* place.remove("c.mp4")
      yield* place.put("new.mp4", "a new body")
      yield* place.put("came and went.mp4", "soon gone")
      yield* place.remove("came and went.mp4")
      const told = ["a.mp4", "moved b.mp4", "b.mp4", "c.mp4", "new.mp4", "came and went.mp4", "came and went.mp4"]
      const end = {
        "a.mp4": "pending",
        "c.mp4": "missing",
        "d.mp4": "ready",
        "moved b.mp4": "ready",
        "new.mp4": "pending"
      }
      for (const key of told.toReversed()) yield* look(key)
      assert.deepStrictEqual(yield* statuses, end)
      for (const key of [...told, ...told]) yield* look(key)
      assert.deepStrictEqual(yield* statuses, end)
      assert.strictEqual((yield* ids)["moved b.mp4"], before["b.mp4"])
      assert.deepStrictEqual(yield* work, ["a.mp4 2", "new.mp4 1"])
      yield* place.remove("d.mp4")
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, moved: 0, missing: 1 })
    }).pipe(Effect.provide(grounds()))
  )

  it.live("is not undone by the page of a scan that was listed before it", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "a", "b.mp4": "bb", "c.mp4": "ccc" })
      const faults = yield* StoreFaults
      const looks = yield* Looks
      const listed = yield* Deferred.make<void>()
      const looked = yield* Deferred.make<void>()
      faults.list = (list) =>
        Effect.tap(list, () => Effect.andThen(Deferred.succeed(listed, undefined), Deferred.await(looked)))
      const scanning = yield* Effect.forkChild(scan())
      yield* Deferred.await(listed)
      yield* place.put("a.mp4", "replaced")
      yield* place.move("b.mp4", "z.mp4")
      yield* place.put("new.mp4", "a new body")
      yield* looks.look({ keys: ["a.mp4", "b.mp4", "z.mp4", "new.mp4"].map((key) => ObjectKey.make(key)), below: [] })
      faults.list = (list) => list
      yield* Deferred.succeed(looked, undefined)
      assert.deepInclude(yield* Fiber.join(scanning), { status: "finished", new: 0, changed: 0, moved: 0, missing: 0 })
      assert.deepStrictEqual(yield* statuses, {
        "a.mp4": "pending",
        "c.mp4": "ready",
        "new.mp4": "pending",
        "z.mp4": "ready"
      })
      assert.deepStrictEqual(yield* work, ["a.mp4 2", "new.mp4 1"])
    }).pipe(Effect.provide(grounds()))
  )

  it.live("may come between the pages of a scan and its end", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "a", "b.mp4": "bb", "c.mp4": "ccc", "d.mp4": "dddd" })
      const before = yield* ids
      const faults = yield* StoreFaults
      const looks = yield* Looks
      // The scan has seen the copy and the absence; the look has sorted that out before the scan does.
      yield* place.move("a.mp4", "moved a.mp4")
      yield* place.copy("b.mp4", "copy of b.mp4")
      yield* place.remove("c.mp4")
      const told = ["a.mp4", "moved a.mp4", "copy of b.mp4", "b.mp4", "c.mp4"].map((key) => ObjectKey.make(key))
      let pages = 0
      faults.list = (list) => (++pages === 4 ? Effect.andThen(looks.look({ keys: told, below: [] }), list) : list)
      yield* scan()
      faults.list = (list) => list
      assert.deepStrictEqual(yield* statuses, {
        "b.mp4": "ready",
        "c.mp4": "missing",
        "copy of b.mp4": "pending",
        "d.mp4": "ready",
        "moved a.mp4": "ready"
      })
      assert.strictEqual((yield* ids)["moved a.mp4"], before["a.mp4"])
      assert.deepStrictEqual(yield* work, ["copy of b.mp4 1"])
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, moved: 0, missing: 0 })
    }).pipe(Effect.provide(grounds({ pageSize: 1 })))
  )

  it.live("keeps what it was told of for as long as the store does not answer", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "a" })
      const faults = yield* StoreFaults
      const events = yield* ObjectEvents
      const looks = yield* Looks
      yield* place.put("new.mp4", "a new body")
      yield* events.add([{ key: ObjectKey.make("new.mp4"), sequencer: null }])
      const away = new StoreUnavailable({ operation: "head", reason: "it is away", retryable: true })
      faults.head = () => Effect.fail(away)
      const trying = yield* Effect.forkChild(looks.once)
      yield* Effect.sleep("300 millis")
      yield* Fiber.interrupt(trying)
      assert.lengthOf(yield* events.pending, 1)
      faults.head = (head) => head
      yield* looks.once
      assert.deepInclude(yield* statuses, { "new.mp4": "pending" })
      assert.lengthOf(yield* events.pending, 0)
    }).pipe(Effect.provide(grounds()))
  )

  it.live("looks again at what was told of while it looked", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "a" })
      const faults = yield* StoreFaults
      const events = yield* ObjectEvents
      const looks = yield* Looks
      const event = [{ key: ObjectKey.make("new.mp4"), sequencer: null }]
      yield* events.add(event)
      faults.head = (head) =>
        Effect.tap(
          Effect.exit(head),
          Effect.fnUntraced(function* () {
            faults.head = (head) => head
            yield* place.put("new.mp4", "a new body")
            yield* events.add(event)
          })
        ).pipe(Effect.flatten)
      yield* looks.once
      assert.lengthOf(yield* events.pending, 1)
      yield* looks.once
      assert.deepInclude(yield* statuses, { "new.mp4": "pending" })
    }).pipe(Effect.provide(grounds()))
  )
}

describe("A look at some keys of a folder", () => {
  tests(onFolder)

  it.live("waits for a file that is being written, and comes back to it", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      const looks = yield* Looks
      library.put("growing.mp4", "g", { ageSeconds: 0 })
      let grown = "g"
      faults.head = (head) => {
        library.put("growing.mp4", (grown += "g"), { ageSeconds: 0 })
        return head
      }
      assert.deepStrictEqual(yield* looks.look({ keys: [ObjectKey.make("growing.mp4")], below: [] }), {
        waiting: [ObjectKey.make("growing.mp4")],
        needsScan: false
      })
      assert.deepStrictEqual(yield* statuses, {})
      faults.head = (head) => head
      yield* looks.look({ keys: [ObjectKey.make("growing.mp4")], below: [] })
      assert.deepStrictEqual(yield* statuses, { "growing.mp4": "pending" })
    }).pipe(Effect.provide(onFolder()))
  )
})

describeWith(["s3"], "A look at some keys of a bucket", () => {
  tests(onBucket)
})
