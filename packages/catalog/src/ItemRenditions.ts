import type { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"

import type { RecordLater } from "./ItemDerivatives.ts"
import { decodeRows } from "./ItemRows.ts"
import { jsonText, storableText } from "./ItemValues.ts"
import type { RenditionFile } from "./PlayableItems.ts"

const withObject = decodeRows(Schema.Struct({ key: ObjectKey, etag: ETag, sizeBytes: Schema.Finite }))

/** The part of `ItemIngest` that tells the catalogue of renditions. */
export const renditionRecords = ({
  recordLater,
  sql,
  transaction
}: {
  readonly sql: SqlClient.SqlClient
  readonly recordLater: RecordLater
  readonly transaction: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}) => {
  const recordRenditionProgress = Effect.fn("ItemIngest.recordRenditionProgress")(
    (itemId: MediaItemId, etag: ETag, percent: number) =>
      sql`UPDATE media_renditions SET percent = ${percent}::smallint WHERE item_id = ${itemId} AND etag = ${etag}`.pipe(
        Effect.asVoid,
        Effect.orDie
      )
  )

  const recordRendition = Effect.fn("ItemIngest.recordRendition")(function* (
    itemId: MediaItemId,
    etag: ETag,
    file: RenditionFile | null
  ) {
    const rendition = file === null ? null : jsonText(file)
    yield* recordLater(itemId, etag, {
      values: sql`rendition = ${rendition}::text::jsonb`,
      isNews: sql`rendition IS DISTINCT FROM ${rendition}::text::jsonb`
    })
    yield* Effect.orDie(sql`DELETE FROM media_renditions WHERE item_id = ${itemId}`)
  }, transaction)

  const recordRenditionFailure = Effect.fn("ItemIngest.recordRenditionFailure")(
    (itemId: MediaItemId, etag: ETag, message: string) =>
      sql`
      INSERT INTO media_renditions (item_id, etag, failure)
      SELECT id, etag, ${storableText(message)} FROM media_items WHERE id = ${itemId} AND etag = ${etag}
      ON CONFLICT (item_id) DO UPDATE SET etag = excluded.etag, percent = 0, failure = excluded.failure`.pipe(
        Effect.asVoid,
        Effect.orDie
      )
  )

  const forgetRenditionFailure = Effect.fn("ItemIngest.forgetRenditionFailure")(function* (itemId: MediaItemId) {
    const [failed] = yield* withObject(sql`
      DELETE FROM media_renditions AS rendition USING media_items AS item
      WHERE rendition.item_id = ${itemId} AND rendition.failure IS NOT NULL
        AND item.id = rendition.item_id AND item.etag = rendition.etag AND item.status = 'ready'
      RETURNING item.s3_key AS key, item.etag, item.size_bytes::float8 AS size_bytes`)
    return failed === undefined ? null : { itemId, ...failed }
  })

  return { recordRenditionProgress, recordRendition, recordRenditionFailure, forgetRenditionFailure }
}
