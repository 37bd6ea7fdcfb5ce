import { Events } from "@joy/domain/Events"
import type { MediaItemId } from "@joy/domain/Ids"
import type { MediaStatus } from "@joy/domain/MediaItem"
import type { SubtitleTrack } from "@joy/domain/MediaStream"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import {
  type ItemFailure,
  type ItemPictures,
  ItemSuperseded,
  type MovedItem,
  type NewItem,
  type ProbedItem
} from "./IngestedItem.ts"
import { derivativeRecords } from "./ItemDerivatives.ts"
import { probeRecords } from "./ItemProbes.ts"
import { changing, withId, withKey, withStatus } from "./ItemRows.ts"
import { ownerOf, storableText } from "./ItemValues.ts"
import type { RenditionFile } from "./PlayableItems.ts"

/**
 * The write side of the catalogue for ingest, and the only place where ingest changes `media_items`. Every change
 * raises `version`, every change of status appends an event (`media.updated` unless said otherwise); what speaks of one object version fails with `ItemSuperseded` when the item no longer has it.
 * A database that does not answer is a defect: whoever runs ingest tries again.
 */
export class ItemIngest extends Context.Service<
  ItemIngest,
  {
    /**
     * Adds `pending` items. Those under `users/<id of a user>/` are that user's and private, others the library's. An
     * item that has the key already is taken over.
     */
    readonly createAll: (
      items: ReadonlyArray<NewItem>
    ) => Effect.Effect<ReadonlyArray<{ readonly itemId: MediaItemId; readonly key: ObjectKey }>>
    /** Objects with new content: the items are `pending` again and keep everything that people gave them. */
    readonly replaceAll: (
      items: ReadonlyArray<{ readonly itemId: MediaItemId; readonly etag: ETag; readonly sizeBytes: number }>
    ) => Effect.Effect<void>
    /**
     * Objects under a new key, which may be the former one of another of them. A title that was the former name follows
     * the name; who owns the item and who sees it follows the key where that leads to somebody else.
     */
    readonly moveAll: (items: ReadonlyArray<MovedItem>) => Effect.Effect<void>
    /** Objects that are gone. */
    readonly markMissing: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<void>
    /** Objects that came back as they were: gives each `missing` item its former status, and says which. */
    readonly restoreAll: (
      itemIds: ReadonlyArray<MediaItemId>
    ) => Effect.Effect<ReadonlyArray<{ readonly itemId: MediaItemId; readonly status: MediaStatus }>>
    /** Takes items away that never had an object. */
    readonly removeAll: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<void>
    /** `failed` items are `pending` again. Gives those that were. */
    readonly requeueAll: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<ReadonlyArray<MediaItemId>>
    readonly startProcessing: (itemId: MediaItemId, etag: ETag) => Effect.Effect<void, ItemSuperseded>
    /** `title`: what the object says it is called; `null` for what its name says. Nobody's own title is changed by it. */
    readonly recordProbe: (
      itemId: MediaItemId,
      etag: ETag,
      title: string | null,
      probed: ProbedItem
    ) => Effect.Effect<void, ItemSuperseded>
    /** What `recordProbe` wrote down. */
    readonly probedOf: (itemId: MediaItemId, etag: ETag) => Effect.Effect<ProbedItem, ItemSuperseded>
    /** Which thumbnails there are. Those of an item that is ready already are drawn anew: appends `media.updated`. */
    readonly recordThumbnails: (
      itemId: MediaItemId,
      etag: ETag,
      pictures: ItemPictures
    ) => Effect.Effect<void, ItemSuperseded>
    /** How many sheets the storyboard has, `null` for none. Appends `media.updated` where that is news. */
    readonly recordStoryboard: (
      itemId: MediaItemId,
      etag: ETag,
      sheets: number | null
    ) => Effect.Effect<void, ItemSuperseded>
    /** Which text tracks there are, in the order of their files. Appends `media.updated` where that is news. */
    readonly recordSubtitles: (
      itemId: MediaItemId,
      etag: ETag,
      tracks: ReadonlyArray<SubtitleTrack>
    ) => Effect.Effect<void, ItemSuperseded>
    /** How far the rendition is that is being made. */
    readonly recordRenditionProgress: (itemId: MediaItemId, etag: ETag, percent: number) => Effect.Effect<void>
    /** The file that browsers play instead of the object, `null` for none. Appends `media.updated` where that is news. */
    readonly recordRendition: (
      itemId: MediaItemId,
      etag: ETag,
      file: RenditionFile | null
    ) => Effect.Effect<void, ItemSuperseded>
    /** None can be made, and why: nobody who wants to play it begins anew. */
    readonly recordRenditionFailure: (itemId: MediaItemId, etag: ETag, message: string) => Effect.Effect<void>
    /** Takes such a failure back, and gives the object of which one is to be made; `null` where there was none. */
    readonly forgetRenditionFailure: (itemId: MediaItemId) => Effect.Effect<{
      readonly itemId: MediaItemId
      readonly key: ObjectKey
      readonly etag: ETag
      readonly sizeBytes: number
    } | null>
    /** The item can be played. Appends `media.ready`. */
    readonly publishReady: (itemId: MediaItemId, etag: ETag) => Effect.Effect<void, ItemSuperseded>
    /** The item can't be used, and why. Appends `media.failed`. */
    readonly recordFailure: (
      itemId: MediaItemId,
      etag: ETag,
      failure: ItemFailure
    ) => Effect.Effect<void, ItemSuperseded>
  }
>()("@joy/catalog/ItemIngest") {
  static readonly layer: Layer.Layer<ItemIngest, never, SqlClient.SqlClient | Events> = Layer.effect(
    ItemIngest,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events

      const updated = (ids: ReadonlyArray<MediaItemId>) =>
        events.appendAll(ids.map((mediaId) => ({ name: "media.updated", mediaId })))
      const transaction = <A, E>(effect: Effect.Effect<A, E>) =>
        sql.withTransaction(effect).pipe(Effect.catchIf(isSqlError, Effect.die))
      const touched = sql`version = media_items.version + 1, updated_at = now()`
      const unfailed = sql`failure_step = NULL, failure_message = NULL, failure_attempts = 0`

      const createAll = Effect.fn("ItemIngest.createAll")(function* (items: ReadonlyArray<NewItem>) {
        if (items.length === 0) return []
        // What lies in the folder of a user who is not (or no more) is nobody's, and private all the same.
        // The driver has no type for an array of nothing but nulls: empty texts stand for them.
        const rows = yield* withKey(sql`
          INSERT INTO media_items (id, type, title, status, user_id, visibility, s3_key, etag, size_bytes,
            failure_step, failure_message, failure_attempts)
          SELECT new.id, new.type, new.title, CASE new.step WHEN '' THEN 'pending' ELSE 'failed' END, users.id,
            CASE new.owner_id WHEN '' THEN 'shared' ELSE 'private' END, new.key, new.etag, new.size_bytes,
            nullif(new.step, ''), nullif(new.message, ''), new.attempts
          FROM unnest(
            ${items.map(() => SecureRandom.uuidV7Unsafe())}::uuid[],
            ${items.map((item) => item.type)}::text[],
            ${items.map((item) => storableText(item.title))}::text[],
            ${items.map((item) => ownerOf(item.key) ?? "")}::text[],
            ${items.map((item) => item.key)}::text[],
            ${items.map((item) => item.etag)}::text[],
            ${items.map((item) => BigInt(item.sizeBytes))}::bigint[],
            ${items.map((item) => item.failure?.step ?? "")}::text[],
            ${items.map((item) => storableText(item.failure?.message ?? ""))}::text[],
            ${items.map((item) => item.failure?.attempts ?? 0)}::integer[]
          ) AS new (id, type, title, owner_id, key, etag, size_bytes, step, message, attempts)
          LEFT JOIN users ON users.id = nullif(new.owner_id, '')::uuid
          ON CONFLICT (s3_key) WHERE deleted_at IS NULL DO UPDATE SET
            etag = excluded.etag, size_bytes = excluded.size_bytes, status = excluded.status,
            status_before_missing = NULL, failure_step = excluded.failure_step,
            failure_message = excluded.failure_message, failure_attempts = excluded.failure_attempts, ${touched}
          RETURNING id, s3_key`)
        const failed = new Set(items.filter((item) => item.failure !== undefined).map((item) => item.key))
        yield* events.appendAll(
          rows.map((row) => ({ name: failed.has(row.s3Key) ? "media.failed" : "media.updated", mediaId: row.id }))
        )
        return rows.map((row) => ({ itemId: row.id, key: row.s3Key }))
      }, transaction)

      const replaceAll = Effect.fn("ItemIngest.replaceAll")(function* (
        items: ReadonlyArray<{ readonly itemId: MediaItemId; readonly etag: ETag; readonly sizeBytes: number }>
      ) {
        if (items.length === 0) return
        const rows = yield* withId(sql`
          UPDATE media_items SET etag = new.etag, size_bytes = new.size_bytes, status = 'pending',
            status_before_missing = NULL, ${unfailed}, ${touched}
          FROM unnest(
            ${items.map((item) => item.itemId)}::uuid[],
            ${items.map((item) => item.etag)}::text[],
            ${items.map((item) => BigInt(item.sizeBytes))}::bigint[]
          ) AS new (id, etag, size_bytes)
          WHERE media_items.id = new.id
          RETURNING media_items.id`)
        yield* updated(rows.map((row) => row.id))
      }, transaction)

      const moveAll = Effect.fn("ItemIngest.moveAll")(function* (items: ReadonlyArray<MovedItem>) {
        if (items.length === 0) return
        const itemIds = items.map((item) => item.itemId)
        // Of two that change places neither can go first: their keys are cleared beforehand.
        yield* Effect.orDie(sql`
          UPDATE media_items SET s3_key = '.joy/moving/' || id
          WHERE id = ANY(${itemIds}::uuid[]) AND s3_key = ANY(${items.map((item) => item.key)}::text[])`)
        const rows = yield* withId(sql`
          UPDATE media_items SET s3_key = new.key,
            title = CASE WHEN media_items.title = new.former_title AND NOT media_items.title_edited
              THEN new.title ELSE media_items.title END,
            user_id = CASE WHEN moved.crosses THEN users.id ELSE media_items.user_id END,
            visibility = CASE WHEN NOT moved.crosses THEN media_items.visibility
              WHEN new.owner_id = '' THEN 'shared' ELSE 'private' END,
            ${touched}
          FROM unnest(
            ${itemIds}::uuid[],
            ${items.map((item) => item.key)}::text[],
            ${items.map((item) => item.formerKey)}::text[],
            ${items.map((item) => storableText(item.title))}::text[],
            ${items.map((item) => storableText(item.formerTitle))}::text[],
            ${items.map((item) => ownerOf(item.key) ?? "")}::text[]
          ) AS new (id, key, former_key, title, former_title, owner_id)
          LEFT JOIN users ON users.id = nullif(new.owner_id, '')::uuid
          CROSS JOIN LATERAL (SELECT
            substring(new.former_key FROM '^users/([^/]*)/') IS DISTINCT FROM substring(new.key FROM '^users/([^/]*)/')
          ) AS moved (crosses)
          WHERE media_items.id = new.id
          RETURNING media_items.id`)
        yield* updated(rows.map((row) => row.id))
      }, transaction)

      const markMissing = Effect.fn("ItemIngest.markMissing")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        const rows = yield* withId(sql`
          UPDATE media_items SET status_before_missing = status, status = 'missing', ${touched}
          WHERE id = ANY(${itemIds}::uuid[]) AND status <> 'missing'
          RETURNING id`)
        yield* updated(rows.map((row) => row.id))
      }, transaction)

      const restoreAll = Effect.fn("ItemIngest.restoreAll")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        const rows = yield* withStatus(sql`
          UPDATE media_items SET status = status_before_missing, status_before_missing = NULL, ${touched}
          WHERE id = ANY(${itemIds}::uuid[]) AND status = 'missing'
          RETURNING id, status`)
        yield* updated(rows.map((row) => row.id))
        return rows.map((row) => ({ itemId: row.id, status: row.status }))
      }, transaction)

      const removeAll = Effect.fn("ItemIngest.removeAll")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        const rows = yield* withId(sql`DELETE FROM media_items WHERE id = ANY(${itemIds}::uuid[]) RETURNING id`)
        yield* updated(rows.map((row) => row.id))
      }, transaction)

      const requeueAll = Effect.fn("ItemIngest.requeueAll")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        const rows = yield* withId(sql`
          UPDATE media_items SET status = 'pending', ${unfailed}, ${touched}
          WHERE id = ANY(${itemIds}::uuid[]) AND status = 'failed'
          RETURNING id`)
        const ids = rows.map((row) => row.id)
        yield* updated(ids)
        return ids
      }, transaction)

      const publishReady = Effect.fn("ItemIngest.publishReady")(function* (itemId: MediaItemId, etag: ETag) {
        const published = yield* withId(sql`
          UPDATE media_items SET status = 'ready', ${unfailed}, ${touched}
          WHERE id = ${itemId} AND etag = ${etag} AND status = 'processing' RETURNING id`)
        if (published.length === 0) {
          // A process that died between the commit and the note of it does this step again: it is done.
          const ready = yield* withId(
            sql`SELECT id FROM media_items WHERE id = ${itemId} AND etag = ${etag} AND status = 'ready'`
          )
          return ready.length === 0 ? yield* new ItemSuperseded({ itemId }) : undefined
        }
        yield* events.append({ name: "media.ready", mediaId: itemId })
      }, transaction)

      const recordFailure = Effect.fn("ItemIngest.recordFailure")(function* (
        itemId: MediaItemId,
        etag: ETag,
        failure: ItemFailure
      ) {
        yield* changing(
          itemId,
          sql`UPDATE media_items SET status = 'failed', failure_step = ${failure.step},
            failure_message = ${storableText(failure.message)}, failure_attempts = ${failure.attempts}, ${touched}
          WHERE id = ${itemId} AND etag = ${etag} AND status <> 'missing' RETURNING id`
        )
        yield* events.append({ name: "media.failed", mediaId: itemId })
      }, transaction)

      return ItemIngest.of({
        createAll,
        replaceAll,
        moveAll,
        markMissing,
        restoreAll,
        removeAll,
        requeueAll,
        ...probeRecords({ sql, touched, transaction, unfailed, updated }),
        ...derivativeRecords({ sql, touched, transaction, updated }),
        publishReady,
        recordFailure
      })
    })
  )
}
