import type { AuditNotes } from "@joy/domain/AuditNotes"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { Events } from "@joy/domain/Events"
import type { MediaItemId } from "@joy/domain/Ids"
import {
  type BulkChange,
  type BulkResult,
  type ChangeOutcome,
  isAmong,
  type MediaEdit,
  OwnerNotFound
} from "@joy/domain/MediaChange"
import { type MediaItemDetail, MediaItemNotFound } from "@joy/domain/MediaItem"
import * as Policy from "@joy/domain/Policy"
import { type Forbidden, PreconditionFailed } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"

import * as ItemPlans from "./ItemPlans.ts"
import * as LockedItems from "./LockedItems.ts"
import { MediaItems } from "./MediaItems.ts"

/** The fields of an edit that differ from what the item has. */
const differences = (item: LockedItems.LockedItem, edit: MediaEdit): MediaEdit => ({
  ...(edit.title !== undefined && edit.title !== item.title ? { title: edit.title } : {}),
  ...(edit.description !== undefined && edit.description !== item.description ? { description: edit.description } : {}),
  ...(edit.tags !== undefined && edit.tags.join("\n") !== item.tags.join("\n") ? { tags: edit.tags } : {}),
  ...(edit.visibility !== undefined && edit.visibility !== item.visibility ? { visibility: edit.visibility } : {}),
  ...(edit.ownerId !== undefined && edit.ownerId !== item.ownerId ? { ownerId: edit.ownerId } : {})
})

/**
 * What people change of items. It is for the owner, signed in, and for who has `media:write`. Every change raises
 * `version` and appends `media.updated`; what is done to others' items is written down.
 */
export class MediaChanges extends Context.Service<
  MediaChanges,
  {
    /** Changes an item that still has a version of `ifMatch`, and gives it as it is then. A new title is there to stay. */
    readonly edit: (
      id: MediaItemId,
      edit: MediaEdit,
      request: { readonly ifMatch: string | undefined; readonly facts: RequestFacts }
    ) => Effect.Effect<
      MediaItemDetail,
      MediaItemNotFound | Forbidden | PreconditionFailed | OwnerNotFound,
      CurrentPrincipal
    >
    /** Puts an item into the trash: it is there for nobody but who may restore it. */
    readonly trash: (
      id: MediaItemId,
      options: { readonly source?: "delete" | undefined },
      facts: RequestFacts
    ) => Effect.Effect<void, MediaItemNotFound | Forbidden, CurrentPrincipal>
    /** Takes an item out of the trash again. */
    readonly restore: (
      id: MediaItemId,
      facts: RequestFacts
    ) => Effect.Effect<void, MediaItemNotFound | Forbidden, CurrentPrincipal>
    /** Does one thing to many items, those that it can be done to, in one transaction. */
    readonly bulk: (change: BulkChange, facts: RequestFacts) => Effect.Effect<BulkResult, Forbidden, CurrentPrincipal>
  }
>()("@joy/catalog/MediaChanges") {
  static readonly layer: Layer.Layer<MediaChanges, never, AuditNotes | Events | MediaItems | SqlClient.SqlClient> =
    Layer.effect(
      MediaChanges,
      Effect.gen(function* () {
        const items = yield* MediaItems
        const { lock, sql, transaction, write } = yield* LockedItems.make

        const apply = Effect.fnUntraced(function* (
          id: MediaItemId,
          edit: MediaEdit,
          { facts, ifMatch }: { readonly ifMatch: string | undefined; readonly facts: RequestFacts }
        ) {
          const principal = yield* Policy.permission("media:read")
          const [item] = yield* lock(principal, [id], "library")
          if (item === undefined) return yield* new MediaItemNotFound({})
          if (!LockedItems.mayChange(principal, item)) return yield* LockedItems.notYours
          if (edit.ownerId !== undefined) yield* Policy.permission("media:write")
          if (!isAmong(ifMatch, item.version)) return yield* new PreconditionFailed({})
          const news = differences(item, edit)
          const fields = Object.keys(news)
          if (fields.length === 0) return
          const { description = item.description, ownerId = item.ownerId, title = item.title } = news
          if (ownerId !== null && ownerId !== item.ownerId) {
            const [owner] = yield* sql`SELECT 1 FROM users WHERE id = ${ownerId} FOR KEY SHARE`
            if (owner === undefined) return yield* new OwnerNotFound({})
          }
          const set = sql`title = ${title}, title_edited = title_edited OR ${news.title !== undefined}::boolean,
            description = ${description}::text, tags = ${[...(news.tags ?? item.tags)]}::text[],
            visibility = ${news.visibility ?? item.visibility}, user_id = ${ownerId}::uuid`
          yield* write(principal, [item], set, { action: "media.updated", detail: { fields }, facts })
        }, transaction)

        const edit = Effect.fn("MediaChanges.edit")(function* (
          id: MediaItemId,
          { tags, ...rest }: MediaEdit,
          request: { readonly ifMatch: string | undefined; readonly facts: RequestFacts }
        ) {
          yield* apply(id, tags === undefined ? rest : { ...rest, tags: ItemPlans.tagsOf(tags) }, request)
          return yield* items.byId(id)
        })

        const bulk = Effect.fn("MediaChanges.bulk")(function* (change: BulkChange, facts: RequestFacts) {
          const principal = yield* Policy.permission("media:read")
          const plan = ItemPlans.planOf(sql, change)
          const ids = [...new Set(change.ids)]
          const found = yield* lock(principal, ids, change.action === "restore" ? "trash" : "library")
          const outcomes = new Map<MediaItemId, ChangeOutcome>(
            found.map((item) => [item.id, LockedItems.mayChange(principal, item) ? plan.outcome(item) : "forbidden"])
          )
          const changed = found.filter(({ id }) => outcomes.get(id) === "changed")
          yield* write(principal, changed, plan.set, { ...plan.note, facts })
          return { results: change.ids.map((id) => ({ id, outcome: outcomes.get(id) ?? ("not-found" as const) })) }
        }, transaction)

        const one = Effect.fnUntraced(function* (change: BulkChange, facts: RequestFacts) {
          const { results } = yield* bulk(change, facts)
          if (results[0]?.outcome === "forbidden") return yield* LockedItems.notYours
          if (results[0]?.outcome === "not-found") return yield* new MediaItemNotFound({})
        })

        return MediaChanges.of({
          edit,
          trash: Effect.fn("MediaChanges.trash")((id, { source }, facts) =>
            one({ action: "trash", ids: [id], ...(source === undefined ? {} : { source }) }, facts)
          ),
          restore: Effect.fn("MediaChanges.restore")((id, facts) => one({ action: "restore", ids: [id] }, facts)),
          bulk
        })
      })
    )
}
