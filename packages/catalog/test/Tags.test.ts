import { assert, layer } from "@effect/vitest"
import { MediaItems } from "@joy/catalog/MediaItems"
import { Tags } from "@joy/catalog/Tags"
import type { MediaItemId, UserId } from "@joy/domain/Ids"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { addItem, addUser, as, facts, noted, ports, services, told } from "./TestCatalog.ts"

const world = Tags.layer.pipe(Layer.provide(ports), Layer.provideMerge(services))

layer(world)("tags", (it) => {
  it.effect("are counted by what the principal may see, and found by a part of them", () =>
    Effect.gen(function* () {
      const tags = yield* Tags
      const owner = yield* addUser("ada")
      yield* addItem({ title: "1", tags: ["noir", "1940s"] })
      yield* addItem({ title: "2", tags: ["noir"], owner })
      yield* addItem({ title: "3", tags: ["100%"], owner })
      const counts = (role: "viewer" | "curator", user?: UserId, q?: string) =>
        tags.list(q === undefined ? {} : { q }).pipe(
          Effect.map(({ items }) => items.map(({ count, tag }) => `${tag} ${count}`)),
          as(role, user)
        )
      assert.deepStrictEqual(yield* counts("viewer"), ["1940s 1", "noir 1"])
      assert.deepStrictEqual(yield* counts("viewer", owner), ["100% 1", "1940s 1", "noir 2"])
      assert.deepStrictEqual(yield* counts("curator", undefined, "0%"), ["100% 1"])
      assert.deepStrictEqual(yield* counts("curator", undefined, "OI"), ["noir 2"])
      const first = yield* tags.list({ limit: 2 }).pipe(as("curator"))
      assert.isNotNull(first.nextCursor)
      if (first.nextCursor === null) return
      const rest = yield* tags.list({ limit: 2, cursor: first.nextCursor }).pipe(as("curator"))
      assert.deepStrictEqual(
        rest.items.map(({ tag }) => tag),
        ["noir"]
      )
    })
  )

  it.effect("get another name, or become one with another, in their place", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tags = yield* Tags
      const items = yield* MediaItems
      const one = yield* addItem({ title: "1", tags: ["x", "sci-fi", "y"] })
      const both = yield* addItem({ title: "2", tags: ["scifi", "x", "sci-fi"], owner: yield* addUser("bob") })
      const trashed = yield* addItem({ title: "3", tags: ["sci-fi"] })
      yield* sql`UPDATE media_items SET deleted_at = now() WHERE id = ${trashed}`
      const rename = (from: string, to: string) => tags.rename(from, to, facts)
      assert.strictEqual((yield* rename("sci-fi", "scifi").pipe(as("viewer"), Effect.flip))._tag, "Forbidden")
      assert.strictEqual((yield* rename("nothing", "scifi").pipe(as("curator"), Effect.flip))._tag, "TagNotFound")
      noted.length = told.length = 0
      assert.deepStrictEqual(yield* rename("sci-fi", "scifi").pipe(as("curator")), { tag: "scifi", count: 2 })
      const tagsOf = (id: MediaItemId) => Effect.map(items.byId(id).pipe(as("curator")), ({ tags }) => tags)
      assert.deepStrictEqual(yield* tagsOf(one), ["x", "scifi", "y"])
      assert.deepStrictEqual(yield* tagsOf(both), ["scifi", "x"])
      assert.strictEqual(told.length, 3)
      assert.deepStrictEqual(
        noted.map(({ action, detail }) => ({ action, detail })),
        [{ action: "tag.renamed", detail: { from: "sci-fi", to: "scifi" } }]
      )
      yield* sql`UPDATE media_items SET deleted_at = NULL WHERE id = ${trashed}`
      assert.deepStrictEqual(yield* tagsOf(trashed), ["scifi"])
      assert.deepStrictEqual(yield* rename("scifi", "scifi").pipe(as("curator")), { tag: "scifi", count: 3 })
    })
  )
})
