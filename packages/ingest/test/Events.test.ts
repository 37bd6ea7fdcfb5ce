import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

import { items, Library, scan, scanning, StoreFaults, working, workOff } from "./World.ts"

/** What was said since the last time. */
const told = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const names = new Map((yield* items).map(({ id, s3Key }) => [id, s3Key]))
  const rows = yield* sql<{ name: string; mediaId: string | null }>`
    WITH told AS (DELETE FROM events RETURNING id, name, data->>'mediaId' AS media_id)
    SELECT name, media_id FROM told ORDER BY id`
  return rows.map(({ mediaId, name }) => (mediaId === null ? name : `${name} ${names.get(mediaId)}`))
})

describe("What ingest says", () => {
  it.live("is each change of an item's status, and each scan that found something", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("a.mp4")
      yield* scan()
      assert.deepStrictEqual(yield* told, ["media.updated a.mp4", "scan.finished"])
      yield* workOff
      assert.deepStrictEqual(yield* told, ["media.updated a.mp4", "media.ready a.mp4"])

      library.put("a.mp4", "another body")
      yield* scan()
      assert.deepStrictEqual(yield* told, ["media.updated a.mp4", "scan.finished"])
      yield* workOff
      yield* told

      library.move("a.mp4", "b.mp4")
      yield* scan()
      assert.deepStrictEqual(yield* told, ["media.updated b.mp4", "scan.finished"])
      library.remove("b.mp4")
      yield* scan({ acceptMissing: true })
      assert.deepStrictEqual(yield* told, ["media.updated b.mp4", "scan.finished"])
      yield* scan()
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(working()))
  )

  it.live("is how far a scan is, once a second at most", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const library = yield* Library
      const faults = yield* StoreFaults
      for (let n = 0; n < 20; n++) library.put(`${n}.mp4`)
      const pages: Array<number> = []
      faults.list = (list) =>
        Effect.tap(list, () =>
          Effect.andThen(
            Effect.sync(() => pages.push(1)),
            Effect.sleep("300 millis")
          )
        )
      const { id } = yield* scan()
      const progress = yield* sql<{ scanId: string; listed: number; new: number; at: number }>`
        SELECT data->>'scanId' AS scan_id, (data->>'listed')::int AS listed, (data->>'new')::int AS new,
          extract(epoch FROM created_at)::float8 AS at
        FROM events WHERE name = 'scan.progress' ORDER BY id`
      assert.isAbove(pages.length, 9)
      assert.isAbove(progress.length, 1)
      assert.isBelow(progress.length, pages.length)
      for (const [at, { listed, scanId, ...now }] of progress.entries()) {
        assert.strictEqual(scanId, id)
        assert.strictEqual(now.new, listed)
        assert.isAbove(listed, progress[at - 1]?.listed ?? 0)
        assert.isAbove(now.at - (progress[at - 1]?.at ?? 0), 0.9)
      }
    }).pipe(Effect.provide(scanning({ pageSize: 2 })))
  )
})
