import { createHash } from "node:crypto"

import { assert, layer } from "@effect/vitest"
import { PlayableItems } from "@joy/catalog/PlayableItems"
import * as ProgressWriter from "@joy/catalog/ProgressWriter"
import { WatchProgress } from "@joy/catalog/WatchProgress"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { MediaItemId, SessionId, UserId } from "@joy/domain/Ids"
import { type Cursor, Page } from "@joy/domain/Page"
import { WatchedItem } from "@joy/domain/Progress"
import { Signer } from "@joy/domain/Signer"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const sign: Signer["Service"]["sign"] = (purpose, text) =>
  createHash("sha256").update(`${purpose} ${text}`).digest("base64url").slice(0, 22)
const signer = Layer.succeed(Signer, { sign, verify: (purpose, text, signature) => signature === sign(purpose, text) })

const services = Layer.mergeAll(WatchProgress.layer, PlayableItems.layer).pipe(
  Layer.provide(signer),
  Layer.provideMerge(TestDatabase.layer)
)

const as = (userId: UserId) =>
  Effect.provideService(CurrentPrincipal, {
    userId,
    credential: { kind: "session", sessionId: SessionId.make(SecureRandom.uuidV7Unsafe()) },
    permissions: new Set(["media:read"] as const)
  })

const addUser = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = UserId.make(SecureRandom.uuidV7Unsafe())
  yield* sql`INSERT INTO users (id, username, username_key) VALUES (${id}, ${id}, ${id})`
  return id
})

const addItem = Effect.fnUntraced(function* (item: { readonly seconds?: number | null; readonly owner?: UserId } = {}) {
  const sql = yield* SqlClient.SqlClient
  const id = MediaItemId.make(SecureRandom.uuidV7Unsafe())
  yield* sql`
    INSERT INTO media_items (id, type, title, status, user_id, visibility, s3_key, etag, size_bytes, duration_seconds)
    VALUES (${id}, 'video', 'film', 'ready', ${item.owner ?? null}, ${item.owner === undefined ? "shared" : "private"},
      ${`${id}.mp4`}, 'tag', 1, ${item.seconds === undefined ? 3600 : item.seconds})`
  return id
})

const put = (id: MediaItemId, positionSeconds: number, finished?: boolean) =>
  Effect.flatMap(WatchProgress, (progress) =>
    progress.put(id, { positionSeconds, ...(finished === undefined ? {} : { finished }) })
  )
const resumeAt = (id: MediaItemId) =>
  Effect.flatMap(PlayableItems, (items) => Effect.map(items.byId(id), ({ resumeAtSeconds }) => resumeAtSeconds))
const watching = Effect.fnUntraced(function* () {
  const progress = yield* WatchProgress
  const { items } = yield* progress.continueWatching({})
  return items.map(({ id, positionSeconds }) => [id, positionSeconds] as const)
})

layer(services)("where users are", (it) => {
  it.effect("is kept for each of them, as it was said last", () =>
    Effect.gen(function* () {
      const [ada, bob] = [yield* addUser, yield* addUser]
      const film = yield* addItem()
      yield* put(film, 100).pipe(as(ada))
      yield* put(film, 900.25).pipe(as(bob))
      yield* put(film, 50.5).pipe(as(ada))
      assert.strictEqual(yield* resumeAt(film).pipe(as(ada)), 50.5)
      assert.strictEqual(yield* resumeAt(film).pipe(as(bob)), 900.25)
      assert.deepStrictEqual(yield* watching().pipe(as(ada)), [[film, 50.5]])
    })
  )

  it.effect("is over at the end, or when the player says so, and begins anew with the next time", () =>
    Effect.gen(function* () {
      const user = yield* addUser
      const film = yield* addItem()
      for (const [position, finished, resume, listed] of [
        [3599, undefined, null, 0],
        [100, undefined, 100, 1],
        [200, true, null, 0],
        [300, false, 300, 1],
        // Behind the end is the end.
        [99_999, undefined, null, 0],
        [2, undefined, null, 0],
        [0, false, null, 0]
      ] as const) {
        yield* put(film, position, finished).pipe(as(user))
        assert.strictEqual(yield* resumeAt(film).pipe(as(user)), resume, String(position))
        assert.lengthOf(yield* watching().pipe(as(user)), listed, String(position))
      }
      const endless = yield* addItem({ seconds: null })
      yield* put(endless, 100_000).pipe(as(user))
      assert.strictEqual(yield* resumeAt(endless).pipe(as(user)), 100_000)
    })
  )

  it.effect("is not kept of what the user does not see [C2]", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, bob] = [yield* addUser, yield* addUser]
      const secret = yield* addItem({ owner: ada })
      assert.strictEqual((yield* put(secret, 100).pipe(as(bob), Effect.flip))._tag, "MediaItemNotFound")
      const rows = yield* sql`SELECT 1 FROM media_progress WHERE item_id = ${secret}`
      assert.lengthOf(rows, 0)
      // It was shared once, and bob had begun with it.
      const film = yield* addItem()
      yield* put(film, 100).pipe(as(bob))
      yield* sql`UPDATE media_items SET user_id = ${ada}, visibility = 'private' WHERE id = ${film}`
      assert.lengthOf(yield* watching().pipe(as(bob)), 0)
    })
  )

  it.effect("costs a player that says it often, and many of them at once, few writes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE written (at timestamptz DEFAULT clock_timestamp())`
      yield* sql`CREATE FUNCTION count_written() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO written DEFAULT VALUES; RETURN NULL; END'`
      yield* sql`CREATE TRIGGER count_statements AFTER INSERT ON media_progress
        FOR EACH STATEMENT EXECUTE FUNCTION count_written()`
      const write = yield* ProgressWriter.make
      const users = [yield* addUser, yield* addUser, yield* addUser]
      const film = yield* addItem()
      yield* Effect.forEach(
        Array.from({ length: 300 }, (_, n) => n),
        (n) =>
          write({ userId: users[n % 3] ?? UserId.make(""), itemId: film, positionSeconds: 10 + n, finished: false }),
        { concurrency: "unbounded", discard: true }
      )
      for (const [n, user] of users.entries()) {
        assert.strictEqual(yield* resumeAt(film).pipe(as(user)), 10 + 297 + n)
      }
      const written = yield* sql`SELECT 1 FROM written`
      assert.isBelow(written.length, 30)
      yield* sql`DROP TRIGGER count_statements ON media_progress`
    })
  )

  it.effect("is left out, and holds up nobody else, when the account goes meanwhile", () =>
    Effect.gen(function* () {
      const gone = UserId.make(SecureRandom.uuidV7Unsafe())
      const user = yield* addUser
      const film = yield* addItem()
      yield* Effect.all([put(film, 100).pipe(as(gone)), put(film, 200).pipe(as(user))], { concurrency: 2 })
      assert.isNull(yield* resumeAt(film).pipe(as(gone)))
      assert.strictEqual(yield* resumeAt(film).pipe(as(user)), 200)
    })
  )

  it.effect("is listed page by page, the latest first, of what can be gone on with", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const progress = yield* WatchProgress
      const [user, other] = [yield* addUser, yield* addUser]
      const films: Array<MediaItemId> = []
      for (let n = 0; n < 7; n++) {
        const film = yield* addItem()
        films.push(film)
        yield* put(film, 100 + n).pipe(as(user))
      }
      const [trashed, missing, again, ...others] = films
      yield* sql`UPDATE media_items SET deleted_at = now() WHERE id = ${trashed ?? ""}`
      yield* sql`UPDATE media_items SET status = 'missing', status_before_missing = 'ready' WHERE id = ${missing ?? ""}`
      yield* put(again ?? MediaItemId.make(""), 500).pipe(as(user))
      const expected = [again, ...others.toReversed()]

      const seen: Array<MediaItemId> = []
      let cursor: Cursor | null | undefined
      while (cursor !== null) {
        const page: Page<WatchedItem> = yield* progress
          .continueWatching({ limit: 2, ...(cursor === undefined ? {} : { cursor }) })
          .pipe(as(user))
        // What is written as it comes fits the contract.
        yield* Schema.decodeUnknownEffect(Page("WatchedItems", WatchedItem))(page)
        seen.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor
        if (cursor !== null) {
          const foreign = yield* progress.continueWatching({ cursor }).pipe(as(other), Effect.flip)
          assert.strictEqual(foreign._tag, "InvalidRequest")
        }
      }
      assert.deepStrictEqual(seen, expected)
    })
  )
})
