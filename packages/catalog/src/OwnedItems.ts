import { UserDeletion } from "@joy/domain/UserDeletion"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** When a user goes, what only they could see goes to the trash; what they shared stays, and is the library's. */
export const layerUserDeletion: Layer.Layer<UserDeletion, never, SqlClient.SqlClient> = Layer.effect(
  UserDeletion,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return UserDeletion.of({
      before: Effect.fn("OwnedItems.trashPrivate")(
        (userId) => sql`
          UPDATE media_items SET deleted_at = now(), version = version + 1, updated_at = now()
          WHERE user_id = ${userId} AND visibility = 'private' AND deleted_at IS NULL`,
        Effect.orDie,
        Effect.asVoid
      )
    })
  })
)
