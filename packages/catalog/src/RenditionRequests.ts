import type { MediaItemId } from "@joy/domain/Ids"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { decodeRows } from "./ItemRows.ts"

/** The version of an object that a rendition is made of. */
export interface RenditionSource {
  readonly itemId: MediaItemId
  readonly key: ObjectKey
  readonly etag: ETag
  readonly sizeBytes: number
}

/** Where renditions are made. */
export class RenditionQueue extends Context.Service<
  RenditionQueue,
  {
    /** Asks for one, unless that is being made already. Belongs in the transaction that finds that there is none. */
    readonly add: (source: RenditionSource) => Effect.Effect<void>
  }
>()("@joy/catalog/RenditionQueue") {}

const withState = decodeRows(Schema.Struct({ percent: Schema.Finite, failure: Schema.NullOr(Schema.String) }))
const withMade = decodeRows(Schema.Struct({ isWanted: Schema.Boolean }))

/** What people want to play and browsers don't. */
export class RenditionRequests extends Context.Service<
  RenditionRequests,
  {
    /**
     * Has a rendition made of what has none, once however many ask, and says how far it is in percent; `null` where none
     * can be made. That they may see the item is the caller's to know.
     */
    readonly want: (source: RenditionSource) => Effect.Effect<number | null>
  }
>()("@joy/catalog/RenditionRequests") {
  static readonly layer: Layer.Layer<RenditionRequests, never, RenditionQueue | SqlClient.SqlClient> = Layer.effect(
    RenditionRequests,
    Effect.gen(function* () {
      const queue = yield* RenditionQueue
      const sql = yield* SqlClient.SqlClient

      const want = Effect.fn("RenditionRequests.want")(
        function* (source: RenditionSource) {
          const { etag, itemId } = source
          // The row is held until the end, by one who asks and by who records what was made.
          const [state] = yield* withState(sql`
            INSERT INTO media_renditions AS known (item_id, etag)
            SELECT id, etag FROM media_items WHERE id = ${itemId} AND etag = ${etag}
            ON CONFLICT (item_id) DO UPDATE SET etag = excluded.etag,
              percent = CASE WHEN known.etag = excluded.etag THEN known.percent ELSE 0 END,
              failure = CASE WHEN known.etag = excluded.etag THEN known.failure END
            RETURNING percent, failure`)
          // Replaced a moment ago: it will be looked at soon.
          if (state === undefined) return 0
          if (state.failure !== null) return null
          const [made] = yield* withMade(sql`
            SELECT rendition IS NULL AS is_wanted FROM media_items
            WHERE id = ${itemId} AND etag = ${etag} AND status = 'ready'`)
          if (made?.isWanted === true) yield* queue.add(source)
          return state.percent
        },
        (effect) => Effect.catchIf(sql.withTransaction(effect), isSqlError, Effect.die)
      )

      return RenditionRequests.of({ want })
    })
  )
}
