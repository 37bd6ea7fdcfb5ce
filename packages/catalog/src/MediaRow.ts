import type { MediaItemId, UserId } from "@joy/domain/Ids"
import type { MediaItem, MediaItemDetail, MediaStatus, MediaType, Visibility } from "@joy/domain/MediaItem"
import { type Chapter, type MediaStream, type SubtitleTrack, unknownStream } from "@joy/domain/MediaStream"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import type { Timestamp } from "@joy/domain/Timestamp"
import type * as SqlClient from "effect/sql/SqlClient"

/**
 * A row of `media_items` as the driver gives it for `columns`: already in the types of the wire, so that a page costs no
 * decoding. This is the hot read of the whole product; a test holds it against the schema.
 */
export interface MediaRow {
  readonly id: MediaItemId
  readonly type: MediaType
  readonly title: string
  readonly description: string | null
  readonly tags: ReadonlyArray<string>
  readonly status: MediaStatus
  readonly userId: UserId | null
  readonly visibility: Visibility
  readonly s3Key: ObjectKey
  readonly sizeBytes: number
  readonly etag: ETag
  readonly container: string | null
  readonly durationSeconds: number | null
  readonly width: number | null
  readonly height: number | null
  readonly frameRate: number | null
  readonly videoCodec: string | null
  readonly audioCodec: string | null
  readonly bitrate: number | null
  readonly capturedAt: Timestamp | null
  readonly metadata: unknown
  readonly thumbnails: ReadonlyArray<{ readonly width: number; readonly height: number }>
  readonly thumbhash: string | null
  readonly failureStep: string | null
  readonly failureMessage: string | null
  readonly failureAttempts: number
  readonly createdAt: Timestamp
  readonly updatedAt: Timestamp
  readonly version: number
}

export interface MediaDetailRow extends MediaRow {
  /** Rows of older versions lack what was not looked for then. */
  readonly streams: ReadonlyArray<Pick<MediaStream, "index" | "type"> & Partial<MediaStream>>
  readonly chapters: ReadonlyArray<Chapter>
  readonly subtitles: ReadonlyArray<SubtitleTrack>
  readonly storyboardSheets: number | null
}

/**
 * By the names of `MediaRow`, for a client that renames nothing: to rename the columns of every row would cost as much as
 * to read them. int8 would arrive as bigint, which JSON has no form for.
 */
export const columns = (sql: SqlClient.SqlClient) => sql`
  id, type, title, description, tags, status, user_id AS "userId", visibility, s3_key AS "s3Key",
  size_bytes::float8 AS "sizeBytes", etag, container, duration_seconds AS "durationSeconds", width, height,
  frame_rate AS "frameRate", video_codec AS "videoCodec", audio_codec AS "audioCodec", bitrate::float8 AS bitrate,
  captured_at AS "capturedAt", metadata, thumbnails, thumbhash, failure_step AS "failureStep",
  failure_message AS "failureMessage", failure_attempts AS "failureAttempts", created_at AS "createdAt",
  updated_at AS "updatedAt", version`

/** The item as the principal may see it. */
export const toMediaItem = (row: MediaRow, seesKey: boolean, thumbnailUrl: (width: number) => string): MediaItem => ({
  id: row.id,
  type: row.type,
  title: row.title,
  description: row.description,
  tags: row.tags,
  status: row.status,
  ownerId: row.userId,
  visibility: row.visibility,
  s3Key: seesKey ? row.s3Key : null,
  sizeBytes: row.sizeBytes,
  etag: row.etag,
  container: row.container,
  durationSeconds: row.durationSeconds,
  width: row.width,
  height: row.height,
  frameRate: row.frameRate,
  videoCodec: row.videoCodec,
  audioCodec: row.audioCodec,
  bitrate: row.bitrate,
  capturedAt: row.capturedAt,
  metadata: row.metadata,
  thumbnails: row.thumbnails.map(({ height, width }) => ({ width, height, url: thumbnailUrl(width) })),
  thumbhash: row.thumbhash,
  failure:
    row.status === "failed" && row.failureStep !== null
      ? {
          step: row.failureStep,
          // A store's own words may hold the key, or where it lies on the disk.
          message: seesKey ? (row.failureMessage ?? "") : "This item could not be read",
          attempts: row.failureAttempts
        }
      : null,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  version: row.version
})

export const streamsOf = ({ streams }: Pick<MediaDetailRow, "streams">): ReadonlyArray<MediaStream> =>
  streams.map((stream) => ({ ...unknownStream, ...stream }))

export const toMediaItemDetail = (row: MediaDetailRow, item: MediaItem, mimeType: string): MediaItemDetail => ({
  ...item,
  streams: streamsOf(row),
  chapters: row.chapters,
  subtitles: row.subtitles,
  hasStoryboard: row.storyboardSheets !== null,
  renditions: item.status === "ready" ? [{ id: "original", mimeType, url: `/media/${item.id}/content` }] : []
})
