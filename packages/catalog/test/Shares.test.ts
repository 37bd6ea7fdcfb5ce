import { assert, layer } from "@effect/vitest"
import { MediaChanges } from "@joy/catalog/MediaChanges"
import { Shares } from "@joy/catalog/Shares"
import { MediaItemId, ShareId } from "@joy/domain/Ids"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { OpenedShare } from "@joy/domain/Share"
import { Timestamp } from "@joy/domain/Timestamp"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { addItem, addUser, as, byKey, noted, ports, services } from "./TestCatalog.ts"

const world = Layer.merge(Shares.layer, MediaChanges.layer).pipe(Layer.provide(ports), Layer.provideMerge(services))

const facts: RequestFacts = { ip: "192.0.2.1", userAgent: "a test" }
const nobody = () => MediaItemId.make(SecureRandom.uuidV7Unsafe())

const tagOf = <A, R>(effect: Effect.Effect<A, { readonly _tag: string }, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "opened" })

/** Whether a link opens anything. */
const opens = (token: Redacted.Redacted) =>
  Effect.flatMap(Shares, (shares) => tagOf(shares.open(Redacted.value(token))))

layer(world)("A link", (it) => {
  it.effect(
    "shows one item to whoever has it, tells nothing of where it lies and whose it is, and is counted [S1, S2]",
    () =>
      Effect.gen(function* () {
        const shares = yield* Shares
        const sql = yield* SqlClient.SqlClient
        const owner = yield* addUser("ada")
        const id = yield* addItem({ title: "Holiday", owner, tags: ["sea"] })
        noted.length = 0
        const { token, ...share } = yield* shares.create(id, {}, facts).pipe(as("viewer", owner))
        assert.deepInclude(share, { createdBy: owner, expiresAt: null, openedCount: 0, lastOpenedAt: null })
        assert.match(Redacted.value(token), /^[\w-]{48}$/)
        assert.deepStrictEqual(
          noted.map(({ action, actorId, detail, subjectId }) => ({ action, actorId, detail, subjectId })),
          [{ action: "share.created", actorId: owner, subjectId: owner, detail: { item: id, share: share.id } }]
        )

        const opened = yield* shares.open(Redacted.value(token))
        const { holder, itemId, ...shown } = opened
        assert.strictEqual(itemId, id)
        assert.deepStrictEqual(holder.credential, { kind: "share", shareId: share.id })
        const wire = yield* Schema.encodeEffect(OpenedShare)({ ...shown, playback: null })
        const thumbnails = wire.item.thumbnails.map(({ height, width }) => ({ width, height }))
        assert.deepStrictEqual(
          { ...wire, item: { ...wire.item, thumbnails } },
          {
            item: {
              type: "video",
              title: "Holiday",
              description: null,
              status: "ready",
              durationSeconds: null,
              width: 1920,
              height: 1080,
              thumbnails: [{ width: 320, height: 180 }],
              thumbhash: null
            },
            expiresAt: null,
            playback: null
          }
        )
        assert.notInclude(JSON.stringify(wire), owner)
        assert.notInclude(JSON.stringify(wire), ".mp4")
        yield* shares.open(Redacted.value(token))
        const { items } = yield* shares.list(id, {}).pipe(as("viewer", owner))
        assert.deepStrictEqual(
          items.map(({ id, openedCount }) => ({ id, openedCount })),
          [{ id: share.id, openedCount: 2 }]
        )
        assert.isNotNull(items[0]?.lastOpenedAt)

        const rows = yield* sql<{ row: string }>`SELECT row_to_json(shares)::text AS row FROM shares`
        assert.notInclude(JSON.stringify(rows), Redacted.value(token))
      })
  )

  it.effect("is nobody's guess: what was made up, or cut, opens nothing", () =>
    Effect.gen(function* () {
      const id = yield* addItem({ title: "a film" })
      const { token } = yield* Effect.flatMap(Shares, (shares) => shares.create(id, {}, facts)).pipe(
        as("curator", yield* addUser("cy"))
      )
      for (const bad of [
        "",
        "a",
        Redacted.value(token).slice(1),
        `${Redacted.value(token)}a`,
        "x".repeat(10_000),
        "\u0000"
      ]) {
        assert.strictEqual(yield* opens(Redacted.make(bad)), "ShareNotFound", bad.slice(0, 50))
      }
      assert.strictEqual(yield* opens(token), "opened")
    })
  )

  it.effect("is made, seen and revoked by the owner, signed in, and by who has media:write", () =>
    Effect.gen(function* () {
      const shares = yield* Shares
      const owner = yield* addUser("grace")
      const other = yield* addUser("mallory")
      const curator = yield* addUser("curie")
      const mine = yield* addItem({ title: "mine", owner })
      const all = yield* addItem({ title: "everybody's" })
      const { id: shareId } = yield* shares.create(mine, {}, facts).pipe(as("viewer", owner))
      const tags = (id: MediaItemId, who: ReturnType<typeof as>) =>
        Effect.all([
          tagOf(who(shares.create(id, {}, facts))),
          tagOf(who(shares.list(id, {}))),
          tagOf(who(shares.revoke(id, ShareId.make(nobody()), facts)))
        ])
      assert.deepStrictEqual(yield* tags(mine, as("viewer", owner)), ["opened", "opened", "ShareNotFound"])
      assert.deepStrictEqual(yield* tags(mine, as("curator", curator)), ["opened", "opened", "ShareNotFound"])
      const gone = ["MediaItemNotFound", "MediaItemNotFound", "MediaItemNotFound"]
      assert.deepStrictEqual(yield* tags(mine, as("viewer", other)), gone)
      assert.deepStrictEqual(yield* tags(nobody(), as("admin", curator)), gone)
      const forbidden = ["Forbidden", "Forbidden", "Forbidden"]
      assert.deepStrictEqual(yield* tags(all, as("viewer", other)), forbidden)
      assert.deepStrictEqual(yield* tags(mine, as("nobody", owner)), forbidden)
      assert.deepStrictEqual(yield* tags(mine, byKey(owner, ["media:read"])), forbidden)
      // A link is revoked by its own item alone.
      assert.strictEqual(yield* tagOf(as("admin", curator)(shares.revoke(all, shareId, facts))), "ShareNotFound")
    })
  )

  it.effect("opens nothing from the moment that it was revoked or has run out [S3]", () =>
    Effect.gen(function* () {
      const shares = yield* Shares
      const sql = yield* SqlClient.SqlClient
      const curator = yield* addUser("emmy")
      const id = yield* addItem({ title: "a film" })
      const make = (expiresAt?: string) =>
        shares
          .create(id, expiresAt === undefined ? {} : { expiresAt: Timestamp.make(expiresAt) }, facts)
          .pipe(as("curator", curator))
      const [first, second] = [yield* make(), yield* make("2999-01-01T00:00:00Z")]
      assert.strictEqual((yield* Effect.flip(make("2020-01-01T00:00:00Z")))._tag, "InvalidRequest")
      yield* shares.revoke(id, first.id, facts).pipe(as("curator", curator))
      assert.strictEqual(noted.at(-1)?.action, "share.revoked")
      assert.deepStrictEqual([yield* opens(first.token), yield* opens(second.token)], ["ShareNotFound", "opened"])
      assert.strictEqual(yield* tagOf(as("curator", curator)(shares.revoke(id, first.id, facts))), "ShareNotFound")
      const { items } = yield* shares.list(id, {}).pipe(as("curator", curator))
      assert.deepStrictEqual(
        items.map((share) => share.id),
        [second.id]
      )
      yield* sql`UPDATE shares SET expires_at = now() WHERE id = ${second.id}`
      assert.strictEqual(yield* opens(second.token), "ShareNotFound")
    })
  )

  it.effect("does not follow an item into the trash, into privacy or to another owner [S4]", () =>
    Effect.gen(function* () {
      const shares = yield* Shares
      const changes = yield* MediaChanges
      const sql = yield* SqlClient.SqlClient
      const owner = yield* addUser("lise")
      const heir = yield* addUser("otto")
      const curator = yield* addUser("chien")
      const request = { ifMatch: undefined, facts }
      const asCurator = as("curator", curator)

      const shown = yield* addItem({ title: "shown" })
      const open = (yield* shares.create(shown, {}, facts).pipe(asCurator)).token
      yield* changes.edit(shown, { visibility: "private" }, request).pipe(asCurator)
      assert.strictEqual(yield* opens(open), "ShareNotFound")
      yield* changes.edit(shown, { visibility: "shared" }, request).pipe(asCurator)
      assert.strictEqual(yield* opens(open), "opened")
      yield* changes.trash(shown, {}, facts).pipe(asCurator)
      assert.strictEqual(yield* opens(open), "ShareNotFound")
      assert.strictEqual(yield* tagOf(asCurator(shares.create(shown, {}, facts))), "MediaItemNotFound")
      yield* changes.restore(shown, facts).pipe(asCurator)
      assert.strictEqual(yield* opens(open), "opened")

      const hidden = yield* addItem({ title: "hidden", owner })
      const { token } = yield* shares.create(hidden, {}, facts).pipe(as("viewer", owner))
      assert.strictEqual(yield* opens(token), "opened")
      yield* changes.edit(hidden, { ownerId: heir }, request).pipe(asCurator)
      assert.strictEqual(yield* opens(token), "ShareNotFound")
      yield* changes.edit(hidden, { ownerId: owner }, request).pipe(asCurator)
      assert.strictEqual(yield* opens(token), "opened")

      yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${owner}`
      assert.strictEqual(yield* opens(token), "ShareNotFound")
      yield* sql`UPDATE users SET disabled_at = NULL WHERE id = ${owner}`
      yield* sql`UPDATE media_items SET visibility = 'shared' WHERE id = ${hidden}`
      yield* sql`DELETE FROM users WHERE id = ${owner}`
      assert.strictEqual(yield* opens(token), "ShareNotFound")
      yield* sql`DELETE FROM media_items WHERE id = ${shown}`
      assert.strictEqual(yield* opens(open), "ShareNotFound")
    })
  )

  it.effect("is found page by page, the newest first", () =>
    Effect.gen(function* () {
      const shares = yield* Shares
      const curator = yield* addUser("mary")
      const id = yield* addItem({ title: "a film" })
      const made = yield* Effect.forEach(Array.from({ length: 5 }), () => shares.create(id, {}, facts)).pipe(
        as("curator", curator)
      )
      const seen: Array<string> = []
      let page = yield* shares.list(id, { limit: 2 }).pipe(as("curator", curator))
      seen.push(...page.items.map((share) => share.id))
      while (page.nextCursor !== null) {
        page = yield* shares.list(id, { limit: 2, cursor: page.nextCursor }).pipe(as("curator", curator))
        seen.push(...page.items.map((share) => share.id))
      }
      assert.deepStrictEqual(seen, made.map((share) => share.id).toReversed())
    })
  )
})
