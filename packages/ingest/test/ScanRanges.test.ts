import { assert, describe, it } from "@effect/vitest"
import { ScanId } from "@joy/domain/Ids"
import { StoreUnavailable } from "@joy/storage/StoreError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"

import { ScanJournal } from "../src/ScanJournal.ts"
import { Scanner } from "../src/Scanner.ts"
import { items, Library, scan, scanning, StoreFaults } from "./World.ts"

const names = Array.from({ length: 60 }, (_, at) => `${String(at).padStart(2, "0")} ${at % 2 === 0 ? "é" : "z"}.mp4`)

const filled = Effect.gen(function* () {
  const library = yield* Library
  const sql = yield* SqlClient.SqlClient
  for (const name of names) library.put(name, `body of ${name}`)
  yield* scan()
  yield* sql`UPDATE media_items SET status = 'ready'`
  yield* sql`DELETE FROM ingest_outbox`
  return library
})

/** Which part of the key space each listing was asked for, and which keys it gave. */
const watched = Effect.gen(function* () {
  const faults = yield* StoreFaults
  const asked: Array<{
    readonly startAfter: string
    readonly upTo: string | null
    readonly keys: ReadonlyArray<string>
  }> = []
  faults.list = (list, options) =>
    Effect.tap(list, (page) =>
      Effect.sync(() =>
        asked.push({
          startAfter: options?.startAfter ?? "",
          upTo: options?.upTo ?? null,
          keys: page.objects.map(({ key }) => key)
        })
      )
    )
  return asked
})

describe("A scan in ranges", () => {
  it.live("lists a library that is known in several parts at once, and each key once", () =>
    Effect.gen(function* () {
      yield* filled
      const asked = yield* watched
      assert.deepInclude(yield* scan(), { listed: names.length, new: 0, changed: 0, moved: 0, missing: 0 })
      assert.deepStrictEqual(asked.flatMap(({ keys }) => keys).toSorted(), names)
      const parts = Map.groupBy(asked, ({ upTo }) => upTo)
      assert.strictEqual(parts.size, 4)
      for (const part of parts.values())
        assert.lengthOf(
          part.flatMap(({ keys }) => keys),
          names.length / 4
        )
    }).pipe(Effect.provide(scanning({ pageSize: 3, ranges: 4 })))
  )

  it.live("does not divide what a few pages hold", () =>
    Effect.gen(function* () {
      yield* filled
      const asked = yield* watched
      yield* scan()
      assert.deepStrictEqual(new Set(asked.map(({ upTo }) => upTo)), new Set([null]))
    }).pipe(Effect.provide(scanning({ pageSize: 20, ranges: 4 })))
  )

  it.live("finds what came, went and moved at the borders of its parts", () =>
    Effect.gen(function* () {
      const library = yield* filled
      const asked = yield* watched
      yield* scan()
      const borders = [...new Set(asked.flatMap(({ upTo }) => upTo ?? []))].toSorted()
      assert.lengthOf(borders, 3)
      const [first = "", second = "", third = ""] = borders
      library.remove(first)
      library.put(`${second}.mp4`, "just behind a border")
      library.put(second.replace(".mp4", "!.mp4"), "just before it")
      library.move(third, "00 a.mp4")
      library.put("zz.mp4", "at the end")
      library.put("!.mp4", "at the beginning")
      assert.deepInclude(yield* scan(), { new: 4, changed: 0, moved: 1, missing: 1 })
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, moved: 0, missing: 0, listed: names.length + 3 })
    }).pipe(Effect.provide(scanning({ pageSize: 2, ranges: 4 })))
  )

  it.live("goes on at the checkpoint of each part, and lists nothing again that was dealt with", () =>
    Effect.gen(function* () {
      yield* filled
      const faults = yield* StoreFaults
      const scanner = yield* Scanner
      const sql = yield* SqlClient.SqlClient
      const id = yield* scanner.start({ acceptMissing: false })
      const pending = yield* scanner.pending
      assert.isNotNull(pending)
      let pages = 0
      faults.list = (list) => (++pages > 9 ? Effect.die(new Error("kill -9")) : list)
      yield* Effect.ignoreCause(scanner.run(pending))
      const [left] = yield* sql<{ listed: number; parts: number }>`
        SELECT sum(listed)::integer AS listed, count(*)::integer AS parts FROM scan_ranges`
      assert.strictEqual(left?.parts, 4)
      const done = left?.listed ?? 0
      assert.isAbove(done, 0)
      const checkpoints = yield* sql<{ checkpoint: string }>`
        SELECT checkpoint FROM scan_ranges WHERE NOT done ORDER BY position`

      const asked = yield* watched
      const ended = yield* scan()
      assert.deepInclude(ended, { id, status: "finished", listed: names.length, new: 0, missing: 0 })
      assert.lengthOf(
        asked.flatMap(({ keys }) => keys),
        names.length - done
      )
      const begun = asked.map(({ startAfter }) => startAfter)
      for (const { checkpoint } of checkpoints) assert.include(begun, checkpoint)
      assert.lengthOf(yield* sql`SELECT 1 FROM scan_ranges`, 0)
    }).pipe(Effect.provide(scanning({ pageSize: 2, ranges: 4 })))
  )

  it.live("is interrupted at any moment without losing what it had", () =>
    Effect.gen(function* () {
      const library = yield* filled
      const scanner = yield* Scanner
      for (let at = 0; at < 60; at += 3) library.move(names[at] ?? "", `moved/${names[at]}`)
      for (let at = 1; at < 60; at += 3) library.put(names[at] ?? "", `changed ${at}`)
      for (let at = 0; at < 20; at++) library.put(`new/${at}.mp4`, `new ${at}`)
      const id = yield* scanner.start({ acceptMissing: false })
      for (let millis = 0; millis < 300; millis += 15) {
        const running = yield* scanner.pending
        if (running === null) break
        const fiber = yield* Effect.forkChild(scanner.run(running))
        yield* Effect.sleep(millis)
        yield* Fiber.interrupt(fiber)
      }
      const journal = yield* ScanJournal
      if ((yield* scanner.pending) !== null) yield* scan()
      assert.deepInclude(yield* journal.byId(id), {
        status: "finished",
        listed: 80,
        new: 20,
        changed: 20,
        moved: 20,
        missing: 0
      })
      assert.deepInclude(yield* scan(), { new: 0, changed: 0, moved: 0, missing: 0 })
    }).pipe(Effect.provide(scanning({ pageSize: 2, ranges: 4 })))
  )

  it.live("is one, however many ask for it at once", () =>
    Effect.gen(function* () {
      yield* filled
      const journal = yield* ScanJournal
      const ids = yield* Effect.forEach(
        Array.from({ length: 40 }),
        () => journal.begin({ acceptMissing: false, requested: true }),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(ids).size, 1)
    }).pipe(Effect.provide(scanning()))
  )

  it.live("is dealt with once, also by two processes that both take it for theirs", () =>
    Effect.gen(function* () {
      const library = yield* filled
      const scanner = yield* Scanner
      const faults = yield* StoreFaults
      for (let at = 0; at < 10; at++) library.put(`new ${at}.mp4`, `new ${at}`)
      const id = yield* scanner.start({ acceptMissing: false })
      const pending = yield* scanner.pending
      assert.isNotNull(pending)
      // Both have read where the parts begin before either deals with a page.
      const both = yield* Deferred.make<void>()
      let first = 0
      faults.list = (list) =>
        Effect.tap(list, () => (++first < 2 ? Deferred.await(both) : Effect.asVoid(Deferred.succeed(both, undefined))))
      const ends = yield* Effect.forEach([1, 2], () => Effect.exit(scanner.run(pending)), { concurrency: 2 })
      faults.list = (list) => list
      assert.isTrue(ends.some(Exit.isFailure), "one of them gives way")
      if ((yield* scanner.pending) !== null) yield* scan()
      const record = yield* Effect.flatMap(ScanJournal, (journal) => journal.byId(id))
      assert.deepInclude(record, { status: "finished", listed: 70, new: 10 })
      assert.lengthOf(yield* items, 70)
    }).pipe(Effect.provide(scanning({ pageSize: 100, ranges: 1 })))
  )

  it.live("leaves nothing of itself behind when the store fails in one part", () =>
    Effect.gen(function* () {
      const library = yield* filled
      const faults = yield* StoreFaults
      const sql = yield* SqlClient.SqlClient
      library.put("new.mp4", "new")
      library.move(names[0] ?? "", "moved.mp4")
      let pages = 0
      faults.list = (list) =>
        ++pages === 14
          ? Effect.fail(new StoreUnavailable({ operation: "list", reason: "the disk is gone", retryable: true }))
          : list
      const failed = yield* scan()
      assert.deepInclude(failed, { status: "failed", missing: 0, moved: 0 })
      assert.isAbove(failed.listed, 0)
      for (const table of ["scan_ranges", "scan_arrivals", "scan_absences"]) {
        assert.lengthOf(yield* sql`SELECT 1 FROM ${sql(table)}`, 0, table)
      }
      faults.list = (list) => list
      assert.deepInclude(yield* scan(), { status: "finished", moved: 1, missing: 0 })
    }).pipe(Effect.provide(scanning({ pageSize: 2, ranges: 4 })))
  )

  it.live("says nothing of when it ends as long as nobody can know", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const faults = yield* StoreFaults
      const journal = yield* ScanJournal
      for (const name of names) library.put(name, name)
      const expected: Array<string | null> = []
      const id = ScanId.make(yield* journal.begin({ acceptMissing: false, requested: true }))
      faults.list = (list) =>
        Effect.tap(list, () =>
          Effect.map(journal.byId(id), (record) => void expected.push(record?.expectedEndAt ?? null))
        )
      yield* scan()
      assert.isAbove(expected.length, 2)
      assert.deepStrictEqual(new Set(expected), new Set([null]))
    }).pipe(Effect.provide(scanning({ pageSize: 10 })))
  )
})
