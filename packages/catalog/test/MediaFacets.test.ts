import { assert, layer } from "@effect/vitest"
import { FacetCounts } from "@joy/catalog/FacetCounts"
import { MediaFacets } from "@joy/catalog/MediaFacets"
import type { MediaItemId, UserId } from "@joy/domain/Ids"
import type { MediaFilters } from "@joy/domain/MediaApi"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as fc from "fast-check"

import { addItem, addUser, as, services } from "./TestCatalog.ts"

const world = Layer.mergeAll(MediaFacets.layer, FacetCounts.layer).pipe(Layer.provideMerge(services))

const counts = (values: ReadonlyArray<{ readonly value: string; readonly count: number }>) =>
  values.map(({ count, value }) => `${value} ${count}`)

const facetsOf = (filters: MediaFilters, role: "viewer" | "curator", user?: UserId) =>
  Effect.flatMap(MediaFacets, (facets) => facets.of(filters).pipe(as(role, user)))

layer(world)("facets", (it) => {
  it.effect("count what may be seen, under the filters of lists", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const owner = yield* addUser("ada")
      yield* addItem({ title: "Blade Runner", tags: ["noir", "science fiction"] })
      const song = yield* addItem({ title: "So What", tags: ["noir"] })
      const secret = yield* addItem({ title: "A secret", tags: ["private"], owner })
      yield* sql`UPDATE media_items SET video_codec = 'h264', audio_codec = 'aac'`
      yield* sql`
        UPDATE media_items SET type = 'audio', video_codec = NULL, captured_at = NULL,
          metadata = '{"tags":{"date":"1959-08-17"}}' WHERE id = ${song}`
      yield* sql`UPDATE media_items SET metadata = '{"year":1982}' WHERE title = 'Blade Runner'`
      yield* sql`UPDATE media_items SET status = 'failed', failure_step = 'probe' WHERE id = ${secret}`

      const seen = yield* facetsOf({}, "viewer")
      assert.deepStrictEqual(
        { types: counts(seen.types), tags: counts(seen.tags), years: counts(seen.years), codecs: counts(seen.codecs) },
        {
          types: ["audio 1", "video 1"],
          tags: ["noir 2", "science fiction 1"],
          years: ["1982 1", "1959 1"],
          codecs: ["aac 2", "h264 1"]
        }
      )
      assert.deepStrictEqual(counts((yield* facetsOf({}, "viewer", owner)).tags), [
        "noir 2",
        "private 1",
        "science fiction 1"
      ])
      assert.deepStrictEqual(counts((yield* facetsOf({}, "curator")).types), ["video 2", "audio 1"])
      assert.deepStrictEqual(counts((yield* facetsOf({ status: "failed" }, "curator")).tags), ["private 1"])
      assert.deepStrictEqual(counts((yield* facetsOf({ type: "audio" }, "viewer")).years), ["1959 1"])
      assert.deepStrictEqual(counts((yield* facetsOf({ tag: "noir" }, "viewer")).types), ["audio 1", "video 1"])
      assert.deepStrictEqual(counts((yield* facetsOf({ q: "balde runer" }, "viewer")).years), ["1982 1"])
      assert.deepStrictEqual(counts((yield* facetsOf({ q: "nothing like it" }, "viewer")).types), [])
      assert.deepStrictEqual(counts((yield* facetsOf({ q: "&" }, "viewer")).types), [])
      assert.deepStrictEqual(counts((yield* facetsOf({ owner: "me" }, "viewer", owner)).tags), ["private 1"])
    })
  )

  it.effect("say so when more match than are counted", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO media_items (id, type, title, tags, status, visibility, s3_key, etag, size_bytes)
        SELECT gen_random_uuid(), 'image', 'many', ARRAY['many'], 'ready', 'shared', 'many/' || at, 'tag', 1
        FROM generate_series(1, 5001) AS at`
      const some = yield* facetsOf({ tag: "many" }, "viewer")
      assert.deepStrictEqual([counts(some.types), some.isComplete], [["image 5000"], false])
      const all = yield* facetsOf({ type: "image" }, "viewer")
      assert.deepStrictEqual([counts(all.types), all.isComplete], [["image 5001"], true])
      yield* sql`DELETE FROM media_items WHERE s3_key = 'many/1'`
      const exactly = yield* facetsOf({ q: "many" }, "viewer")
      assert.deepStrictEqual([counts(exactly.types), exactly.isComplete], [["image 5000"], true])
    })
  )
})

/** One change of everything that is counted by. */
const change = fc.record({
  item: fc.nat({ max: 11 }),
  what: fc.constantFrom(
    "type = 'audio'",
    "tags = '{a,b,b}'",
    "tags = '{}'",
    "tags = '{c}'",
    "metadata = '{\"year\": 2001}'",
    "metadata = '{}', captured_at = '1999-12-31T23:59:59Z'",
    "captured_at = NULL",
    "video_codec = 'av1', audio_codec = NULL",
    "video_codec = 'opus', audio_codec = 'opus'",
    "visibility = 'private'",
    "visibility = 'shared'",
    "user_id = NULL",
    "deleted_at = now()",
    "deleted_at = NULL",
    "status = 'pending'"
  ),
  fold: fc.boolean()
})

layer(world)("counts that are kept", (it) => {
  it.effect("are those that counting gives, whatever changes in whatever order, added up or not", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { fold } = yield* FacetCounts
      const owner = yield* addUser("ada")
      for (const changes of fc.sample(fc.array(change, { minLength: 5, maxLength: 40 }), { numRuns: 15, seed: 42 })) {
        yield* sql`DELETE FROM media_items`
        const ids: Array<MediaItemId> = []
        for (let at = 0; at < 12; at++) ids.push(yield* addItem({ title: `${at}`, ...(at % 3 === 0 ? { owner } : {}) }))
        for (const one of changes) {
          yield* sql`UPDATE media_items SET ${sql.literal(one.what)} WHERE id = ${ids[one.item] ?? ""}`
          if (one.fold) yield* fold
        }
        yield* sql`DELETE FROM media_items WHERE id = ${ids[0] ?? ""}`
        const kept = yield* sql`
          SELECT audience, type, status, facet, value, sum(count)::int AS count
          FROM (SELECT * FROM media_facet_counts UNION ALL SELECT * FROM media_facet_changes) AS counts
          GROUP BY 1, 2, 3, 4, 5 HAVING sum(count) <> 0 ORDER BY 1, 2, 3, 4, 5`
        const counted = yield* sql`
          SELECT CASE visibility WHEN 'shared' THEN 'shared' ELSE coalesce(user_id::text, '') END AS audience, type, status,
            facet, value, count(*)::int AS count
          FROM media_items, media_facets(type, tags, metadata, captured_at, video_codec, audio_codec)
          WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5`
        assert.deepStrictEqual(kept, counted)
      }
      yield* sql`DELETE FROM media_items`
      yield* fold
      assert.deepStrictEqual(yield* sql`SELECT 1 FROM media_facet_counts`, [])
      assert.deepStrictEqual(yield* sql`SELECT 1 FROM media_facet_changes`, [])
    })
  )
})
