import { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { decodeRows, withId } from "./ItemRows.ts"

const DueItem = Schema.Struct({ id: MediaItemId, s3Key: ObjectKey, etag: ETag, deleteSource: Schema.Boolean })
export type DueItem = typeof DueItem.Type

/** The end of items that were thrown away. */
export class TrashedItems extends Context.Service<
  TrashedItems,
  {
    /** Some that have been in the trash for `days` and that nobody works on, after `after`. */
    readonly due: (days: number, after: MediaItemId | null) => Effect.Effect<ReadonlyArray<MediaItemId>>
    /**
     * Takes an item away for good, unless it was restored meanwhile. `before` is done first, while nobody can restore it;
     * when that fails, the item stays in the trash.
     */
    readonly purge: <E>(id: MediaItemId, before: (item: DueItem) => Effect.Effect<void, E>) => Effect.Effect<boolean, E>
  }
>()("@joy/catalog/TrashedItems") {
  static readonly layer: Layer.Layer<TrashedItems, never, SqlClient.SqlClient> = Layer.effect(
    TrashedItems,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const decode = decodeRows(DueItem)

      const due = Effect.fn("TrashedItems.due")(function* (days: number, after: MediaItemId | null) {
        const rows = yield* withId(sql`
          SELECT id FROM media_items
          WHERE deleted_at < now() - make_interval(days => ${days}::integer)
            AND ${after === null ? sql`TRUE` : sql`id > ${after}`}
            AND NOT EXISTS (SELECT FROM ingest_outbox WHERE ingest_outbox.item_id = media_items.id)
          ORDER BY id LIMIT 100`)
        return rows.map(({ id }) => id)
      })

      const purge = Effect.fn("TrashedItems.purge")(
        function* <E>(id: MediaItemId, before: (item: DueItem) => Effect.Effect<void, E>) {
          const [item] = yield* decode(sql`
            SELECT id, s3_key, etag, delete_source FROM media_items
            WHERE id = ${id} AND deleted_at IS NOT NULL FOR UPDATE`)
          if (item === undefined) return false
          yield* before(item)
          yield* sql`DELETE FROM media_items WHERE id = ${id}`
          return true
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      return TrashedItems.of({ due, purge })
    })
  )
}
