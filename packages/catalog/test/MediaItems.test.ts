import { assert, layer } from "@effect/vitest"
import { MediaItems } from "@joy/catalog/MediaItems"
import { PlayableItems } from "@joy/catalog/PlayableItems"
import type { MediaItemId, UserId } from "@joy/domain/Ids"
import { MediaItem, MediaItemDetail } from "@joy/domain/MediaItem"
import { type Cursor, Page } from "@joy/domain/Page"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { addItem, addUser, as, services } from "./TestCatalog.ts"

layer(services)("what may be seen", (it) => {
  it.effect("keeps somebody's private item from everybody else, as if it were not there [C2]", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      const playable = yield* PlayableItems
      const owner = yield* addUser("ada")
      const secret = yield* addItem({ title: "secret", owner })
      const open = yield* addItem({ title: "open" })
      const seen = (role: Parameters<typeof as>[0], user?: UserId) =>
        items.list({}).pipe(
          Effect.map(({ items }) => items.map(({ id }) => id)),
          as(role, user)
        )

      assert.sameMembers(yield* seen("viewer", owner), [secret, open])
      assert.sameMembers(yield* seen("viewer"), [open])
      assert.sameMembers(yield* seen("curator"), [secret, open])
      const read = yield* items.byId(secret).pipe(as("viewer"), Effect.flip)
      assert.strictEqual(read._tag, "MediaItemNotFound")
      const opened = yield* playable.content(secret).pipe(as("viewer"), Effect.flip)
      assert.strictEqual(opened._tag, "MediaItemNotFound")
      assert.strictEqual((yield* items.byId(secret).pipe(as("viewer", owner))).title, "secret")
    })
  )

  it.effect("shows the key to the owner and to curators alone", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      const id = yield* addItem({ title: "keyed" })
      assert.strictEqual((yield* items.byId(id).pipe(as("viewer"))).s3Key, null)
      assert.strictEqual((yield* items.byId(id).pipe(as("curator"))).s3Key, `${id}.mp4`)
    })
  )

  it.effect("is what the row is at that moment, whatever has changed it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* MediaItems
      const owner = yield* addUser("leaving")
      const id = yield* addItem({ title: "first", owner })
      const read = items.byId(id).pipe(as("curator"))
      const first = yield* read
      assert.strictEqual(yield* read, first)
      // Neither is counted as a new version of the item.
      yield* sql`UPDATE media_items SET title = 'second' WHERE id = ${id}`
      assert.strictEqual((yield* read).title, "second")
      assert.strictEqual((yield* read).ownerId, owner)
      yield* sql`DELETE FROM users WHERE id = ${owner}`
      assert.isNull((yield* read).ownerId)
      yield* sql`UPDATE media_items SET deleted_at = now() WHERE id = ${id}`
      assert.strictEqual((yield* Effect.flip(read))._tag, "MediaItemNotFound")
    })
  )

  it.effect("tells why an item failed to those who may know where it lies", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* MediaItems
      const id = yield* addItem({ title: "broken" })
      yield* sql`UPDATE media_items SET status = 'failed', failure_step = 'probe',
        failure_message = 'no permission for /srv/films/broken.mp4', failure_attempts = 1 WHERE id = ${id}`
      const viewed = yield* items.byId(id).pipe(as("viewer"))
      assert.deepStrictEqual(viewed.failure, { step: "probe", message: "This item could not be read", attempts: 1 })
      const curated = yield* items.byId(id).pipe(as("curator"))
      assert.strictEqual(curated.failure?.message, "no permission for /srv/films/broken.mp4")
    })
  )

  it.effect("refuses who has no permission at all", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      assert.strictEqual((yield* items.list({}).pipe(as("nobody"), Effect.flip))._tag, "Forbidden")
      assert.strictEqual((yield* items.failures({}).pipe(as("viewer"), Effect.flip))._tag, "Forbidden")
    })
  )

  it.effect("gives thumbnails to who holds a URL signed for the item as it is now [C4]", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* MediaItems
      const id = yield* addItem({ title: "with a picture" })
      const { thumbnails } = yield* items.byId(id).pipe(as("viewer"))
      const url = new URL(thumbnails[0]?.url ?? "", "http://joy.test")
      const viewer = {
        _tag: "Signature" as const,
        exp: Number(url.searchParams.get("exp")),
        sig: url.searchParams.get("sig") ?? ""
      }
      assert.deepStrictEqual((yield* items.thumbnails(id, viewer)).sizes, [{ width: 320, height: 180 }])
      const wrong = yield* items.thumbnails(id, { ...viewer, exp: viewer.exp + 3600 }).pipe(Effect.flip)
      assert.strictEqual(wrong._tag, "Unauthenticated")
      const old = yield* items.thumbnails(id, { ...viewer, exp: 1 }).pipe(Effect.flip)
      assert.strictEqual(old._tag, "Unauthenticated")

      const owner = yield* addUser("grace")
      yield* sql`UPDATE media_items SET visibility = 'private', user_id = ${owner} WHERE id = ${id}`
      assert.strictEqual((yield* items.thumbnails(id, viewer).pipe(Effect.flip))._tag, "Unauthenticated")
    })
  )
})

layer(services)("pages", (it) => {
  it.effect("go through every item once, for every sort, where values are equal or absent", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      const reader = yield* addUser("reader")
      const expected: Array<MediaItemId> = []
      for (let at = 0; at < 23; at++) {
        expected.push(
          yield* addItem({
            // Five share each title; the microseconds differ by one.
            title: `title ${Math.floor(at / 5)}`,
            createdAt: `2026-01-02T03:04:05.00000${Math.floor(at / 4)}Z`,
            seconds: at % 3 === 0 ? null : Math.floor(at / 6)
          })
        )
      }
      for (const sort of ["-createdAt", "createdAt", "title", "-durationSeconds"] as const) {
        const seen: Array<MediaItemId> = []
        let cursor: Cursor | null = null
        do {
          const page: Effect.Success<ReturnType<typeof items.list>> = yield* items
            .list({ sort, limit: 4, ...(cursor === null ? {} : { cursor }) })
            .pipe(as("viewer", reader))
          seen.push(...page.items.map(({ id }) => id))
          cursor = page.nextCursor
        } while (cursor !== null)
        assert.strictEqual(seen.length, expected.length, sort)
        assert.sameMembers(seen, expected, sort)
      }
    })
  )

  it.effect("refuse a cursor of another sort, and one that was changed [C5]", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      const { nextCursor } = yield* items.list({ limit: 1, sort: "title" }).pipe(as("viewer"))
      assert.isNotNull(nextCursor)
      if (nextCursor === null) return
      const other = yield* items.list({ sort: "createdAt", cursor: nextCursor }).pipe(as("viewer"), Effect.flip)
      assert.strictEqual(other._tag, "InvalidRequest")
      const changed = `x${nextCursor}` as Cursor
      const error = yield* items.list({ sort: "title", cursor: changed }).pipe(as("viewer"), Effect.flip)
      assert.strictEqual(error._tag, "InvalidRequest")
    })
  )

  it.effect("narrow by type, tag, owner and words", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      const owner = yield* addUser("lin")
      const tagged = yield* addItem({ title: "The 100% Solution_A", tags: ["noir", "1940s"] })
      const mine = yield* addItem({ title: "mine", owner })
      const ids = (query: Parameters<typeof items.list>[0]) =>
        items.list(query).pipe(
          Effect.map(({ items }) => items.map(({ id }) => id)),
          as("viewer", owner)
        )
      assert.deepStrictEqual(yield* ids({ tag: "noir" }), [tagged])
      assert.deepStrictEqual(yield* ids({ owner: "me" }), [mine])
      assert.deepStrictEqual(yield* ids({ type: "audio" }), [])
      // What LIKE takes for wildcards is text here.
      assert.deepStrictEqual(yield* ids({ q: "100% solution_" }), [tagged])
      assert.deepStrictEqual(yield* ids({ q: "1_0%" }), [])
      assert.deepStrictEqual(yield* ids({ q: "noir" }), [tagged])
    })
  )
})

/** Whether an answer is what the schema says, to the last member. */
const fits = <S extends Schema.Codec<unknown, unknown>>(schema: S, answer: unknown) =>
  Effect.map(Schema.decodeUnknownEffect(Schema.toType(schema), { onExcessProperty: "error" })(answer), (decoded) =>
    assert.deepStrictEqual(decoded, answer)
  )

layer(services)("the answers of the hot reads", (it) => {
  it.effect("are what the contract says and nothing else, though nothing decodes or encodes them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* MediaItems
      const owner = yield* addUser("mary")
      const first = yield* addItem({ title: "typed", seconds: 1.5, tags: ["a", "b"] })
      const ids = [
        first,
        yield* addItem({ title: "bare", seconds: null, owner }),
        yield* addItem({ title: "broken", owner })
      ]
      yield* sql`UPDATE media_items SET status = 'failed', failure_step = 'probe' WHERE title = 'broken'`
      yield* sql`
        UPDATE media_items SET bitrate = NULL, captured_at = NULL, width = NULL, height = NULL, frame_rate = NULL,
          status = 'pending' WHERE title = 'bare'`

      for (const [role, userId] of [["viewer", owner] as const, ["curator", undefined] as const]) {
        const page = yield* items.list({ limit: 2 }).pipe(as(role, userId))
        assert.isNotNull(page.nextCursor)
        yield* fits(Page("MediaPage", MediaItem), page)
        for (const id of ids) yield* fits(MediaItemDetail, yield* items.byId(id).pipe(as(role, userId)))
      }
      const typed = yield* items.byId(first).pipe(as("viewer"))
      assert.strictEqual(typed.createdAt, "2026-01-02T03:04:05.678901Z")
      assert.strictEqual(typed.sizeBytes, 5_000_000_000)
      assert.isNull(typed.streams[0]?.codecString, "written before it was looked for")
      assert.deepStrictEqual([typed.hasStoryboard, typed.subtitles], [false, []])
      assert.deepStrictEqual(JSON.parse(JSON.stringify(typed)), typed)
    })
  )
})
