import type { MediaItemId } from "@joy/domain/Ids"
import type { SubtitleTrack } from "@joy/domain/MediaStream"
import type { ETag } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

import { type ItemPictures, ItemSuperseded } from "./IngestedItem.ts"
import { renditionRecords } from "./ItemRenditions.ts"
import { withId, withStatus } from "./ItemRows.ts"
import { jsonText } from "./ItemValues.ts"

/** Changes what comes after an item is ready, unless it is so already. */
export type RecordLater = (
  itemId: MediaItemId,
  etag: ETag,
  change: { readonly values: Fragment; readonly isNews: Fragment }
) => Effect.Effect<void, ItemSuperseded>

/** The part of `ItemIngest` that tells the catalogue what was made from an item's object. */
export const derivativeRecords = ({
  sql,
  touched,
  transaction,
  updated
}: {
  readonly sql: SqlClient.SqlClient
  /** What every change sets. */
  readonly touched: Fragment
  readonly transaction: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Appends `media.updated`. */
  readonly updated: (ids: ReadonlyArray<MediaItemId>) => Effect.Effect<void>
}) => {
  const recordThumbnails = Effect.fn("ItemIngest.recordThumbnails")(function* (
    itemId: MediaItemId,
    etag: ETag,
    pictures: ItemPictures
  ) {
    const [item] = yield* withStatus(sql`
      UPDATE media_items SET thumbnails = ${jsonText(pictures.thumbnails)}::text::jsonb,
        thumbhash = ${pictures.thumbhash}::text, ${touched}
      WHERE id = ${itemId} AND etag = ${etag} AND status IN ('processing', 'ready') RETURNING id, status`)
    if (item === undefined) return yield* new ItemSuperseded({ itemId })
    if (item.status === "ready") yield* updated([itemId])
  }, transaction)

  const recordLater: RecordLater = Effect.fnUntraced(function* (itemId, etag, { isNews, values }) {
    const changed = yield* withId(sql`
      UPDATE media_items SET ${values}, ${touched}
      WHERE id = ${itemId} AND etag = ${etag} AND status = 'ready' AND ${isNews} RETURNING id`)
    if (changed.length > 0) return yield* updated([itemId])
    const ready = yield* withId(
      sql`SELECT id FROM media_items WHERE id = ${itemId} AND etag = ${etag} AND status = 'ready'`
    )
    return ready.length === 0 ? yield* new ItemSuperseded({ itemId }) : undefined
  }, transaction)

  const recordStoryboard = Effect.fn("ItemIngest.recordStoryboard")(
    (itemId: MediaItemId, etag: ETag, sheets: number | null) =>
      recordLater(itemId, etag, {
        values: sql`storyboard_sheets = ${sheets}::integer`,
        isNews: sql`storyboard_sheets IS DISTINCT FROM ${sheets}::integer`
      })
  )

  const recordSubtitles = Effect.fn("ItemIngest.recordSubtitles")(
    (itemId: MediaItemId, etag: ETag, tracks: ReadonlyArray<SubtitleTrack>) =>
      recordLater(itemId, etag, {
        values: sql`subtitles = ${jsonText(tracks)}::text::jsonb`,
        isNews: sql`subtitles IS DISTINCT FROM ${jsonText(tracks)}::text::jsonb`
      })
  )

  return {
    recordThumbnails,
    recordStoryboard,
    recordSubtitles,
    ...renditionRecords({ sql, recordLater, transaction })
  }
}
