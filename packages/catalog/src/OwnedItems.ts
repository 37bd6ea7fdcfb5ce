import { Events } from "@joy/domain/Events"
import { UserDeletion } from "@joy/domain/UserDeletion"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { withId } from "./ItemRows.ts"

/** When a user goes, what only they could see goes to the trash; what they shared stays, and is the library's. */
export const layerUserDeletion: Layer.Layer<UserDeletion, never, Events | SqlClient.SqlClient> = Layer.effect(
  UserDeletion,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const events = yield* Events
    return UserDeletion.of({
      before: Effect.fn("OwnedItems.trashPrivate")(function* (userId) {
        const trashed = yield* withId(sql`
          UPDATE media_items SET deleted_at = now(), version = version + 1, updated_at = now()
          WHERE user_id = ${userId} AND visibility = 'private' AND deleted_at IS NULL RETURNING id`)
        yield* events.appendAll(trashed.map(({ id }) => ({ name: "media.updated", mediaId: id })))
      })
    })
  })
)
