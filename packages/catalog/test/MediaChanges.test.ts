import { assert, layer } from "@effect/vitest"
import { MediaChanges } from "@joy/catalog/MediaChanges"
import { MediaItems } from "@joy/catalog/MediaItems"
import { MediaItemId, UserId } from "@joy/domain/Ids"
import { BulkChange, MediaEdit } from "@joy/domain/MediaChange"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

import { addItem, addUser, as, byKey, facts, noted, ports, services, told } from "./TestCatalog.ts"

const world = MediaChanges.layer.pipe(Layer.provide(ports), Layer.provideMerge(services))

const request = (ifMatch?: string) => ({ ifMatch, facts })
const nobody = () => MediaItemId.make(SecureRandom.uuidV7Unsafe())

const ids = (count: number) => Array.from({ length: count }, nobody)

const decodes = (schema: Schema.Codec<unknown, unknown>, value: unknown) =>
  Exit.isSuccess(Schema.decodeUnknownExit(schema)(value))

layer(world)("an edit", (it) => {
  it.effect("changes what it names, raises the version and tells of it", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const owner = yield* addUser("ada")
      const id = yield* addItem({ title: "holiday", owner, tags: ["sea"] })
      told.length = noted.length = 0
      const edited = yield* changes
        .edit(
          id,
          { title: "Holiday", description: "By the sea", tags: ["e\u0301te\u0301", "\u00e9t\u00e9"] },
          request()
        )
        .pipe(as("viewer", owner))
      assert.deepStrictEqual([edited.title, edited.description, edited.version], ["Holiday", "By the sea", 2])
      assert.deepStrictEqual(edited.tags, ["\u00e9t\u00e9"], "one tag, however it is composed")
      assert.deepStrictEqual(told, [{ name: "media.updated", mediaId: id }])
      assert.deepStrictEqual(noted, [], "nobody writes down what people do with their own")
      const same = yield* changes.edit(id, { title: "Holiday" }, request()).pipe(as("viewer", owner))
      assert.strictEqual(same.version, 2)
      assert.strictEqual(told.length, 1)
      const cleared = yield* changes.edit(id, { description: null }, request()).pipe(as("viewer", owner))
      assert.deepStrictEqual([cleared.description, cleared.title, cleared.version], [null, "Holiday", 3])
    })
  )

  it.effect("is refused when the item no longer has the version that it is meant for", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const id = yield* addItem({ title: "contested" })
      const edit = (title: string, ifMatch: string) => changes.edit(id, { title }, request(ifMatch)).pipe(as("curator"))
      const both = yield* Effect.all([Effect.result(edit("mine", '"1"')), Effect.result(edit("yours", '"1"'))], {
        concurrency: 2
      })
      const failed = both.flatMap((result) => (result._tag === "Failure" ? [result.failure._tag] : []))
      assert.deepStrictEqual(failed, ["PreconditionFailed"], "one of two that start from the same version")
      assert.strictEqual((yield* edit("again", '"1", "2"')).version, 3)
      assert.strictEqual((yield* edit("a weak tag", 'W/"3"').pipe(Effect.flip))._tag, "PreconditionFailed")
      assert.strictEqual((yield* edit("any", "*")).title, "any")
    })
  )

  it.effect("is for the owner, signed in, and for who has media:write; what is others' is written down [L9]", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const owner = yield* addUser("grace")
      const curator = yield* addUser("curator")
      const secret = yield* addItem({ title: "secret", owner })
      const open = yield* addItem({ title: "open" })
      const edit = (id: MediaItemId) => changes.edit(id, { description: `told ${told.length}` }, request())
      assert.strictEqual((yield* edit(secret).pipe(as("viewer"), Effect.flip))._tag, "MediaItemNotFound")
      assert.strictEqual((yield* edit(open).pipe(as("viewer"), Effect.flip))._tag, "Forbidden")
      assert.strictEqual((yield* edit(open).pipe(as("nobody"), Effect.flip))._tag, "Forbidden")
      assert.strictEqual((yield* edit(nobody()).pipe(as("curator"), Effect.flip))._tag, "MediaItemNotFound")
      assert.strictEqual((yield* edit(secret).pipe(byKey(owner, ["media:read"]), Effect.flip))._tag, "Forbidden")
      yield* edit(secret).pipe(byKey(owner, ["media:read", "media:write"]))
      yield* edit(secret).pipe(as("viewer", owner))
      noted.length = 0
      yield* edit(secret).pipe(as("curator", curator))
      const [note] = noted
      assert.deepStrictEqual(
        [note?.action, note?.actorId, note?.subjectId, note?.facts, note?.detail],
        ["media.updated", curator, owner, facts, { fields: ["description"], items: [secret] }]
      )
    })
  )

  it.effect("gives an item to somebody else, and to somebody who is there, only with media:write", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const items = yield* MediaItems
      const from = yield* addUser("from")
      const to = yield* addUser("to")
      const id = yield* addItem({ title: "a present", owner: from })
      const give = (ownerId: UserId | null) => changes.edit(id, { ownerId }, request())
      assert.strictEqual((yield* give(to).pipe(as("viewer", from), Effect.flip))._tag, "Forbidden")
      const unknown = UserId.make(SecureRandom.uuidV7Unsafe())
      assert.strictEqual((yield* give(unknown).pipe(as("curator"), Effect.flip))._tag, "OwnerNotFound")
      assert.strictEqual((yield* give(to).pipe(as("curator"))).ownerId, to)
      assert.strictEqual((yield* items.byId(id).pipe(as("viewer", from), Effect.flip))._tag, "MediaItemNotFound")
      assert.strictEqual((yield* items.byId(id).pipe(as("viewer", to))).title, "a present")
      assert.isNull((yield* give(null).pipe(as("curator"))).ownerId)
    })
  )

  it("takes no text that could do harm or be seen by nobody", () => {
    for (const title of ["", "   ", "a\u0000b", "line\nbreak", "\u200b\u2060", "\ud800", "x".repeat(501), 7, null]) {
      assert.isFalse(decodes(MediaEdit, { title }), JSON.stringify(title))
    }
    for (const tag of ["", "\t", "a\u0007", "\u200d", "x".repeat(101)]) {
      assert.isFalse(decodes(MediaEdit, { tags: [tag] }), JSON.stringify(tag))
    }
    assert.isFalse(decodes(MediaEdit, { tags: Array.from({ length: 101 }, (_, at) => `tag ${at}`) }))
    assert.isFalse(decodes(MediaEdit, { description: "x".repeat(10_001) }))
    assert.isFalse(decodes(MediaEdit, { visibility: "public" }))
    assert.isTrue(decodes(MediaEdit, { title: "👨‍👩‍👧 — Ελλάδα, 日本", tags: ["émile zola"], description: "two\nlines" }))
  })
})

layer(world)("the trash", (it) => {
  it.effect("hides an item from everybody at once, and gives it back as it was", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const items = yield* MediaItems
      const owner = yield* addUser("mary")
      const id = yield* addItem({ title: "thrown away", owner })
      yield* changes.edit(id, { visibility: "shared", tags: ["kept"] }, request()).pipe(as("viewer", owner))
      const seenBy = (role: "viewer" | "curator", user?: UserId) =>
        items.byId(id).pipe(
          Effect.as(true),
          Effect.catchTag("MediaItemNotFound", () => Effect.succeed(false)),
          as(role, user)
        )
      assert.strictEqual((yield* changes.trash(id, {}, facts).pipe(as("viewer"), Effect.flip))._tag, "Forbidden")
      yield* changes.trash(id, {}, facts).pipe(as("viewer", owner))
      for (const seen of [seenBy("viewer", owner), seenBy("viewer"), seenBy("curator")]) assert.isFalse(yield* seen)
      assert.deepStrictEqual((yield* items.list({ q: "thrown" }).pipe(as("curator"))).items, [])
      const again = yield* changes.trash(id, {}, facts).pipe(as("viewer", owner), Effect.flip)
      assert.strictEqual(again._tag, "MediaItemNotFound")

      const inTrash = (role: "viewer" | "curator", user?: UserId) =>
        items.trash({}).pipe(
          Effect.map(({ items }) => items.map(({ deletesSource, id }) => [id, deletesSource])),
          as(role, user)
        )
      assert.deepStrictEqual(yield* inTrash("viewer", owner), [[id, false]])
      assert.deepStrictEqual(yield* inTrash("viewer"), [])
      assert.deepStrictEqual(yield* inTrash("curator"), [[id, false]])

      // What is in the trash is not there for others, though it was shared.
      assert.strictEqual((yield* changes.restore(id, facts).pipe(as("viewer"), Effect.flip))._tag, "MediaItemNotFound")
      yield* changes.restore(id, facts).pipe(as("viewer", owner))
      const back = yield* items.byId(id).pipe(as("viewer"))
      assert.deepStrictEqual([back.title, back.tags, back.visibility], ["thrown away", ["kept"], "shared"])
      assert.deepStrictEqual(yield* inTrash("curator"), [])
      const twice = yield* changes.restore(id, facts).pipe(as("viewer", owner), Effect.flip)
      assert.strictEqual(twice._tag, "MediaItemNotFound")
    })
  )

  it.effect("remembers that the object is to be deleted too, until the item is restored", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const items = yield* MediaItems
      const id = yield* addItem({ title: "with its object" })
      noted.length = 0
      yield* changes.trash(id, { source: "delete" }, facts).pipe(as("curator"))
      assert.deepStrictEqual(noted[0]?.detail, { deletesSource: true, items: [id] })
      const [trashed] = (yield* items.trash({ limit: 1 }).pipe(as("curator"))).items
      assert.isTrue(trashed?.deletesSource)
      yield* changes.restore(id, facts).pipe(as("curator"))
      yield* changes.trash(id, {}, facts).pipe(as("curator"))
      const [again] = (yield* items.trash({ limit: 1 }).pipe(as("curator"))).items
      assert.isFalse(again?.deletesSource)
    })
  )

  it.effect("is listed page by page, the latest first", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const items = yield* MediaItems
      const owner = yield* addUser("pages")
      const ids: Array<MediaItemId> = []
      for (let at = 0; at < 5; at++) ids.push(yield* addItem({ title: `${at}`, owner }))
      yield* changes.bulk({ action: "trash", ids }, facts).pipe(as("viewer", owner))
      const first = yield* items.trash({ limit: 3 }).pipe(as("viewer", owner))
      assert.isNotNull(first.nextCursor)
      if (first.nextCursor === null) return
      const second = yield* items.trash({ limit: 3, cursor: first.nextCursor }).pipe(as("viewer", owner))
      const seen = [...first.items, ...second.items].map(({ id }) => id)
      assert.deepStrictEqual(seen, ids.toReversed())
      const elsewhere = yield* items.list({ cursor: first.nextCursor }).pipe(as("viewer", owner), Effect.flip)
      assert.strictEqual(elsewhere._tag, "InvalidRequest")
    })
  )
})

layer(world)("many items at once", (it) => {
  it.effect("are changed where that may be, and each says how it went", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const items = yield* MediaItems
      const owner = yield* addUser("lin")
      const mine = yield* addItem({ title: "mine", owner, tags: ["a"] })
      const had = yield* addItem({ title: "had", owner, tags: ["new", "a"] })
      const open = yield* addItem({ title: "open" })
      const hidden = yield* addItem({ title: "hidden", owner: yield* addUser("other") })
      const none = nobody()
      const ids = [mine, had, open, hidden, none, mine]
      const run = (change: BulkChange) =>
        changes.bulk(change, facts).pipe(
          Effect.map(({ results }) => results.map(({ outcome }) => outcome)),
          as("viewer", owner)
        )
      const others = ["forbidden", "not-found", "not-found"] as const
      assert.deepStrictEqual(yield* run({ action: "tag", tags: ["new"], ids }), [
        "changed",
        "unchanged",
        ...others,
        "changed"
      ])
      const tagsOf = (id: MediaItemId) => Effect.map(items.byId(id).pipe(as("viewer", owner)), ({ tags }) => tags)
      assert.deepStrictEqual(yield* tagsOf(mine), ["a", "new"])
      assert.deepStrictEqual(yield* run({ action: "untag", tags: ["a", "b"], ids: [mine, had] }), [
        "changed",
        "changed"
      ])
      assert.deepStrictEqual(yield* tagsOf(had), ["new"])
      assert.deepStrictEqual(yield* run({ action: "visibility", visibility: "shared", ids: [mine, open] }), [
        "changed",
        "forbidden"
      ])
      const many = Array.from({ length: 100 }, (_, at) => `tag ${at}`)
      assert.deepStrictEqual(yield* run({ action: "tag", tags: many, ids: [mine] }), ["too-many-tags"])
      assert.deepStrictEqual(yield* run({ action: "trash", ids: [mine, had] }), ["changed", "changed"])
      assert.deepStrictEqual(yield* run({ action: "restore", ids: [mine, open, hidden] }), [
        "changed",
        "not-found",
        "not-found"
      ])
      assert.strictEqual((yield* items.byId(mine).pipe(as("viewer", owner))).version, 6)
    })
  )

  it.effect("are written down by whose they are [L9]", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const [first, second, curator] = [yield* addUser("first"), yield* addUser("second"), yield* addUser("boss")]
      const theirs = [yield* addItem({ title: "1", owner: first }), yield* addItem({ title: "2", owner: first })]
      const hers = yield* addItem({ title: "3", owner: second })
      const own = yield* addItem({ title: "4", owner: curator })
      const library = yield* addItem({ title: "5" })
      noted.length = told.length = 0
      yield* changes.bulk({ action: "trash", ids: [...theirs, hers, own, library] }, facts).pipe(as("curator", curator))
      assert.strictEqual(told.length, 5)
      assert.deepStrictEqual(
        noted.map(({ action, detail, subjectId }) => ({ action, subjectId, items: detail["items"] })),
        [
          { action: "media.trashed", subjectId: first, items: theirs },
          { action: "media.trashed", subjectId: second, items: [hers] },
          { action: "media.trashed", subjectId: null, items: [library] }
        ]
      )
    })
  )

  it.effect("are changed by many people at once without waiting for each other for ever", () =>
    Effect.gen(function* () {
      const changes = yield* MediaChanges
      const items = yield* MediaItems
      const ids: Array<MediaItemId> = []
      for (let at = 0; at < 40; at++) ids.push(yield* addItem({ title: `crowded ${at}` }))
      yield* Effect.forEach(
        Array.from({ length: 8 }, (_, at) => at),
        (at) =>
          changes
            .bulk({ action: "tag", tags: [`by ${at}`], ids: at % 2 === 0 ? ids : ids.toReversed() }, facts)
            .pipe(as("curator")),
        { concurrency: 8, discard: true }
      )
      for (const id of ids) {
        const item = yield* items.byId(id).pipe(as("curator"))
        assert.deepStrictEqual([item.tags.length, item.version], [8, 9])
      }
    })
  )

  it("are 500 at the most, and one thing is done to them", () => {
    assert.isTrue(decodes(BulkChange, { action: "restore", ids: ids(500) }))
    assert.isFalse(decodes(BulkChange, { action: "restore", ids: ids(501) }))
    assert.isFalse(decodes(BulkChange, { action: "restore", ids: [] }))
    assert.isFalse(decodes(BulkChange, { action: "restore", ids: ["../etc/passwd"] }))
    assert.isFalse(decodes(BulkChange, { action: "erase", ids: ids(1) }))
    assert.isFalse(decodes(BulkChange, { action: "tag", ids: ids(1) }))
    assert.isFalse(decodes(BulkChange, { action: "tag", tags: [], ids: ids(1) }))
  })
})
