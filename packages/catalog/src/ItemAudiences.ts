import { HotReads } from "@joy/domain/HotReads"
import type { MediaItemId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import type { Audience } from "./VisibleItems.ts"

/** Who may hear of items, for those who tell many at once. */
export class ItemAudiences extends Context.Service<
  ItemAudiences,
  {
    /** For `isVisibleTo`, as things are at this moment. Those in the trash are told of too: that is how one hears of it. */
    readonly of: (ids: ReadonlyArray<MediaItemId>) => Effect.Effect<ReadonlyMap<MediaItemId, Audience>>
  }
>()("@joy/catalog/ItemAudiences") {
  static readonly layer: Layer.Layer<ItemAudiences, never, HotReads> = Layer.effect(
    ItemAudiences,
    Effect.gen(function* () {
      const sql = yield* HotReads
      return ItemAudiences.of({
        of: Effect.fn("ItemAudiences.of")(function* (ids: ReadonlyArray<MediaItemId>) {
          const rows = yield* Effect.orDie(sql<Audience & { readonly id: MediaItemId }>`
            SELECT id, visibility, user_id AS "ownerId" FROM media_items WHERE id = ANY(${ids}::uuid[])`)
          return new Map(rows.map((row) => [row.id, row]))
        })
      })
    })
  )
}
