import { assert, layer } from "@effect/vitest"
import { MediaItems } from "@joy/catalog/MediaItems"
import { type MediaItemId, UserId } from "@joy/domain/Ids"
import type { MediaListQuery } from "@joy/domain/MediaApi"
import { MediaSort } from "@joy/domain/MediaItem"
import { Cursor, type Page } from "@joy/domain/Page"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as fc from "fast-check"

import { addItem, addUser, as, services } from "./TestCatalog.ts"

/** Adds items whose sort values are often equal or absent; `stable` ones stay, others come and go. */
const addMany = Effect.fnUntraced(function* (count: number, seed: number, kind: "stable" | "fleeting") {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: MediaItemId }>`
    INSERT INTO media_items (id, type, title, tags, status, visibility, s3_key, etag, size_bytes, duration_seconds, created_at)
    SELECT uuidv7(), 'video', (ARRAY['common', 'common ground', 'Common', 'the common ground of all', ''])[1 + value % 5],
      ARRAY[${kind}::text], 'ready', 'shared', 'pages/' || gen_random_uuid(), 'tag', 1, nullif(value % 4, 0),
      '2026-01-02T03:04:05.000001Z'::timestamptz + make_interval(secs => (value % 7) * 1e-6)
    FROM (SELECT (at * 7919 + ${seed}::integer) % 1009 AS value FROM generate_series(1, ${count}::integer) AS at) AS values
    RETURNING id`
  return rows.map(({ id }) => id)
})

const empty = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM media_items`)

/** Cursors are for who got them. */
const reader = UserId.make("019ac000-0000-7000-8000-000000000001")

/** What happens between two pages, and how large the next one is. */
const steps = fc.array(
  fc.record({ limit: fc.integer({ min: 1, max: 40 }), added: fc.nat({ max: 6 }), removed: fc.nat({ max: 6 }) }),
  { minLength: 1, maxLength: 12 }
)

type Step = typeof steps extends fc.Arbitrary<ReadonlyArray<infer One>> ? One : never

/** Goes through a list while items come and go, and gives what was seen. */
const walk = Effect.fnUntraced(function* (query: MediaListQuery, happening: ReadonlyArray<Step>) {
  const sql = yield* SqlClient.SqlClient
  const items = yield* MediaItems
  const seen: Array<MediaItemId> = []
  let cursor: Cursor | null = null
  let at = 0
  do {
    const { added, limit, removed } = happening[at % happening.length] ?? { added: 0, limit: 50, removed: 0 }
    const page: Page<{ readonly id: MediaItemId }> = yield* items
      .list({ ...query, limit, ...(cursor === null ? {} : { cursor }) })
      .pipe(as("curator", reader))
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor
    yield* addMany(added, at * 31 + limit, "fleeting")
    yield* sql`
      DELETE FROM media_items WHERE id IN (
        SELECT id FROM media_items WHERE tags @> ARRAY['fleeting'] ORDER BY md5(id::text || ${String(at)})
        LIMIT ${removed}::integer
      )`
    at += 1
  } while (cursor !== null && at < 1000)
  return seen
})

const sample = (count: number, seed: number) => fc.sample(steps, { numRuns: count, seed })

layer(services)("pages", (it) => {
  for (const sort of MediaSort.literals) {
    it.effect(`by ${sort} neither skip nor repeat what is there all along, while others come and go`, () =>
      Effect.gen(function* () {
        for (const [at, happening] of sample(12, 20261125).entries()) {
          for (const q of sort === "relevance" ? ["common", "comon grond", undefined] : [undefined, "common"]) {
            yield* empty
            const there = yield* addMany(90, at * 17, "stable")
            yield* addMany(20, at, "fleeting")
            const query: MediaListQuery = q === undefined ? { sort } : { sort, q }
            const matching = yield* Effect.map(
              walk(query, [{ limit: 200, added: 0, removed: 0 }]),
              (ids) => new Set(ids)
            )
            const seen = yield* walk(query, happening)
            assert.strictEqual(new Set(seen).size, seen.length, `something came twice ${JSON.stringify(happening)}`)
            const missed = there.filter((id) => matching.has(id) && !seen.includes(id))
            assert.deepStrictEqual(missed, [], JSON.stringify({ q, happening }))
            assert.isTrue(q !== undefined || there.every((id) => matching.has(id)))
          }
        }
      })
    )
  }

  it.effect("of a search go on with the rest where more is found than is ranked", () =>
    Effect.gen(function* () {
      yield* empty
      const there = yield* addMany(1300, 5, "stable")
      for (const happening of sample(2, 7)) {
        const seen = yield* walk(
          { q: "common" },
          happening.map(({ added, limit, removed }) => ({ added, removed, limit: 60 + limit }))
        )
        assert.strictEqual(new Set(seen).size, seen.length)
        const sql = yield* SqlClient.SqlClient
        const untitled = yield* sql<{ id: MediaItemId }>`SELECT id FROM media_items WHERE title = ''`
        const without = new Set(untitled.map(({ id }) => id))
        assert.deepStrictEqual(
          there.filter((id) => !without.has(id) && !seen.includes(id)),
          []
        )
        yield* sql`DELETE FROM media_items WHERE tags @> ARRAY['fleeting']`
      }
    })
  )

  it.effect("are refused by cursors of another sort, filter, search, list or user, and of somebody's making [C5]", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      yield* empty
      yield* addMany(20, 1, "stable")
      const [ada, bob] = [yield* addUser("ada"), yield* addUser("bob")]
      const first = (query: MediaListQuery) =>
        Effect.map(items.list({ ...query, limit: 2 }).pipe(as("viewer", ada)), ({ nextCursor }) =>
          nextCursor === null ? Cursor.make("") : nextCursor
        )
      const refused = (query: MediaListQuery, cursor: Cursor, user = ada) =>
        items
          .list({ ...query, cursor })
          .pipe(as("viewer", user), Effect.match({ onSuccess: () => "taken", onFailure: ({ _tag }) => _tag }))
      const plain = yield* first({})
      const filtered = yield* first({ type: "video", tag: "stable" })
      const searched = yield* first({ q: "common" })
      assert.strictEqual(yield* refused({}, plain), "taken")
      assert.strictEqual(yield* refused({ tag: "stable", type: "video" }, filtered), "taken")
      assert.strictEqual(yield* refused({ q: "common" }, searched), "taken")
      for (const [query, cursor] of [
        [{ sort: "title" }, plain],
        [{ type: "video" }, plain],
        [{ q: "common" }, plain],
        [{}, filtered],
        [{ type: "video" }, filtered],
        [{}, searched],
        [{ q: "commons" }, searched],
        [{ q: "common", sort: "title" }, searched],
        [{ q: "common", sort: "-createdAt" }, searched],
        [{}, Cursor.make(plain.replace(/./, (letter) => (letter === "A" ? "B" : "A")))],
        [{}, Cursor.make(`${plain}A`)],
        [{}, Cursor.make(plain.slice(0, -1))],
        [{}, Cursor.make("W10.W10")],
        [{}, Cursor.make(".")]
      ] satisfies ReadonlyArray<readonly [MediaListQuery, Cursor]>) {
        assert.strictEqual(yield* refused(query, cursor), "InvalidRequest", JSON.stringify({ query, cursor }))
      }
      assert.strictEqual(yield* refused({}, plain, bob), "InvalidRequest")
      assert.strictEqual(
        (yield* items.trash({ cursor: plain }).pipe(as("viewer", ada), Effect.flip))._tag,
        "InvalidRequest"
      )
    })
  )

  it.effect("by title hold titles of any length", () =>
    Effect.gen(function* () {
      yield* empty
      const expected: Array<MediaItemId> = []
      for (const end of ["a", "b", "", "c"])
        expected.push(yield* addItem({ title: "👨‍👩‍👧".repeat(40) + end.repeat(3000) }))
      const seen = yield* walk({ sort: "title" }, [{ limit: 1, added: 0, removed: 0 }])
      assert.sameMembers(seen, expected)
      assert.strictEqual(seen.length, 4)
    })
  )

  it.effect("hold every filter together", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* MediaItems
      yield* empty
      const owner = yield* addUser("lin")
      const wanted = yield* addItem({ title: "wanted", owner, tags: ["noir"] })
      const others = [
        yield* addItem({ title: "wanted", tags: ["noir"] }),
        yield* addItem({ title: "wanted", owner }),
        yield* addItem({ title: "else", owner, tags: ["noir"] }),
        yield* addItem({ title: "wanted", owner, tags: ["noir"] }),
        yield* addItem({ title: "wanted", owner, tags: ["noir"] })
      ]
      yield* sql`UPDATE media_items SET type = 'audio' WHERE id = ${others[3] ?? ""}`
      yield* sql`
        UPDATE media_items SET status = 'failed', failure_step = 'probe' WHERE id = ${others[4] ?? ""}`
      yield* sql`
        INSERT INTO favourites (user_id, item_id) SELECT ${owner}::uuid, id FROM media_items WHERE tags = ARRAY['noir']`
      for (const sort of MediaSort.literals) {
        const { items: found } = yield* items
          .list({ type: "video", status: "ready", q: "wantd", tag: "noir", owner: "me", favourite: "1", sort })
          .pipe(as("viewer", owner))
        assert.deepStrictEqual(
          found.map(({ id }) => id),
          [wanted],
          sort
        )
      }
    })
  )
})
