import type { MediaItemId } from "@joy/domain/Ids"
import type { ETag } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

import { ItemSuperseded, type ProbedItem } from "./IngestedItem.ts"
import { changing, withProbe } from "./ItemRows.ts"
import { finiteOrNull, instantOrNull, int4OrNull, jsonText, textOrNull } from "./ItemValues.ts"

/** The part of `ItemIngest` that tells the catalogue what an item's object was found to be. */
export const probeRecords = ({
  sql,
  touched,
  transaction,
  unfailed,
  updated
}: {
  readonly sql: SqlClient.SqlClient
  /** What every change sets. */
  readonly touched: Fragment
  /** What an item sets that has not failed, or not yet again. */
  readonly unfailed: Fragment
  readonly transaction: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Appends `media.updated`. */
  readonly updated: (ids: ReadonlyArray<MediaItemId>) => Effect.Effect<void>
}) => {
  const startProcessing = Effect.fn("ItemIngest.startProcessing")(function* (itemId: MediaItemId, etag: ETag) {
    yield* changing(
      itemId,
      sql`UPDATE media_items SET status = 'processing', ${unfailed}, ${touched}
      WHERE id = ${itemId} AND etag = ${etag} AND status <> 'missing' RETURNING id`
    )
    yield* updated([itemId])
  }, transaction)

  const recordProbe = Effect.fn("ItemIngest.recordProbe")(
    (itemId: MediaItemId, etag: ETag, title: string | null, found: ProbedItem) =>
      changing(
        itemId,
        sql`UPDATE media_items SET
        title = CASE WHEN title_edited THEN title ELSE coalesce(${textOrNull(title)}::text, title) END,
        type = ${found.type}, container = ${textOrNull(found.container)}::text,
        duration_seconds = ${finiteOrNull(found.durationSeconds)}::float8,
        width = ${int4OrNull(found.width)}::integer, height = ${int4OrNull(found.height)}::integer,
        frame_rate = ${finiteOrNull(found.frameRate)}::float8,
        video_codec = ${textOrNull(found.videoCodec)}::text, audio_codec = ${textOrNull(found.audioCodec)}::text,
        bitrate = ${finiteOrNull(found.bitrate)}::float8::bigint, captured_at = ${instantOrNull(found.capturedAt)}::timestamptz,
        metadata = ${jsonText(found.metadata)}::text::jsonb, streams = ${jsonText(found.streams)}::text::jsonb,
        chapters = ${jsonText(found.chapters)}::text::jsonb, storyboard_sheets = NULL, subtitles = '[]', rendition = NULL,
        ${touched}
      WHERE id = ${itemId} AND etag = ${etag} AND status = 'processing' RETURNING id`
      )
  )

  const probedOf = Effect.fn("ItemIngest.probedOf")(function* (itemId: MediaItemId, etag: ETag) {
    const [row] = yield* withProbe(sql`
      SELECT type, container, duration_seconds, width, height, frame_rate, video_codec, audio_codec,
        bitrate::float8 AS bitrate, captured_at, metadata, streams, chapters
      FROM media_items WHERE id = ${itemId} AND etag = ${etag}`)
    return row ?? (yield* new ItemSuperseded({ itemId }))
  })

  return { startProcessing, recordProbe, probedOf }
}
