import { assert, describe, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import type { IngestOptions } from "../src/IngestConfig.ts"
import { onBucket, onFolder, Place } from "./Places.ts"
import { items, scan, type scanning, StoreFaults, work } from "./World.ts"

type Grounds = (
  options?: Partial<IngestOptions>
) => Layer.Layer<Layer.Success<ReturnType<typeof scanning>> | Place, Layer.Error<ReturnType<typeof scanning>>>

/** As if the workflows had done their work, and somebody had watched a part of everything. */
const finishAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE media_items SET status = 'ready' WHERE status = 'pending'`
  yield* sql`DELETE FROM ingest_outbox`
  yield* sql`INSERT INTO users (id, username, username_key) VALUES ('018f0000-0000-7000-8000-00000000000a', 'ada', 'ada')
    ON CONFLICT DO NOTHING`
  yield* sql`INSERT INTO media_progress (user_id, item_id, position_seconds)
    SELECT '018f0000-0000-7000-8000-00000000000a', id, size_bytes FROM media_items ON CONFLICT DO NOTHING`
})

const filled = Effect.fnUntraced(function* (bodies: Readonly<Record<string, string>>) {
  const place = yield* Place
  for (const [key, body] of Object.entries(bodies)) yield* place.put(key, body)
  yield* scan()
  yield* finishAll
  return place
})

/** Which item is where: the key that it had `before`, by the key that it has now. */
const whereabouts = (before: ReadonlyArray<{ readonly id: string; readonly s3Key: string }>) =>
  Effect.map(items, (now) => {
    const former = new Map(before.map(({ id, s3Key }) => [id, s3Key]))
    return Object.fromEntries(
      now.map(({ id, s3Key, status }) => [
        s3Key,
        `${former.get(id) ?? "new"}${status === "missing" ? " (missing)" : ""}`
      ])
    )
  })

const rounds = (count: number, bodyOf: (at: number) => string = (at) => `episode ${"x".repeat(at)}`) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`show/${String(at + 1).padStart(2, "0")}.mp4`, bodyOf(at)])
  )

const tests = (grounds: Grounds, { first }: { readonly first: number }) => {
  it.live("knows every file of a renamed folder again", () =>
    Effect.gen(function* () {
      const place = yield* filled(rounds(30))
      const before = yield* items
      for (const { s3Key } of before) yield* place.move(s3Key, s3Key.replace("show/", "another show/season 1/"))
      assert.deepInclude(yield* scan(), { status: "finished", moved: 30, new: 0, changed: 0, missing: 0 })
      assert.deepStrictEqual(
        yield* whereabouts(before),
        Object.fromEntries(before.map(({ s3Key }) => [s3Key.replace("show/", "another show/season 1/"), s3Key]))
      )
      assert.deepStrictEqual(yield* work, [])
      assert.deepInclude(yield* scan(), { moved: 0, new: 0, changed: 0, missing: 0 })
    }).pipe(Effect.provide(grounds({ pageSize: 7 })))
  )

  it.live("follows two files that change names, and what people know of them", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "one", "z.mp4": "the other one" })
      const before = yield* items
      yield* place.move("a.mp4", "t.mp4")
      yield* place.move("z.mp4", "a.mp4")
      yield* place.move("t.mp4", "z.mp4")
      assert.deepInclude(yield* scan(), { status: "finished", moved: 2, new: 0, changed: 0, missing: 0 })
      assert.deepStrictEqual(yield* whereabouts(before), { "a.mp4": "z.mp4", "z.mp4": "a.mp4" })
      assert.deepStrictEqual(yield* work, [])
      const sql = yield* SqlClient.SqlClient
      const positions = yield* sql<{ s3Key: string; positionSeconds: number }>`
        SELECT s3_key, position_seconds FROM media_progress JOIN media_items ON media_items.id = item_id ORDER BY s3_key`
      assert.deepStrictEqual(positions, [
        { s3Key: "a.mp4", positionSeconds: 13 },
        { s3Key: "z.mp4", positionSeconds: 3 }
      ])
    }).pipe(Effect.provide(grounds({ pageSize: 1 })))
  )

  it.live("follows files that pass their names on in a row", () =>
    Effect.gen(function* () {
      const place = yield* filled(rounds(12))
      const before = yield* items
      for (const { s3Key } of before.toReversed()) {
        yield* place.move(
          s3Key,
          s3Key.replace(/\d+/, (number) => String(Number(number) + 1).padStart(2, "0"))
        )
      }
      assert.deepInclude(yield* scan(), { status: "finished", moved: 12, new: 0, changed: 0, missing: 0 })
      const now = yield* whereabouts(before)
      assert.strictEqual(now["show/13.mp4"], "show/12.mp4")
      assert.strictEqual(now["show/02.mp4"], "show/01.mp4")
      assert.lengthOf(Object.keys(now), 12)
      assert.deepStrictEqual(yield* work, [])
    }).pipe(Effect.provide(grounds({ pageSize: 5 })))
  )

  it.live("lets the path count where a known object overwrites another one", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "first", "b.mp4": "the second", "c.mp4": "and the third" })
      const before = yield* items
      yield* place.move("b.mp4", "a.mp4")
      yield* place.move("c.mp4", "b.mp4")
      assert.deepInclude(yield* scan(), { status: "finished", moved: 0, new: 0, changed: 2, missing: 1 })
      assert.deepStrictEqual(yield* whereabouts(before), {
        "a.mp4": "a.mp4",
        "b.mp4": "b.mp4",
        "c.mp4": "c.mp4 (missing)"
      })
      assert.deepStrictEqual(yield* work, ["a.mp4 2", "b.mp4 2"])
      assert.deepInclude(yield* scan(), { moved: 0, new: 0, changed: 0, missing: 0 })
    }).pipe(Effect.provide(grounds({ pageSize: 1 })))
  )

  it.live("takes a file that was put aside before it was replaced as changed, and what was put aside as new", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "b.mp4": "old" })
      const before = yield* items
      yield* place.move("b.mp4", "a old.mp4")
      yield* place.put("b.mp4", "new cut")
      assert.deepInclude(yield* scan(), { moved: 0, new: 1, changed: 1, missing: 0 })
      assert.deepStrictEqual(yield* whereabouts(before), { "a old.mp4": "new", "b.mp4": "b.mp4" })
    }).pipe(Effect.provide(grounds({ pageSize: 1 })))
  )

  it.live("tells a copy from a move, also when the original goes later", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "m.mp4": "body" })
      const before = yield* items
      yield* place.copy("m.mp4", "a.mp4")
      yield* place.copy("m.mp4", "z.mp4")
      assert.deepInclude(yield* scan(), { moved: 0, new: 2, changed: 0, missing: 0 })
      assert.deepStrictEqual(yield* whereabouts(before), { "a.mp4": "new", "m.mp4": "m.mp4", "z.mp4": "new" })
      yield* finishAll
      yield* place.remove("m.mp4")
      assert.deepInclude(yield* scan(), { moved: 0, new: 0, changed: 0, missing: 1 })
      assert.deepStrictEqual(yield* work, [])
    }).pipe(Effect.provide(grounds()))
  )

  it.live("sees a name that differs by case as another name of the same item", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "Film.MP4": "body", "Älter.mp4": "other body" })
      const before = yield* items
      yield* place.move("Film.MP4", "film.mp4")
      yield* place.move("Älter.mp4", "älter.mp4")
      assert.deepInclude(yield* scan(), { moved: 2, new: 0, changed: 0, missing: 0 })
      assert.deepStrictEqual(yield* whereabouts(before), { "film.mp4": "Film.MP4", "älter.mp4": "Älter.mp4" })
    }).pipe(Effect.provide(grounds()))
  )

  it.live("keeps keys apart that differ by one byte, whichever it is", () =>
    Effect.gen(function* () {
      // Without NUL, which is nowhere a name, and the slash that parts folders.
      const bytes = Array.from({ length: 127 - first }, (_, at) => at + first).filter((byte) => byte !== 0x2f)
      const names = [
        ...bytes.map((byte) => `x${String.fromCharCode(byte)}.mp4`),
        ...["é", "e\u0301", "\u{ff5e}", "\u{1f3b5}", "\u00a0", "\u200d", "\u2028", "ß", "ẞ", "İ", "ı"].map(
          (one) => `x${one}.mp4`
        )
      ]
      const place = yield* Place
      for (const name of names) yield* place.put(name, `body of ${Buffer.from(name).toString("hex")}`)
      assert.deepInclude(yield* scan(), { listed: names.length, new: names.length, failed: 0 })
      assert.deepStrictEqual(new Set((yield* items).map(({ s3Key }) => s3Key)), new Set(names))
      yield* finishAll
      assert.deepInclude(yield* scan(), { listed: names.length, moved: 0, new: 0, changed: 0, missing: 0 })
      for (const name of names) yield* place.move(name, `y${name}`)
      assert.deepInclude(yield* scan(), { moved: names.length, new: 0, changed: 0, missing: 0 })
    }).pipe(Effect.provide(grounds({ pageSize: 10 })))
  )

  it.live("takes empty objects one by one: they are all alike", () =>
    Effect.gen(function* () {
      const place = yield* filled({ "a.mp4": "", "b.mp4": "" })
      const before = yield* items
      yield* place.move("a.mp4", "c.mp4")
      assert.deepInclude(yield* scan(), { moved: 0, new: 1, changed: 0, missing: 1 })
      assert.deepStrictEqual(yield* whereabouts(before), {
        "a.mp4": "a.mp4 (missing)",
        "b.mp4": "b.mp4",
        "c.mp4": "new"
      })
    }).pipe(Effect.provide(grounds()))
  )

  it.live("follows a file that is moved while the store is listed, from what was listed to what is to come", () =>
    Effect.gen(function* () {
      const place = yield* filled(rounds(6))
      const faults = yield* StoreFaults
      const before = yield* items
      let pages = 0
      faults.list = (list) =>
        Effect.tap(list, () => (++pages === 3 ? place.move("show/01.mp4", "show/99.mp4") : Effect.void))
      assert.deepInclude(yield* scan(), { moved: 1, new: 0, changed: 0, missing: 0 })
      faults.list = (list) => list
      assert.strictEqual((yield* whereabouts(before))["show/99.mp4"], "show/01.mp4")

      // The other way round it is gone for one scan, and found again by the next.
      pages = 0
      faults.list = (list) =>
        Effect.tap(list, () => (++pages === 3 ? place.move("show/99.mp4", "show/00.mp4") : Effect.void))
      yield* scan()
      faults.list = (list) => list
      yield* scan()
      assert.strictEqual((yield* whereabouts(before))["show/00.mp4"], "show/01.mp4")
      assert.deepStrictEqual([...new Set((yield* items).map(({ status }) => status))], ["ready"])
    }).pipe(Effect.provide(grounds({ pageSize: 1 })))
  )

  it.live("ends true to the store that was written to while it was scanned", () =>
    Effect.gen(function* () {
      const place = yield* filled(rounds(40))
      const faults = yield* StoreFaults
      let seed = 11
      const next = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below
      const there = new Map((yield* items).map(({ s3Key }) => [s3Key, s3Key]))
      const oneChange = Effect.gen(function* () {
        const keys = [...there.keys()]
        const key = keys[next(keys.length)] ?? ""
        const kind = next(4)
        if (kind === 0) {
          const to = `show/new ${next(1000)}.mp4`
          if (there.has(to)) return
          yield* place.move(key, to)
          there.set(to, key).delete(key)
        } else if (kind === 1) yield* place.put(key, `body ${next(1_000_000)}`)
        else if (kind === 2) {
          const fresh = `fresh/${next(1_000_000)}.mp4`
          yield* place.put(fresh, `fresh body ${next(1_000_000)}`)
          there.set(fresh, fresh)
        } else if (there.size > 30) {
          yield* place.remove(key)
          there.delete(key)
        }
      })
      for (let round = 0; round < 5; round++) {
        faults.list = (list) => Effect.andThen(list, (page) => Effect.as(oneChange, page))
        yield* scan()
        faults.list = (list) => list
      }
      yield* scan()
      const settled = yield* scan()
      assert.deepInclude(settled, { status: "finished", moved: 0, new: 0, changed: 0, missing: 0, listed: there.size })
      const now = yield* items
      assert.deepStrictEqual(
        now
          .filter(({ status }) => status !== "missing")
          .map(({ s3Key }) => s3Key)
          .toSorted(),
        [...there.keys()].toSorted()
      )
      const sql = yield* SqlClient.SqlClient
      const [apart] = yield* sql`
        SELECT 1 FROM processed_s3_objects AS object JOIN media_items AS item ON item.id = object.item_id
        WHERE object.s3_key <> item.s3_key OR object.etag <> item.etag
          OR (object.missing_at IS NULL) <> (item.status <> 'missing')`
      assert.isUndefined(apart, "the ledger and the catalogue say the same")
    }).pipe(Effect.provide(grounds({ pageSize: 6 })))
  )
}

describe("What changed in a folder", () => {
  tests(onFolder, { first: 0x01 })
})

describeWith(["s3"], "What changed in a bucket", () => {
  // The XML of a listing has no place for most of what comes before.
  tests(onBucket, { first: 0x20 })
})
