import { symlinkSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import { StoreUnavailable } from "@joy/storage/StoreError"
import { ObjectNotFound } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { IngestConfig } from "../src/IngestConfig.ts"
import { IngestOverview } from "../src/IngestOverview.ts"
import { ScanJournal } from "../src/ScanJournal.ts"
import { Scanner } from "../src/Scanner.ts"
import { items, Library, scan, scanning, statuses, StoreFaults, work } from "./World.ts"

/** As if the workflows had done their work. */
const finishAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE media_items SET status = 'ready' WHERE status = 'pending'`
  yield* sql`DELETE FROM ingest_outbox`
})

/** The scanner of the same library with other pages. */
const scannerOf = (pageSize: number) =>
  Layer.fresh(Scanner.layer).pipe(
    Layer.provide(
      Layer.effect(
        IngestConfig,
        Effect.map(IngestConfig, (config) => ({ ...config, pageSize }))
      )
    )
  )

describe("A scan", () => {
  it.live("adds what is new as pending items with work to do, and leaves the rest alone", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("film.mp4")
      library.put("albums/a song.flac")
      library.put("pictures/2024/IMG_1.JPG")
      for (const other of ["film.srt", "Thumbs.db", ".hidden/a.mp4", "._film.mp4", "@eaDir/b.mp4", "half.mp4.part"]) {
        library.put(other)
      }
      const first = yield* scan()
      assert.deepInclude(first, { status: "finished", listed: 3, new: 3, changed: 0, moved: 0, missing: 0, failed: 0 })
      assert.deepStrictEqual(
        (yield* items).map(({ s3Key, status, title, type, userId, visibility }) => [
          s3Key,
          type,
          title,
          status,
          userId,
          visibility
        ]),
        [
          ["albums/a song.flac", "audio", "a song", "pending", null, "shared"],
          ["film.mp4", "video", "film", "pending", null, "shared"],
          ["pictures/2024/IMG_1.JPG", "image", "IMG_1", "pending", null, "shared"]
        ]
      )
      assert.deepStrictEqual(yield* work, ["albums/a song.flac 1", "film.mp4 1", "pictures/2024/IMG_1.JPG 1"])

      const second = yield* scan()
      assert.deepInclude(second, { status: "finished", listed: 3, new: 0, changed: 0, missing: 0 })
      assert.deepStrictEqual(
        (yield* items).map(({ version }) => version),
        [1, 1, 1]
      )
    }).pipe(Effect.provide(scanning()))
  )

  it.live("finds nothing in an empty folder", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* scan(), { status: "finished", listed: 0, missing: 0, message: null })
    }).pipe(Effect.provide(scanning()))
  )

  it.live("gives what lies under a user's folder to that user, private [C3]", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const sql = yield* SqlClient.SqlClient
      const [user, nobody] = ["018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"]
      yield* sql`INSERT INTO users (id, username, username_key) VALUES (${user}::uuid, 'ada', 'ada')`
      library.put(`users/${user}/a.mp4`)
      library.put(`users/${nobody}/b.mp4`)
      library.put("users/readme.mp4")
      library.put(`Users/${user.toUpperCase()}/c.mp4`)
      yield* scan()
      assert.deepStrictEqual(
        (yield* items).map(({ userId, visibility }) => [userId, visibility]),
        [
          // The folder of a disk that ignores case.
          [user, "private"],
          [user, "private"],
          // A user who is not, or not any more: nobody's, and not the library's either.
          [null, "private"],
          [null, "shared"]
        ]
      )
      library.move(`users/${user}/a.mp4`, "a.mp4")
      library.move("users/readme.mp4", `users/${user}/readme.mp4`)
      assert.deepInclude(yield* scan(), { moved: 2, new: 0, missing: 0 })
      assert.deepStrictEqual(
        (yield* items).map(({ s3Key, userId, visibility }) => [s3Key, userId, visibility]),
        [
          [`Users/${user.toUpperCase()}/c.mp4`, user, "private"],
          ["a.mp4", null, "shared"],
          [`users/${user}/readme.mp4`, user, "private"],
          [`users/${nobody}/b.mp4`, null, "private"]
        ]
      )
    }).pipe(Effect.provide(scanning()))
  )

  it.live("takes a replaced object as changed, and keeps the item", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("a.mp4", "one")
      library.put("b.mp4", "two")
      yield* scan()
      yield* finishAll
      const [before] = yield* items
      library.put("a.mp4", "another one")
      assert.deepInclude(yield* scan(), { listed: 2, new: 0, changed: 1, moved: 0, missing: 0 })
      const [after] = yield* items
      assert.strictEqual(after?.id, before?.id)
      assert.notStrictEqual(after?.etag, before?.etag)
      assert.deepInclude(yield* statuses, { "a.mp4": "pending", "b.mp4": "ready" })
      assert.deepStrictEqual(yield* work, ["a.mp4 2"])
    }).pipe(Effect.provide(scanning()))
  )

  it.live("knows a moved object again, whichever key comes first, and lets its name follow", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("b/one.mp4", "1")
      library.put("m/two.mp4", "22")
      library.put("m/three.mp4", "333")
      yield* scan()
      yield* finishAll
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE media_items SET title = 'Given by hand' WHERE s3_key = 'm/three.mp4'`
      const before = new Map((yield* items).map(({ id, s3Key }) => [s3Key, id]))
      library.move("b/one.mp4", "z/eins.mp4")
      library.move("m/two.mp4", "a/zwei.mp4")
      library.move("m/three.mp4", "m/drei.mp4")
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, moved: 3, missing: 0, listed: 3 })
      assert.deepStrictEqual(
        (yield* items).map(({ id, s3Key, status, title }) => [id, s3Key, title, status]),
        [
          [before.get("m/two.mp4"), "a/zwei.mp4", "zwei", "ready"],
          [before.get("m/three.mp4"), "m/drei.mp4", "Given by hand", "ready"],
          [before.get("b/one.mp4"), "z/eins.mp4", "eins", "ready"]
        ]
      )
      assert.deepStrictEqual(yield* work, [])
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, moved: 0, missing: 0 })
    }).pipe(Effect.provide(scanning({ pageSize: 1 })))
  )

  it.live("starts the work anew on an object that was moved before it was done", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("a.mp4")
      yield* scan()
      library.move("a.mp4", "b.mp4")
      assert.deepInclude(yield* scan(), { moved: 1 })
      assert.deepStrictEqual(yield* work, ["b.mp4 2"])
    }).pipe(Effect.provide(scanning()))
  )

  it.live("marks what is gone as missing, and gives it its status back when it returns", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("a.mp4", "a")
      library.put("b.mp4", "b")
      library.put("c.mp4", "c")
      yield* scan()
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE media_items SET status = 'ready' WHERE s3_key = 'a.mp4'`
      yield* sql`UPDATE media_items SET status = 'failed', failure_step = 'probe', failure_message = 'bad'
        WHERE s3_key = 'b.mp4'`
      yield* sql`DELETE FROM ingest_outbox`
      library.move("a.mp4", "../a")
      library.move("b.mp4", "../b")
      library.move("c.mp4", "../c")
      assert.deepInclude(yield* scan(), { status: "finished", missing: 3 })
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "missing", "b.mp4": "missing", "c.mp4": "missing" })
      assert.deepInclude(yield* scan(), { status: "finished", missing: 0 })

      library.move("../a", "a.mp4")
      library.move("../b", "b.mp4")
      library.move("../c", "c.mp4")
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, missing: 0 })
      assert.deepStrictEqual(yield* statuses, { "a.mp4": "ready", "b.mp4": "failed", "c.mp4": "pending" })
      assert.deepStrictEqual(yield* work, ["c.mp4 2"])
    }).pipe(Effect.provide(scanning()))
  )

  it.live("takes nothing for gone below a folder that could not be looked into, wherever its page ended", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      for (const key of ["a/1.mp4", "closed/1.mp4", "closed/2.mp4", "d/1.mp4"]) library.put(key, key)
      yield* scan()
      yield* finishAll
      library.remove("d")
      faults.list = (list) =>
        Effect.map(list, (page) => ({
          ...page,
          objects: page.objects.filter(({ key }) => !key.startsWith("closed/")),
          unusable: page.objects.some(({ key }) => key === "closed/1.mp4")
            ? [{ key: "closed/", reason: "It may not be read" }]
            : []
        }))
      faults.head = (head) => Effect.flatMap(head, ({ key }) => Effect.fail(new ObjectNotFound({ key })))
      assert.deepInclude(yield* scan(), { status: "finished", missing: 1 })
      assert.deepStrictEqual(
        Object.entries(yield* statuses).flatMap(([key, status]) => (status === "missing" ? [key] : [])),
        ["d/1.mp4"]
      )
    }).pipe(Effect.provide(scanning({ pageSize: 1 })))
  )

  it.live("marks nothing missing when more than half of the library is gone, until somebody accepts it", () =>
    Effect.gen(function* () {
      const library = yield* Library
      for (let i = 0; i < 24; i++) library.put(`${i % 2 === 0 ? "gone" : "kept"}/${i}.mp4`, `body ${i}`)
      library.put("gone/last.mp4")
      yield* scan()
      yield* finishAll
      library.remove("gone")
      const refused = yield* scan()
      assert.deepInclude(refused, { status: "waiting", missing: 0 })
      assert.match(refused.message ?? "", /13 of 25 known objects are gone/)
      assert.isFalse(Object.values(yield* statuses).includes("missing"))
      library.put("kept/new.mp4")
      assert.deepInclude(yield* scan({ acceptMissing: true }), { status: "finished", missing: 13, new: 1 })
      assert.strictEqual(Object.values(yield* statuses).filter((status) => status === "missing").length, 13)
    }).pipe(Effect.provide(scanning()))
  )

  it.live("goes on from its checkpoint when it was left where it was", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      const scanner = yield* Scanner
      for (const name of ["a", "b", "c", "d", "e"]) library.put(`${name}.mp4`, name)
      const id = yield* scanner.start({ acceptMissing: false })
      let pages = 0
      faults.list = (list) => (++pages > 2 ? Effect.die(new Error("kill -9")) : list)
      const pending = yield* scanner.pending
      assert.isNotNull(pending)
      yield* Effect.ignoreCause(scanner.run(pending))
      assert.deepStrictEqual(
        (yield* items).map(({ s3Key }) => s3Key),
        ["a.mp4", "b.mp4"]
      )

      const seen: Array<string> = []
      faults.list = (list) =>
        Effect.tap(list, (page) => Effect.sync(() => seen.push(...page.objects.map(({ key }) => key))))
      assert.strictEqual(yield* scanner.start({ acceptMissing: false }), id, "the same scan")
      const resumed = yield* scan()
      assert.deepInclude(resumed, { id, status: "finished", listed: 5, new: 5, missing: 0 })
      assert.deepStrictEqual(seen, ["c.mp4", "d.mp4", "e.mp4"])
    }).pipe(Effect.provide(scanning({ pageSize: 1 })))
  )

  it.live("compares keys as bytes at the borders of pages, whatever JavaScript makes of their order", () =>
    Effect.gen(function* () {
      const library = yield* Library
      // U+FF5E sorts before U+1F3B5 as bytes (EF < F0) and after it in UTF-16 (D83C < FF5E).
      const keys = [
        "a.mp4",
        "Z.mp4",
        "é.mp4",
        "～.mp4",
        "🎵.mp4",
        "～/x.mp4",
        "🎵/x.mp4",
        "a b.mp4",
        "a/b.mp4",
        "a-b.mp4"
      ]
      for (const key of keys) library.put(key, key)
      for (const pageSize of [1, 2, 3, 7]) {
        const end = yield* scan().pipe(Effect.provide(scannerOf(pageSize)))
        assert.deepInclude(end, { listed: keys.length, missing: 0, changed: 0, moved: 0 }, `pages of ${pageSize}`)
      }
      assert.deepStrictEqual(new Set((yield* items).map(({ s3Key }) => s3Key)), new Set(keys))
      library.remove("🎵.mp4")
      library.remove("～")
      assert.deepInclude(yield* scan(), { missing: 2, new: 0 })
    }).pipe(Effect.provide(scanning()))
  )

  it.live("makes an item that says why of an entry that can't be used, once, and takes it away with the entry", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("good.mp4")
      library.put(Buffer.from("bad-\xff.mp4", "latin1"))
      library.put(Buffer.from("bad-\xff.txt", "latin1"))
      symlinkSync("nowhere.mp4", join(library.root, "dangling.mp4"))
      const first = yield* scan()
      assert.deepInclude(first, { status: "finished", listed: 3, new: 1, failed: 2 })
      const failed = (yield* items).filter(({ status }) => status === "failed")
      assert.deepStrictEqual(
        failed.map(({ failureAttempts, failureStep, s3Key }) => [s3Key, failureStep, failureAttempts]),
        [
          ["bad-\\xff.mp4", "list", 1],
          ["dangling.mp4", "list", 1]
        ]
      )
      for (const { failureMessage } of failed) assert.isNotEmpty(failureMessage)
      assert.deepStrictEqual(yield* work, ["good.mp4 1"])

      assert.deepInclude(yield* scan(), { new: 0, missing: 0, failed: 2 })
      assert.deepStrictEqual(
        (yield* items).map(({ version }) => version),
        [1, 1, 1]
      )

      library.put("nowhere.mp4")
      library.remove("good.mp4")
      library.put("good.mp4", "good again")
      assert.deepInclude(yield* scan(), { new: 1, changed: 2, failed: 1, missing: 0 })
      assert.deepInclude(yield* statuses, { "dangling.mp4": "pending", "nowhere.mp4": "pending" })
    }).pipe(Effect.provide(scanning()))
  )

  it.live("waits for a young file to stop growing, and not for one that was renamed into the folder", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      library.put("old.mp4")
      library.put("done.mp4", "done", { ageSeconds: 0 })
      library.put("growing.mp4", "g", { ageSeconds: 0 })
      let grown = "g"
      faults.head = (head) => {
        library.put("growing.mp4", (grown += "g"), { ageSeconds: 0 })
        return head
      }
      const first = yield* scan()
      assert.deepInclude(first, { status: "finished", listed: 3, new: 2 })
      assert.strictEqual(first.end.unsettled, 1)
      assert.deepStrictEqual(yield* statuses, { "done.mp4": "pending", "old.mp4": "pending" })
      faults.head = (head) => head
      const second = yield* scan()
      assert.deepInclude(second, { new: 1, changed: 0 })
      assert.strictEqual(second.end.unsettled, 0)
    }).pipe(Effect.provide(scanning()))
  )

  it.live("fails with the store's message, and does better the next time", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      library.put("a.mp4")
      faults.list = () =>
        Effect.fail(new StoreUnavailable({ operation: "list", reason: "the disk is gone", retryable: true }))
      const failed = yield* scan()
      assert.deepInclude(failed, { status: "failed", listed: 0 })
      assert.include(failed.message, "the disk is gone")
      assert.isNotNull(failed.finishedAt)
      faults.list = (list) => list
      const next = yield* scan()
      assert.deepInclude(next, { status: "finished", new: 1 })
      assert.notStrictEqual(next.id, failed.id)
    }).pipe(Effect.provide(scanning()))
  )

  it.live("is joined by whoever asks while it runs: what they accept counts, and another one follows", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const journal = yield* ScanJournal
      const scanner = yield* Scanner
      for (let i = 0; i < 25; i++) library.put(`${i}.mp4`, `${i}`)
      yield* scan()
      for (let i = 0; i < 20; i++) library.remove(`${i}.mp4`)
      const id = yield* scanner.start({ acceptMissing: false })
      const pending = yield* scanner.pending
      assert.isNotNull(pending)
      const faults = yield* StoreFaults
      faults.list = (list) =>
        Effect.tap(list, () =>
          Effect.map(journal.begin({ acceptMissing: true, requested: true }), (joined) =>
            assert.strictEqual(joined, id)
          )
        )
      const end = yield* scanner.run(pending)
      assert.deepInclude(end, { status: "finished", rescan: true })
      const record = yield* journal.byId(id)
      assert.strictEqual(record?.missing, 20)
    }).pipe(Effect.provide(scanning()))
  )

  it.live("shows how far it is, page by page", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      const journal = yield* ScanJournal
      for (let i = 0; i < 30; i++) library.put(`${i}.mp4`, `${i}`)
      yield* scan()
      const id = yield* journal.begin({ acceptMissing: false, requested: true })
      const overview = yield* IngestOverview
      const seen: Array<number> = []
      faults.list = (list) =>
        Effect.tap(
          list,
          Effect.fnUntraced(function* () {
            const before = yield* journal.byId(id)
            const shown = yield* overview.look
            const record = yield* journal.byId(id)
            assert.isNotNull(record)
            assert.strictEqual(record.status, "running")
            seen.push(record.listed)
            if (record.listed > 0) {
              assert.isAbove(record.objectsPerSecond ?? 0, 0)
              assert.isNotNull(record.expectedEndAt)
            }
            assert.isAtLeast(shown.scan?.listed ?? -1, before?.listed ?? 0)
            assert.isAtMost(shown.scan?.listed ?? -1, record.listed)
          })
        )
      yield* scan()
      assert.isAbove(new Set(seen).size, 2)
    }).pipe(Effect.provide(IngestOverview.layer.pipe(Layer.provideMerge(scanning({ pageSize: 5 })))))
  )
})
