import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

import { assert, describe, it } from "@effect/vitest"
import { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as S3Store from "@joy/storage/S3Store"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { scan, scanningOn } from "./World.ts"

const count = 100_000
const perPage = 1000
const keyOf = (at: number) => `films/${String(at).padStart(6, "0")}.mp4`
const placeOf = (key: string) => Number(/\d+/.exec(key)?.[0])

/** What is in use, without what is only waiting to be collected. */
const makeHeap = () => {
  setFlagsFromString("--expose-gc")
  const collect: unknown = runInNewContext("gc")
  return () => {
    if (typeof collect === "function") collect()
    return process.memoryUsage().heapUsed / 1e6
  }
}

/** A bucket that lists objects which are made up page by page; nothing else is asked of it. */
const madeUp = (listed: () => void) =>
  Effect.map(
    S3Store.make({
      bucket: "none",
      prefix: "",
      endpoint: "http://127.0.0.1:9",
      credentials: { accessKeyId: "none", secretAccessKey: Redacted.make("none") }
    }),
    (store): ObjectStore => ({
      ...store,
      list: ({ limit = perPage, startAfter = "", upTo } = {}) =>
        Effect.sync(() => {
          listed()
          const from = startAfter === "" ? 0 : placeOf(startAfter) + 1
          const end = Math.min(from + limit, upTo === undefined ? count : placeOf(upTo) + 1)
          const objects = Array.from(
            { length: end - from },
            (_, at) =>
              new StoredObject({
                key: ObjectKey.make(keyOf(from + at)),
                etag: ETag.make(`etag ${from + at}`),
                sizeBytes: 1_000_000 + from + at,
                modifiedAt: 0
              })
          )
          const isEnd = end === count || keyOf(end - 1) === upTo
          return { objects, unusable: [], nextStartAfter: isEnd ? null : keyOf(end - 1) }
        })
    })
  )

describe("A scan of 100,000 objects", () => {
  it.live("takes no more memory at its end than at its beginning", () => {
    const heap = makeHeap()
    const used: Array<number> = []
    let pages = 0
    const store = madeUp(() => {
      pages += 1
      if (pages % 10 === 0) used.push(heap())
    })
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO media_items (id, type, title, status, visibility, s3_key, etag, size_bytes)
        VALUES ('018f0000-0000-7000-8000-000000000001', 'video', 'All', 'ready', 'shared', 'all', 'all', 1)`
      yield* sql`
        INSERT INTO processed_s3_objects (id, s3_key, etag, size_bytes, item_id)
        SELECT gen_random_uuid(), 'films/' || lpad(at::text, 6, '0') || '.mp4', 'etag ' || at, 1000000 + at,
          '018f0000-0000-7000-8000-000000000001' FROM generate_series(0, ${count - 1}::integer) AS at`
      assert.deepInclude(yield* scan(), { listed: count, new: 0, changed: 0, moved: 0, missing: 0, status: "finished" })
      assert.strictEqual(pages, count / perPage)
      // All pages together would be some 30 MB.
      assert.isBelow(Math.max(...used) - Math.min(...used.slice(0, 2)), 10, used.map((mb) => mb.toFixed(1)).join(", "))
    }).pipe(Effect.provide(scanningOn(store)))
  })
})
