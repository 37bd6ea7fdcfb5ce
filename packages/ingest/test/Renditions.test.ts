import { writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import { RenditionRequests } from "@joy/catalog/RenditionRequests"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { MediaItemId, SessionId, UserId } from "@joy/domain/Ids"
import { type MediaStream, unknownStream } from "@joy/domain/MediaStream"
import { builtInRoles, expand } from "@joy/domain/Permission"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import { MediaResourceExceeded, UnreadableMedia } from "@joy/media/MediaError"
import { DerivedStore } from "@joy/storage/ObjectStore"
import { StoreUnavailable } from "@joy/storage/StoreError"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import * as Demands from "../src/Demands.ts"
import { Dispatcher } from "../src/Dispatcher.ts"
import { Failures } from "../src/Failures.ts"
import { Rebuilds } from "../src/Rebuilds.ts"
import { aVideo, items, Library, scan, statuses, Tools, until, work, working, workOff } from "./World.ts"

const services = (...args: Parameters<typeof working>) =>
  Layer.mergeAll(RenditionRequests.layer.pipe(Layer.provide(Demands.layer)), Failures.layer, Rebuilds.layerNoDeps).pipe(
    Layer.provideMerge(working(...args))
  )

const stream = (type: MediaStream["type"], codec: string): MediaStream => ({ ...unknownStream, index: 0, type, codec })
const anAvi = { ...aVideo, container: "avi", videoCodec: "mpeg4", streams: [stream("video", "mpeg4")] }
const anMp4 = { ...aVideo, streams: [stream("video", "h264")] }

const source = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.flatMap(
    sql<{ id: string; key: string; etag: string; size: number }>`
      SELECT id, s3_key AS key, etag, size_bytes::float8 AS size FROM media_items WHERE s3_key LIKE '%.avi'`,
    ([row]) =>
      row === undefined
        ? Effect.die(new Error("There is no item"))
        : Effect.succeed({
            itemId: MediaItemId.make(row.id),
            key: ObjectKey.make(row.key),
            etag: ETag.make(row.etag),
            sizeBytes: row.size
          })
  )
)

const want = Effect.flatMap(RenditionRequests, (requests) => Effect.flatMap(source, requests.want))

const recorded = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ rendition: unknown }>`SELECT rendition FROM media_items WHERE s3_key LIKE '%.avi'`,
    ([row]) => row?.rendition
  )
)

const files = Effect.flatMap(DerivedStore, (derived) =>
  Effect.map(derived.list(), ({ objects }) => objects.map(({ key }) => key).filter((key) => key.endsWith(".mp4")))
)

const asAdmin = Effect.provideService(CurrentPrincipal, {
  userId: UserId.make(SecureRandom.uuidV7Unsafe()),
  credential: { kind: "session", sessionId: SessionId.make(SecureRandom.uuidV7Unsafe()) },
  permissions: expand(builtInRoles.admin)
})

const library = Effect.gen(function* () {
  const { derivedRoot, put } = yield* Library
  const tools = yield* Tools
  tools.probe = (_, object) => Effect.succeed(object.key.endsWith(".avi") ? anAvi : anMp4)
  const path = join(derivedRoot, "..", "made.mp4")
  writeFileSync(path, "a film")
  put("a.avi")
  yield* scan()
  yield* workOff
  return { path, put, tools }
})

describe("A rendition", () => {
  it.live("is made when it is wanted, once however many want it, and says how far it is", () =>
    Effect.gen(function* () {
      const { path, put, tools } = yield* library
      let made = 0
      let holds = true
      tools.rendition = (_store, _object, _probe, progress) =>
        Effect.gen(function* () {
          made += 1
          yield* progress(0.425)
          yield* Effect.repeat(Effect.sleep("20 millis"), { while: () => holds })
          return path
        })
      assert.deepStrictEqual(yield* files, [])
      const asked = yield* Effect.all(
        Array.from({ length: 8 }, () => want),
        { concurrency: 8 }
      )
      assert.deepStrictEqual([...new Set(asked)], [0])
      assert.lengthOf(yield* work, 1)
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      yield* until(want, (percent) => percent === 42)
      // It takes none of the places of files that come: there is but one here.
      put("new.mp4")
      yield* scan()
      yield* until(work, (left) => left.length === 1)
      assert.strictEqual((yield* statuses)["new.mp4"], "ready")
      holds = false
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(yield* recorded, { sizeBytes: 6 })
      assert.lengthOf(yield* files, 1)
      // Who asks by what they knew a moment ago begins nothing anew.
      yield* want
      assert.deepStrictEqual(yield* work, [])
      assert.strictEqual(made, 1)
    }).pipe(Effect.provide(services({ concurrency: 1 }, "all")))
  )

  it.live("that can't be made is not tried again by who wants it, but by who says so", () =>
    Effect.gen(function* () {
      const { path, tools } = yield* library
      let tries = 0
      tools.rendition = () => {
        tries += 1
        return Effect.fail(new UnreadableMedia({ step: "rendition", reason: "shows nothing" }))
      }
      yield* want
      yield* workOff
      assert.isNull(yield* want)
      assert.deepStrictEqual([yield* work, tries], [[], 1])
      assert.deepStrictEqual(yield* statuses, { "a.avi": "ready" })

      const failures = yield* Failures
      const { itemId } = yield* source
      tools.rendition = () => Effect.succeed(path)
      yield* asAdmin(failures.retry(itemId))
      yield* asAdmin(failures.retry(itemId))
      assert.lengthOf(yield* work, 1)
      assert.strictEqual(yield* want, 0)
      yield* workOff
      assert.deepInclude(yield* recorded, { sizeBytes: 6 })
    }).pipe(Effect.provide(services({}, "all")))
  )

  it.live("waits for room on the disk, and goes with the object that it was made of", () =>
    Effect.gen(function* () {
      const { path, put, tools } = yield* library
      const full = new StoreUnavailable({ operation: "write", reason: "full", retryable: false, isFull: true })
      let tries = 0
      tools.rendition = () => (++tries < 4 ? Effect.fail(full) : Effect.succeed(path))
      yield* want
      yield* workOff
      assert.strictEqual(tries, 4)
      assert.lengthOf(yield* files, 1)

      put("a.avi", "another film")
      yield* scan()
      yield* workOff
      assert.isNull(yield* recorded)
      // Tidied up after the work.
      yield* until(files, (left) => left.length === 0)
      // Replaced while it is made: it is of no use to anybody.
      let holds = true
      tools.rendition = () => Effect.as(Effect.repeat(Effect.sleep("20 millis"), { while: () => holds }), path)
      yield* want
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      const sql = yield* SqlClient.SqlClient
      yield* until(sql<{ starts: number }>`SELECT starts FROM ingest_outbox`, ([row]) => row?.starts === 1)
      put("a.avi", "a third one")
      yield* scan()
      holds = false
      yield* until(work, (left) => left.length === 0)
      yield* Fiber.interrupt(fiber)
      assert.isNull(yield* recorded)
      yield* until(files, (left) => left.length === 0)
      assert.strictEqual(yield* want, 0)
    }).pipe(Effect.provide(services({ fullDiskRest: Duration.millis(50) }, "all")))
  )

  it.live("is made anew for all that browsers don't play, failures included, and for nothing else", () =>
    Effect.gen(function* () {
      const { path, put, tools } = yield* library
      put("b.mp4")
      yield* scan()
      yield* workOff
      tools.rendition = () => Effect.fail(new MediaResourceExceeded({ step: "rendition", resource: "cpu" }))
      yield* want
      yield* workOff
      assert.isNull(yield* want)
      const objects: Array<string> = []
      tools.rendition = (_, object) => Effect.sync(() => objects.push(object.key)).pipe(Effect.as(path))
      const rebuilds = yield* Rebuilds
      const { id } = yield* rebuilds.start("rendition")
      const dispatcher = yield* Dispatcher
      const fiber = yield* Effect.forkChild(dispatcher.run)
      const rebuild = yield* until(
        Effect.andThen(rebuilds.advance, rebuilds.byId(id)),
        (found) => found?.isFinished === true
      )
      yield* Fiber.interrupt(fiber)
      assert.deepInclude(rebuild, { total: 2, done: 2, failed: 0 })
      assert.deepStrictEqual(objects, ["a.avi"])
      assert.deepInclude(yield* recorded, { sizeBytes: 6 })
      assert.deepStrictEqual(Object.values(yield* statuses), ["ready", "ready"])
      assert.lengthOf(yield* items, 2)
    }).pipe(Effect.provide(services({}, "all")))
  )
})
