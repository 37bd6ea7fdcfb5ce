import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import type { MediaItemId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import { MediaItemNotFound } from "@joy/domain/MediaItem"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, InvalidRequest } from "@joy/domain/Problem"
import type { Progress, WatchedItem } from "@joy/domain/Progress"
import { Signer } from "@joy/domain/Signer"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { columns, type MediaRow } from "./MediaRow.ts"
import { viewer } from "./MediaView.ts"
import * as ProgressWriter from "./ProgressWriter.ts"
import { visibleTo } from "./VisibleItems.ts"
import * as WatchPosition from "./WatchPosition.ts"

interface WatchedRow extends MediaRow {
  readonly positionSeconds: number
  readonly watchedAt: Timestamp
}

const Position = Schema.Tuple([Timestamp, Schema.String])

/** How far users are with items. An item keeps it when its object is moved or replaced. */
export class WatchProgress extends Context.Service<
  WatchProgress,
  {
    /** Keeps where the user is, and is done when it is kept: what was said last stands. */
    readonly put: (
      id: MediaItemId,
      progress: Progress
    ) => Effect.Effect<void, MediaItemNotFound | Forbidden, CurrentPrincipal>
    /** What the user has begun with, not finished, and can go on with, the latest first. */
    readonly continueWatching: (
      query: PageQuery
    ) => Effect.Effect<Page<WatchedItem>, Forbidden | InvalidRequest, CurrentPrincipal>
  }
>()("@joy/catalog/WatchProgress") {
  static readonly layer: Layer.Layer<WatchProgress, never, HotReads | Signer | SqlClient.SqlClient> = Layer.effect(
    WatchProgress,
    Effect.gen(function* () {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const hot = yield* HotReads
      const signer = yield* Signer
      const viewFor = yield* viewer
      const write = yield* ProgressWriter.make
      const item = columns(sql)

      const put = Effect.fn("WatchProgress.put")(function* (
        itemId: MediaItemId,
        { finished, positionSeconds: said }: Progress
      ) {
        const principal = yield* Policy.permission("media:read")
        const [row] = yield* hot<{ durationSeconds: number | null }>`
          SELECT duration_seconds AS "durationSeconds" FROM media_items
          WHERE id = ${itemId} AND deleted_at IS NULL AND ${visibleTo(hot, principal)}`.pipe(Effect.orDie)
        if (row === undefined) return yield* new MediaItemNotFound({})
        const positionSeconds = Math.min(said, row.durationSeconds ?? said)
        yield* write({
          userId: principal.userId,
          itemId,
          positionSeconds,
          finished: finished ?? WatchPosition.isAtEnd(positionSeconds, row.durationSeconds)
        })
      })

      const continueWatching = Effect.fn("WatchProgress.continueWatching")(function* (query: PageQuery) {
        const principal = yield* Policy.permission("media:read")
        const { userId } = principal
        const list = `continue-watching.${userId}`
        const after = yield* Keyset.position(signer, list, Position, query.cursor)
        const rows = yield* sql<WatchedRow>`
          SELECT ${item}, watched.position_seconds AS "positionSeconds", watched.at AS "watchedAt"
          FROM media_items JOIN (
            SELECT item_id, position_seconds, updated_at AS at FROM media_progress
            WHERE media_progress.user_id = ${userId} AND NOT finished
          ) AS watched ON watched.item_id = media_items.id
          WHERE deleted_at IS NULL AND status = 'ready' AND ${visibleTo(sql, principal)}
            AND ${WatchPosition.isBegun(sql)}
            AND ${after === null ? sql`TRUE` : sql`(watched.at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
          ORDER BY watched.at DESC, id DESC LIMIT ${Keyset.rowLimit(query)}::int`.pipe(Effect.orDie)
        const page = Keyset.page(signer, list, query, rows, (last) => [last.watchedAt, last.id])
        const { present } = yield* viewFor(principal)
        const toWatched = (row: WatchedRow): WatchedItem => {
          const { positionSeconds, watchedAt } = row
          return { ...present(row), positionSeconds, watchedAt }
        }
        return { ...page, items: page.items.map(toWatched) }
      })

      return WatchProgress.of({ put, continueWatching })
    })
  )
}
