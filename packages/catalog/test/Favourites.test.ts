import { assert, layer } from "@effect/vitest"
import { Favourites } from "@joy/catalog/Favourites"
import { MediaItems } from "@joy/catalog/MediaItems"
import type { UserId } from "@joy/domain/Ids"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { addItem, addUser, as, services } from "./TestCatalog.ts"

const world = Favourites.layer.pipe(Layer.provideMerge(services))

layer(world)("favourites", (it) => {
  it.effect("are each user's own, and of what they may see", () =>
    Effect.gen(function* () {
      const favourites = yield* Favourites
      const items = yield* MediaItems
      const [ada, bob] = [yield* addUser("ada"), yield* addUser("bob")]
      const open = yield* addItem({ title: "open" })
      const hidden = yield* addItem({ title: "hidden", owner: bob })
      const ofUser = (user: UserId) =>
        items.list({ favourite: "1" }).pipe(
          Effect.map(({ items }) => items.map(({ id }) => id)),
          as("viewer", user)
        )
      yield* favourites.add(open).pipe(as("viewer", ada))
      yield* favourites.add(open).pipe(as("viewer", ada))
      assert.strictEqual((yield* favourites.add(hidden).pipe(as("viewer", ada), Effect.flip))._tag, "MediaItemNotFound")
      assert.deepStrictEqual(yield* ofUser(ada), [open])
      assert.deepStrictEqual(yield* ofUser(bob), [])
      assert.strictEqual((yield* items.byId(open).pipe(as("viewer", ada))).version, 1)
      yield* favourites.remove(open).pipe(as("viewer", ada))
      yield* favourites.remove(open).pipe(as("viewer", ada))
      assert.deepStrictEqual(yield* ofUser(ada), [])
    })
  )
})
