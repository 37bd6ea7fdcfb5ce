import { appendFileSync, copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

import { assert, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import { TestDatabase } from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"

import { Condition } from "../src/Condition.ts"
import { Maintenance } from "../src/Maintenance.ts"
import { ScanJournal } from "../src/ScanJournal.ts"
import { daemonProcess } from "./DaemonProcess.ts"
import * as RealDaemon from "./RealDaemon.ts"
import { ground, items, Library, statuses, until, work } from "./World.ts"

const world = Layer.merge(ScanJournal.layer, Maintenance.layer).pipe(Layer.provideMerge(ground()))

const options = Effect.fnUntraced(function* (
  more: Partial<RealDaemon.DaemonOptions> = {}
): Effect.fn.Return<RealDaemon.DaemonOptions, never, Library | TestDatabase> {
  const { derivedRoot, root } = yield* Library
  const { url } = yield* TestDatabase
  return { databaseUrl: Redacted.value(url), root, derivedRoot, intervalMillis: 500, ...more }
})

const copyInto = (root: string, key: string, from: string) => {
  mkdirSync(dirname(join(root, key)), { recursive: true })
  copyFileSync(from, join(root, key))
}

const settled = (found: Record<string, string>) =>
  Object.values(found).every((status) => status === "ready" || status === "failed")

describeWith(["ffmpeg"], "The ingest daemon", () => {
  it.live("makes a folder of real media ready; bad files fail alone and say why", () =>
    Effect.gen(function* () {
      const { derivedRoot, root } = yield* Library
      const video = yield* TestMedia.video()
      copyInto(root, "video.mp4", video)
      copyInto(root, "matroska.mkv", yield* TestMedia.video({ container: "mkv" }))
      copyInto(root, "song.mp3", yield* TestMedia.audio())
      copyInto(root, "picture.jpg", yield* TestMedia.image())
      writeFileSync(join(root, "empty.mp4"), "")
      writeFileSync(join(root, "text.mp4"), "this is no video\n".repeat(500))
      writeFileSync(join(root, "cut.mp4"), readFileSync(video).subarray(0, 5000))
      yield* Effect.gen(function* () {
        const end = yield* until(statuses, (found) => Object.keys(found).length === 7 && settled(found), "40 seconds")
        assert.deepStrictEqual(end, {
          "cut.mp4": "failed",
          "empty.mp4": "failed",
          "matroska.mkv": "ready",
          "picture.jpg": "ready",
          "song.mp3": "ready",
          "text.mp4": "failed",
          "video.mp4": "ready"
        })
        const all = yield* items
        for (const item of all.filter(({ status }) => status === "failed")) {
          assert.isNotEmpty(item.failureMessage, item.s3Key)
          assert.strictEqual(item.failureStep, "probe", item.s3Key)
          assert.strictEqual(item.failureAttempts, 1, item.s3Key)
        }
        const ready = all.find(({ s3Key }) => s3Key === "video.mp4")
        assert.isDefined(ready)
        assert.deepInclude(ready, { type: "video" })
        assert.approximately(ready.durationSeconds ?? 0, 2, 0.2)
        assert.deepStrictEqual(ready.thumbnails, [{ width: 320, height: 180 }])
        const webp = readFileSync(join(derivedRoot, `${ready.id}/${encodeURIComponent(ready.etag)}/thumbnail-320.webp`))
        assert.strictEqual(webp.subarray(8, 12).toString(), "WEBP")
        yield* until(work, (left) => left.length === 0)

        const sql = yield* SqlClient.SqlClient
        const maintenance = yield* Maintenance
        const messages = Effect.map(
          sql`SELECT 1 FROM cluster_messages UNION ALL SELECT 1 FROM cluster_replies`,
          (all) => all.length
        )
        const before = yield* messages
        assert.isAbove(before, 0)
        yield* maintenance.frequent
        assert.strictEqual(yield* messages, before, "what is young may still be asked for")
        const clock = yield* Clock.Clock
        const later: Clock.Clock = {
          currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + 3_600_000),
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + 3_600_000,
          currentTimeNanos: clock.currentTimeNanos,
          currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
          monotonicTimeNanos: clock.monotonicTimeNanos,
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
          sleep: (duration) => clock.sleep(duration)
        }
        yield* Effect.provideService(maintenance.frequent, Clock.Clock, later)
        assert.strictEqual(yield* messages, 0)
        yield* maintenance.hourly
      }).pipe(Effect.provide(RealDaemon.layer(yield* options())))
    }).pipe(Effect.provide(world))
  )

  it.live("picks up new, replaced, moved and removed files, and scans that another process asks for", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const journal = yield* ScanJournal
      const video = readFileSync(yield* TestMedia.video())
      const other = readFileSync(yield* TestMedia.video({ seconds: 1 }))
      const scanNow = Effect.gen(function* () {
        const id = yield* journal.begin({ acceptMissing: false, requested: true })
        yield* until(journal.byId(id), (scan) => scan?.status === "finished")
      })
      yield* Effect.gen(function* () {
        library.put("a.mp4", video)
        yield* scanNow
        yield* until(statuses, (found) => found["a.mp4"] === "ready")
        const [before] = yield* items
        assert.isDefined(before)
        library.put("a.mp4", other)
        yield* scanNow
        const [after] = yield* until(items, ([item]) => item?.status === "ready" && item.etag !== before.etag)
        assert.strictEqual(after?.id, before.id)
        assert.approximately(after?.durationSeconds ?? 0, 1, 0.2)
        library.move("a.mp4", "deep/down/b.mp4")
        yield* scanNow
        const [moved] = yield* until(items, ([item]) => item?.s3Key === "deep/down/b.mp4")
        assert.deepInclude(moved, { id: before.id, status: "ready", title: "b" })
        library.remove("deep")
        yield* scanNow
        yield* until(statuses, (found) => found["deep/down/b.mp4"] === "missing")
      }).pipe(Effect.provide(RealDaemon.layer(yield* options({ intervalMillis: 3_600_000 }))))
    }).pipe(Effect.provide(world))
  )

  it.live("loses nothing and does nothing twice when it is killed over and over", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const image = readFileSync(yield* TestMedia.image())
      const count = 60
      for (let i = 0; i < count; i++) writeFileSync(join(root, `${i}.jpg`), Buffer.concat([image, Buffer.from(`${i}`)]))
      const ready = Effect.map(statuses, (found) => Object.values(found).filter((status) => status === "ready").length)
      const daemon = yield* options({ intervalMillis: 200 })
      for (let life = 1; life <= 3; life++) {
        const process = yield* daemonProcess(daemon)
        yield* until(ready, (found) => found >= life * 12, "60 seconds")
        yield* process.kill
      }
      yield* daemonProcess(daemon)
      yield* until(ready, (found) => found === count, "60 seconds")
      yield* until(work, (left) => left.length === 0)
      const events = yield* sql<{ count: number }>`
        SELECT count(*)::int AS count FROM events WHERE name = 'media.ready' GROUP BY data ->> 'mediaId'`
      assert.strictEqual(events.length, count)
      assert.deepStrictEqual([...new Set(events.map(({ count }) => count))], [1])
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.live("refuses to work beside another one, and takes over when that is gone", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      copyInto(root, "a.jpg", yield* TestMedia.image())
      const first = yield* daemonProcess(yield* options())
      yield* until(statuses, (found) => found["a.jpg"] === "ready", "60 seconds")
      const second = yield* Effect.flip(Effect.scoped(Layer.build(RealDaemon.layer(yield* options()))))
      assert.strictEqual(second._tag, "IngestAlreadyRunning")
      assert.include(second.message, "Another joy up or joy ingest works on this database")

      yield* first.kill
      copyInto(root, "b.jpg", yield* TestMedia.image())
      yield* until(statuses, (found) => found["b.jpg"] === "ready", "60 seconds").pipe(
        Effect.provide(RealDaemon.layer(yield* options()))
      )
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.live("shares the work with another process, which goes on alone when the first is killed", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const image = readFileSync(yield* TestMedia.image())
      const put = (name: string) => writeFileSync(join(root, name), Buffer.concat([image, Buffer.from(name)]))
      const runners = sql<{ address: string; shards: number; inHand: number }>`
        SELECT address, shards, in_hand FROM ingest_runners ORDER BY id`
      const ready = Effect.map(statuses, (found) => Object.values(found).filter((status) => status === "ready").length)
      const first = yield* daemonProcess(yield* options({ shared: true }))
      const second = yield* daemonProcess(yield* options({ shared: true }))
      yield* until(runners, (found) => found.length === 2 && found.every(({ shards }) => shards > 50), "60 seconds")
      const alone = yield* Effect.flip(Effect.scoped(Layer.build(RealDaemon.layer(yield* options()))))
      assert.strictEqual(alone._tag, "IngestAlreadyRunning", "one that works alone suffers no other")

      for (let i = 0; i < 40; i++) put(`${i}.jpg`)
      yield* until(runners, (found) => found.length === 2 && found.every(({ inHand }) => inHand > 0), "60 seconds")
      yield* until(ready, (found) => found > 5, "60 seconds")
      yield* first.kill
      yield* until(ready, (found) => found === 40, "60 seconds")
      assert.lengthOf(yield* runners, 1)
      put("later.jpg")
      yield* until(ready, (found) => found === 41, "60 seconds")
      yield* second.kill
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.live("takes a large file that is renamed into the folder, be it fresh or old", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const filler = Buffer.alloc(20_000_000)
      // A box that players skip (ISO/IEC 14496-12, 8.1.2) makes a small video a large file.
      filler.writeUInt32BE(filler.length)
      filler.write("free", 4)
      const large = Buffer.concat([
        readFileSync(yield* TestMedia.video({ seconds: 4, width: 1280, height: 720 })),
        filler
      ])
      yield* Effect.gen(function* () {
        copyInto(root, "first.jpg", yield* TestMedia.image())
        yield* until(statuses, (found) => found["first.jpg"] === "ready")
        for (const name of ["one.mp4", "two.mp4"]) {
          writeFileSync(join(root, `${name}.part`), large)
          renameSync(join(root, `${name}.part`), join(root, name))
          yield* until(statuses, (found) => found[name] === "ready")
        }
      }).pipe(Effect.provide(RealDaemon.layer(yield* options({ intervalMillis: 1000 }))))
    }).pipe(Effect.provide(world))
  )

  it.live("looks soon again at a file that is being written, and takes it when it is whole", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const video = readFileSync(yield* TestMedia.video({ seconds: 4 }))
      copyInto(root, "first.jpg", yield* TestMedia.image())
      yield* Effect.gen(function* () {
        yield* until(statuses, (found) => found["first.jpg"] === "ready")
        const id = yield* Effect.flatMap(ScanJournal, (journal) =>
          Effect.tap(journal.begin({ acceptMissing: false, requested: true }), () =>
            Effect.sync(() => writeFileSync(join(root, "growing.mp4"), ""))
          )
        )
        assert.isNotEmpty(id)
        const pieces = 15
        for (let piece = 0; piece < pieces; piece++) {
          const [from, to] = [piece, piece + 1].map((part) => Math.floor((video.length * part) / pieces))
          appendFileSync(join(root, "growing.mp4"), video.subarray(from, to))
          yield* Effect.sleep("100 millis")
          assert.notProperty(yield* statuses, "growing.mp4")
        }
        yield* until(statuses, (found) => found["growing.mp4"] === "ready", "5 seconds")
        assert.strictEqual((yield* sql`SELECT 1 FROM events WHERE name = 'media.failed'`).length, 0)
      }).pipe(Effect.provide(RealDaemon.layer(yield* options({ intervalMillis: 3_600_000 }))))
    }).pipe(Effect.provide(world))
  )

  it.live("goes on when the database has thrown it out", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const image = readFileSync(yield* TestMedia.image())
      const put = (name: string) => writeFileSync(join(root, name), Buffer.concat([image, Buffer.from(name)]))
      const ready = Effect.map(statuses, (found) => Object.values(found).filter((status) => status === "ready").length)
      yield* Effect.gen(function* () {
        for (let i = 0; i < 30; i++) put(`${i}.jpg`)
        for (const reached of [5, 15]) {
          yield* until(ready, (found) => found >= reached, "40 seconds")
          yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = ${RealDaemon.applicationName}`
        }
        yield* until(ready, (found) => found === 30, "60 seconds")
        put("later.jpg")
        yield* until(ready, (found) => found === 31, "60 seconds")
        yield* until(work, (left) => left.length === 0)
        // One lock for being there, one for working. The loss is noticed at the next heartbeat.
        const locks = Effect.map(
          sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database =
            (SELECT oid FROM pg_database WHERE datname = current_database())`,
          (held) => held.length
        )
        yield* until(locks, (count) => count === 2, "60 seconds")
      }).pipe(Effect.provide(RealDaemon.layer(yield* options({ intervalMillis: 300 }))))
    }).pipe(Effect.provide(world))
  )

  it.live("notices that its messages stand still, says so, and starts its runner anew, which helps", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const condition = yield* Condition
      const image = yield* TestMedia.image()
      copyInto(root, "first.jpg", image)
      yield* until(statuses, (found) => found["first.jpg"] === "ready", "60 seconds")
      assert.isTrue(yield* condition.isReady)
      // Nobody can read a message any more, and nothing says so, until a runner registers anew.
      yield* sql`CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`
      yield* sql`
        CREATE FUNCTION let_go() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN ALTER TABLE cluster_messages DISABLE TRIGGER unread; RETURN NULL; END'`
      yield* sql`
        CREATE TRIGGER unread BEFORE UPDATE ON cluster_messages FOR EACH ROW
        WHEN (OLD.last_read IS NULL AND NEW.last_read IS NOT NULL) EXECUTE FUNCTION skip()`
      yield* sql`CREATE TRIGGER registered AFTER INSERT OR UPDATE OF runner ON cluster_runners
        FOR EACH STATEMENT EXECUTE FUNCTION let_go()`
      copyInto(root, "second.jpg", image)
      yield* until(condition.current, (state) => state === "stalled", "30 seconds")
      assert.isFalse(yield* condition.isReady)
      const [runner] = yield* sql<{ state: string }>`SELECT state FROM ingest_runners`
      assert.strictEqual(runner?.state, "stalled")
      yield* until(statuses, (found) => found["second.jpg"] === "ready", "60 seconds")
      yield* until(condition.isReady, (isReady) => isReady)
    }).pipe(
      Effect.provide(
        Layer.unwrap(Effect.map(options({ shared: true, stallMillis: 1500 }), RealDaemon.layer)).pipe(
          Layer.provideMerge(world)
        )
      )
    )
  )

  it.live("gives a message that was read and then lost to be read again", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const sql = yield* SqlClient.SqlClient
      const image = yield* TestMedia.image()
      copyInto(root, "first.jpg", image)
      yield* until(statuses, (found) => found["first.jpg"] === "ready", "60 seconds")
      // As if somebody had read it and fallen silent: upstream it is read again after ten minutes.
      yield* sql`CREATE FUNCTION claim() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.last_read = now(); RETURN NEW; END'`
      yield* sql`CREATE TRIGGER claimed BEFORE INSERT ON cluster_messages FOR EACH ROW
        WHEN (NEW.tag = 'run') EXECUTE FUNCTION claim()`
      copyInto(root, "second.jpg", image)
      yield* until(statuses, (found) => found["second.jpg"] === "ready", "30 seconds")
    }).pipe(
      Effect.provide(
        Layer.unwrap(Effect.map(options({ stallMillis: 4000 }), RealDaemon.layer)).pipe(Layer.provideMerge(world))
      )
    )
  )

  it.live("stops at once in the middle of its work, and leaves what it was doing to the next one", () =>
    Effect.gen(function* () {
      const { root } = yield* Library
      const image = readFileSync(yield* TestMedia.image({ width: 4000, height: 3000 }))
      for (let i = 0; i < 20; i++) writeFileSync(join(root, `${i}.jpg`), Buffer.concat([image, Buffer.from(`${i}`)]))
      const ready = Effect.map(statuses, (found) => Object.values(found).filter((status) => status === "ready").length)
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(RealDaemon.layer(yield* options()), scope)
      yield* until(ready, (found) => found > 2, "40 seconds")
      const begun = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - begun, 5000)
      assert.isBelow(yield* ready, 20)
      yield* until(ready, (found) => found === 20, "60 seconds").pipe(
        Effect.provide(RealDaemon.layer(yield* options()))
      )
    }).pipe(Effect.provide(world))
  )
})
