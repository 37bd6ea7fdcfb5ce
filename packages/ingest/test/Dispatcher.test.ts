import { rmSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { MediaItemId, SessionId, UserId } from "@joy/domain/Ids"
import { allPermissions, type Permission } from "@joy/domain/Permission"
import { FfmpegMissing, UnreadableMedia } from "@joy/media/MediaError"
import { DerivedStore } from "@joy/storage/ObjectStore"
import { ObjectChanged, ObjectNotFound, StoreUnavailable } from "@joy/storage/StoreError"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import type { DerivativeKind } from "../src/DerivativeKind.ts"
import { Dispatcher } from "../src/Dispatcher.ts"
import { Failures } from "../src/Failures.ts"
import { Outbox } from "../src/Outbox.ts"
import { Scans } from "../src/Scans.ts"
import { Slots } from "../src/Slots.ts"
import { aVideo, items, Library, scan, statuses, Tools, until, work, working, workOff } from "./World.ts"

const principal = (...permissions: ReadonlyArray<Permission>) =>
  Effect.provideService(CurrentPrincipal, {
    userId: UserId.make("018f0000-0000-7000-8000-000000000001"),
    credential: { kind: "session", sessionId: SessionId.make("018f0000-0000-7000-8000-000000000002") },
    permissions: new Set(permissions)
  })

const eventNames = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* sql<{ name: string }>`SELECT name FROM events ORDER BY id`
  return events.map(({ name }) => name)
})

const mediaEvents = Effect.map(eventNames, (names) => names.filter((name) => name.startsWith("media.")))

describe("The dispatcher", () => {
  it.live("makes items ready, with their columns and pictures, and tells of it", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const derived = yield* DerivedStore
      library.put("a.mp4")
      yield* scan()
      yield* workOff
      const [item] = yield* items
      assert.isDefined(item)
      assert.deepInclude(item, { status: "ready", type: "video", durationSeconds: 2, failureStep: null })
      assert.deepStrictEqual(item.thumbnails, [{ width: 320, height: 180 }])
      assert.deepStrictEqual(yield* mediaEvents, ["media.updated", "media.updated", "media.ready"])
      const { objects } = yield* derived.list({ prefix: `${item.id}/` })
      assert.deepStrictEqual(
        objects.map(({ key }) => key.split("/").at(-1)),
        ["thumbnail-320.jpeg", "thumbnail-320.webp"]
      )
      const sql = yield* SqlClient.SqlClient
      const [row] = yield* sql<{ metadata: unknown; capturedAt: string }>`SELECT metadata, captured_at FROM media_items`
      assert.deepNestedInclude(row, { "metadata.tags.title": "NUL \uFFFD and half a pair \uFFFD" })
      assert.strictEqual(row?.capturedAt, "2024-05-06T07:08:09.000000Z")
    }).pipe(Effect.provide(working()))
  )

  it.live("lets a bad file fail alone, with the step and the reason, without another try", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      let probed = 0
      tools.probe = (_, object) => {
        if (!object.key.startsWith("bad")) return Effect.succeed(aVideo)
        probed += 1
        return Effect.fail(new UnreadableMedia({ step: "probe", reason: "is empty" }))
      }
      const make = tools.make
      tools.make = (store, object, probe) =>
        object.key === "odd.mp4"
          ? Effect.fail(new UnreadableMedia({ step: "thumbnails", reason: "has no frame" }))
          : make(store, object, probe)
      for (const key of ["a.mp4", "bad.mp4", "odd.mp4", "z.mp4"]) library.put(key, key)
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(
        (yield* items).map(({ failureAttempts, failureMessage, failureStep, s3Key, status }) => [
          s3Key,
          status,
          failureStep,
          failureMessage,
          failureAttempts
        ]),
        [
          ["a.mp4", "ready", null, null, 0],
          ["bad.mp4", "failed", "probe", "The object is empty", 1],
          ["odd.mp4", "failed", "thumbnails", "The object has no frame", 1],
          ["z.mp4", "ready", null, null, 0]
        ]
      )
      assert.strictEqual(probed, 1)
      assert.strictEqual((yield* mediaEvents).filter((name) => name === "media.failed").length, 2)
    }).pipe(Effect.provide(working()))
  )

  it.live("tries again when the store does not answer, ever later, and gives up in the end", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      const at: Array<number> = []
      const away = new StoreUnavailable({ operation: "read", reason: "timed out", retryable: true })
      tools.probe = (_, object) => {
        if (object.key === "soon.mp4") {
          at.push(performance.now())
          return at.length < 3 ? Effect.fail(away) : Effect.succeed(aVideo)
        }
        return object.key === "refused.mp4"
          ? Effect.fail(new StoreUnavailable({ operation: "read", reason: "access denied", retryable: false }))
          : Effect.fail(away)
      }
      for (const key of ["never.mp4", "refused.mp4", "soon.mp4"]) library.put(key, key)
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(
        (yield* items).map(({ failureAttempts, failureMessage, s3Key, status }) => [
          s3Key,
          status,
          failureMessage,
          failureAttempts
        ]),
        [
          ["never.mp4", "failed", "The store failed to read: timed out", 5],
          ["refused.mp4", "failed", "The store failed to read: access denied", 1],
          ["soon.mp4", "ready", null, 0]
        ]
      )
      const [first = 0, second = 0, third = 0] = at
      assert.isAbove(second - first, 30)
      assert.isAbove(third - second, 70)
    }).pipe(Effect.provide(working({ networkAttempts: 5 })))
  )

  it.live("records what nobody foresaw as a failure", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      tools.probe = () => Effect.die(new TypeError("undefined is not a function"))
      library.put("a.mp4")
      yield* scan()
      yield* workOff
      const [item] = yield* items
      assert.deepInclude(item, { status: "failed", failureStep: "probe", failureAttempts: 2 })
      assert.match(item?.failureMessage ?? "", /unforeseen/)
    }).pipe(Effect.provide(working({ unforeseenAttempts: 2 })))
  )

  it.live("ends a run quietly when the object was replaced or is gone", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      library.put("gone.mp4", "gone")
      library.put("swapped.mp4", "before")
      tools.probe = (_, object) => {
        if (object.key === "gone.mp4") return Effect.fail(new ObjectNotFound({ key: object.key }))
        if (object.sizeBytes === "before".length) {
          library.put("swapped.mp4", "afterwards")
          return Effect.fail(new ObjectChanged({ key: object.key }))
        }
        return Effect.succeed(aVideo)
      }
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "gone.mp4": "processing", "swapped.mp4": "processing" })
      assert.deepStrictEqual(new Set(yield* mediaEvents), new Set(["media.updated"]))
      library.remove("gone.mp4")
      assert.deepInclude(yield* scan(), { changed: 1, missing: 1 })
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "gone.mp4": "missing", "swapped.mp4": "ready" })
    }).pipe(Effect.provide(working()))
  )

  it.live("leaves a result alone whose object was replaced while it was found out", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      tools.probe = (_, object) =>
        object.sizeBytes === 6
          ? Deferred.succeed(begun, undefined).pipe(
              Effect.andThen(Deferred.await(go)),
              Effect.as({ ...aVideo, durationSeconds: 99 })
            )
          : Effect.succeed(aVideo)
      library.put("a.mp4", "before")
      yield* scan()
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      yield* Deferred.await(begun)
      library.put("a.mp4", "afterwards")
      assert.deepInclude(yield* scan(), { changed: 1 })
      yield* Deferred.succeed(go, undefined)
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      const [item] = yield* items
      assert.deepInclude(item, { status: "ready", durationSeconds: 2 })
    }).pipe(Effect.provide(working()))
  )

  it.live("starts the work anew on an object that was away for a moment", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const sql = yield* SqlClient.SqlClient
      const tools = yield* Tools
      library.put("a.mp4")
      tools.probe = (_, object) => Effect.fail(new ObjectNotFound({ key: object.key }))
      yield* scan()
      yield* workOff
      tools.probe = () => Effect.succeed(aVideo)
      yield* scan()
      assert.deepStrictEqual(yield* work, [], "not at once, which could go on for ever")
      yield* sql`UPDATE media_items SET updated_at = now() - interval '2 minutes'`
      yield* scan()
      assert.deepStrictEqual(yield* work, ["a.mp4 2"])
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
    }).pipe(Effect.provide(working()))
  )

  it.live("shows items without pictures where ffmpeg is missing", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      tools.make = () => Effect.fail(new FfmpegMissing({ tool: "ffmpeg", reason: "was not found" }))
      library.put("a.mp4")
      yield* scan()
      yield* workOff
      assert.deepInclude((yield* items)[0], { status: "ready", thumbnails: [] })
    }).pipe(Effect.provide(working()))
  )

  let erases = ""
  let erased = 0
  /** Empties the folder between the drawing and the publishing, once. */
  const eraser: DerivativeKind = {
    name: "eraser",
    step: "eraser",
    version: 1,
    after: "probe",
    isLong: false,
    types: ["video"],
    make: (item) => {
      if (++erased === 1) rmSync(join(erases, item.itemId), { recursive: true })
      return Effect.succeed({ keys: [], facts: null })
    },
    record: () => Effect.void
  }

  it.live("believes that the pictures are done only when they are there", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const derived = yield* DerivedStore
      erases = library.derivedRoot
      library.put("a.mp4")
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
      assert.strictEqual(erased, 2)
      assert.strictEqual((yield* derived.list()).objects.length, 2)
    }).pipe(Effect.provide(working({}, [eraser])))
  )

  it.live("tries failed items again when it is told to, each by itself or all", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      const failures = yield* Failures
      tools.probe = () => Effect.fail(new UnreadableMedia({ step: "probe", reason: "is bad" }))
      for (const key of ["a.mp4", "b.mp4", "c.mp4"]) library.put(key, key)
      yield* scan()
      yield* workOff
      tools.probe = () => Effect.succeed(aVideo)
      const [a] = yield* items
      assert.isDefined(a)
      const may = principal("media:refresh")
      yield* failures.retry(MediaItemId.make(a.id)).pipe(may)
      assert.deepStrictEqual(yield* work, ["a.mp4 2"])
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "pending", "b.mp4": "failed", "c.mp4": "failed" })
      yield* failures.retry(MediaItemId.make(a.id)).pipe(may)
      assert.deepStrictEqual(yield* work, ["a.mp4 2"])
      assert.strictEqual(yield* failures.retryAll().pipe(may), 2)
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready", "b.mp4": "ready", "c.mp4": "ready" })
      assert.strictEqual(yield* failures.retryAll().pipe(may), 0)

      const nobody = MediaItemId.make("018f0000-0000-7000-8000-00000000000f")
      const missing = yield* Effect.flip(failures.retry(nobody).pipe(may))
      assert.strictEqual(missing._tag, "MediaItemNotFound")
      const forbidden = yield* Effect.flip(failures.retryAll().pipe(principal("media:read")))
      assert.strictEqual(forbidden._tag, "Forbidden")
    }).pipe(Effect.provide(Failures.layerNoDeps.pipe(Layer.provideMerge(working()))))
  )

  it.live("never works on more than it may, and takes the newest in between", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      const order: Array<string> = []
      let now = 0
      let most = 0
      // What has begun goes on when the new one is there.
      const isThere = yield* Deferred.make<void>()
      tools.probe = (_, object) =>
        Effect.gen(function* () {
          order.push(object.key)
          now += 1
          most = Math.max(most, now)
          yield* Deferred.await(isThere)
          yield* Effect.yieldNow
          now -= 1
          return aVideo
        })
      for (let i = 10; i < 50; i++) library.put(`old-${i}.mp4`, `${i}`)
      yield* scan()
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      yield* until(
        Effect.sync(() => order.length),
        (begun) => begun === 3
      )
      library.put("new.mp4")
      yield* scan()
      yield* Deferred.succeed(isThere, undefined)
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(most, 3)
      assert.strictEqual(order.length, 41)
      assert.isAbove(order.filter((key, index) => key.startsWith("old") && index > order.indexOf("new.mp4")).length, 5)
    }).pipe(Effect.provide(working({ concurrency: 3 })))
  )

  it.live("rests while a disk is full, without counting the tries, and goes on when there is room", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      const slots = yield* Slots
      const full = new StoreUnavailable({ operation: "write", reason: "full", retryable: false, isFull: true })
      const make = tools.make
      let tries = 0
      tools.make = (store, object, probe) => (++tries < 8 ? Effect.fail(full) : make(store, object, probe))
      library.put("a.mp4")
      yield* scan()
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      yield* until(
        Effect.sync(() => slots.isResting()),
        (isResting) => isResting
      )
      const sql = yield* SqlClient.SqlClient
      const waiting = sql<{ attempts: number; starts: number }>`SELECT attempts, starts FROM ingest_outbox`
      assert.deepInclude((yield* waiting)[0], { attempts: 0 })
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(tries, 8)
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
    }).pipe(Effect.provide(working({ fullDiskRest: Duration.millis(60), unforeseenAttempts: 2 })))
  )

  it.live("hands out again what was handed out and got lost on the way", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const outbox = yield* Outbox
      library.put("first.mp4")
      yield* scan()
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      yield* until(work, (left) => left.length === 0)
      // As if the dispatcher had died between taking and handing out, and another one ran already.
      library.put("lost.mp4", "lost")
      const sql = yield* SqlClient.SqlClient
      yield* sql.withTransaction(Effect.andThen(scan(), outbox.take("short", "oldest", 1)))
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* statuses, { "first.mp4": "ready", "lost.mp4": "ready" })
    }).pipe(Effect.provide(working({ overdue: Duration.millis(200) })))
  )

  it.live("gives another run to work that ended without a result", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const sql = yield* SqlClient.SqlClient
      library.put("a.mp4")
      yield* scan()
      // Its execution is over and done with, and yet the work is there.
      yield* sql`CREATE TABLE kept AS SELECT * FROM ingest_outbox`
      yield* workOff
      yield* sql`
        INSERT INTO ingest_outbox (item_id, s3_key, etag, size_bytes, run, submitted_at)
        SELECT item_id, s3_key, etag, size_bytes, run, now() FROM kept`
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready" })
      const [object] = yield* sql<{ run: number }>`SELECT run FROM processed_s3_objects`
      assert.strictEqual(object?.run, 2)
    }).pipe(Effect.provide(working({ overdue: Duration.millis(200) })))
  )

  it.live("takes up what a process before it had taken or had not", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const outbox = yield* Outbox
      for (const key of ["a.mp4", "b.mp4", "c.mp4"]) library.put(key, key)
      yield* scan()
      assert.lengthOf(yield* outbox.take("short", "oldest", 1), 1)
      assert.lengthOf(yield* outbox.take("short", "newest", 1), 1)
      yield* workOff
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready", "b.mp4": "ready", "c.mp4": "ready" })
    }).pipe(Effect.provide(working()))
  )

  it.live("gives up on an object that ends the process each time it is read", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const sql = yield* SqlClient.SqlClient
      const tools = yield* Tools
      tools.probe = () => Effect.die(new Error("must not be read again"))
      library.put("deadly.mp4")
      yield* scan()
      yield* sql`UPDATE ingest_outbox SET starts = 12`
      yield* workOff
      const [item] = yield* items
      assert.deepInclude(item, { status: "failed", failureStep: "probe" })
      assert.include(item?.failureMessage, "10 times")
    }).pipe(Effect.provide(working()))
  )

  it.live("removes the pictures of a version that the item no longer has", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const derived = yield* DerivedStore
      library.put("a.mp4", "one")
      yield* scan()
      yield* workOff
      const before = new Set((yield* derived.list()).objects.map(({ key }) => key))
      library.put("a.mp4", "another")
      yield* scan()
      yield* workOff
      // After the work is done: nobody waits for it.
      const files = Effect.map(derived.list(), ({ objects }) => objects.map(({ key }) => key))
      const after = yield* until(files, (keys) => !keys.some((key) => before.has(key)))
      assert.strictEqual(after.length, 2)
      rmSync(library.derivedRoot, { recursive: true })
    }).pipe(Effect.provide(working()))
  )
})

describe("Scans", () => {
  const layer = Scans.layerNoDeps.pipe(Layer.provideMerge(working()))

  it.live("start for who may refresh, join the one that runs, and can be looked at", () =>
    Effect.gen(function* () {
      const scans = yield* Scans
      const may = principal(...allPermissions)
      const first = yield* scans.refresh({ acceptMissing: false }).pipe(may)
      assert.strictEqual(yield* scans.refresh({ acceptMissing: true }).pipe(may), first)
      assert.deepInclude(yield* scans.byId(first).pipe(may), { status: "running", listed: 0, finishedAt: null })
      yield* scan()
      assert.deepInclude(yield* scans.byId(first).pipe(may), { status: "finished" })
      assert.notStrictEqual(yield* scans.refresh({ acceptMissing: false }).pipe(may), first)
      assert.include(yield* eventNames, "scan.finished")
      const forbidden = yield* Effect.flip(scans.refresh({ acceptMissing: false }).pipe(principal("media:read")))
      assert.strictEqual(forbidden._tag, "Forbidden")
    }).pipe(Effect.provide(layer))
  )
})
