import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { MediaItemNotFound } from "@joy/domain/MediaItem"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden } from "@joy/domain/Problem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { withId } from "./ItemRows.ts"
import { visibleTo } from "./VisibleItems.ts"

/** What each user likes. It is theirs alone: the item does not change by it. */
export class Favourites extends Context.Service<
  Favourites,
  {
    /** Doing it twice is doing it once. */
    readonly add: (id: MediaItemId) => Effect.Effect<void, MediaItemNotFound | Forbidden, CurrentPrincipal>
    readonly remove: (id: MediaItemId) => Effect.Effect<void, MediaItemNotFound | Forbidden, CurrentPrincipal>
  }
>()("@joy/catalog/Favourites") {
  static readonly layer: Layer.Layer<Favourites, never, SqlClient.SqlClient> = Layer.effect(
    Favourites,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const visible = Effect.fnUntraced(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const [item] = yield* withId(sql`
          SELECT id FROM media_items WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(sql, principal)}`)
        return item === undefined ? yield* new MediaItemNotFound({}) : principal
      })

      return Favourites.of({
        add: Effect.fn("Favourites.add")(function* (id: MediaItemId) {
          const { userId } = yield* visible(id)
          // The item or the user may be gone for good by now.
          yield* Effect.orDie(sql`
            INSERT INTO favourites (user_id, item_id)
            SELECT users.id, media_items.id FROM users, media_items
            WHERE users.id = ${userId} AND media_items.id = ${id}
            ON CONFLICT DO NOTHING`)
        }),
        remove: Effect.fn("Favourites.remove")(function* (id: MediaItemId) {
          const { userId } = yield* visible(id)
          yield* Effect.orDie(sql`DELETE FROM favourites WHERE user_id = ${userId} AND item_id = ${id}`)
        })
      })
    })
  )
}
