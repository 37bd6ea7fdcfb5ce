import { ItemIngest } from "@joy/catalog/ItemIngest"
import { visibleTo } from "@joy/catalog/VisibleItems"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { MediaItemId } from "@joy/domain/Ids"
import { MediaItemNotFound } from "@joy/domain/MediaItem"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden } from "@joy/domain/Problem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { rendition } from "./DerivativeKind.ts"
import { ObjectLedger } from "./ObjectLedger.ts"
import { Outbox } from "./Outbox.ts"
import { rows } from "./Rows.ts"

/** How many items get a new run in one transaction. */
const batch = 500

/** Another try for what failed. The list of failures is `MediaItems.failures`. */
export class Failures extends Context.Service<
  Failures,
  {
    /** Tries a failed item again, or the rendition of a ready one that failed; what has not failed is left alone. */
    readonly retry: (id: MediaItemId) => Effect.Effect<void, MediaItemNotFound | Forbidden, CurrentPrincipal>
    /** Tries every failed item again, and says how many. */
    readonly retryAll: () => Effect.Effect<number, Forbidden, CurrentPrincipal>
  }
>()("@joy/ingest/Failures") {
  static readonly layerNoDeps = Layer.effect(
    Failures,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* ItemIngest
      const ledger = yield* ObjectLedger
      const outbox = yield* Outbox
      const FoundItem = Schema.Struct({ id: MediaItemId, status: Schema.String })

      const requeue = Effect.fnUntraced(
        function* (ids: ReadonlyArray<MediaItemId>) {
          // An entry that is no object (a name that is no UTF-8) has nothing to be tried: its name has to change.
          const objects = yield* ledger.again(ids)
          const pending = new Set(yield* items.requeueAll(objects.map(({ itemId }) => itemId)))
          const work = objects.filter(({ itemId }) => pending.has(itemId))
          yield* outbox.add(work)
          return work.length
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const requeueRendition = Effect.fnUntraced(
        function* (id: MediaItemId) {
          const object = yield* items.forgetRenditionFailure(id)
          if (object !== null) yield* outbox.demand(object, rendition.name)
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const retry = Effect.fn("Failures.retry")(function* (id: MediaItemId) {
        const [item] = yield* rows(FoundItem)(sql`
          SELECT id, status FROM media_items
          WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(sql, yield* CurrentPrincipal)}`)
        // In this order: whoever may not see the item is not to learn that it is there.
        if (item === undefined) return yield* new MediaItemNotFound({})
        yield* Policy.permission("media:refresh")
        if (item.status === "failed") yield* requeue([id])
        else yield* requeueRendition(id)
      })

      const retryAll = Effect.fn("Failures.retryAll")(function* () {
        yield* Policy.permission("media:refresh")
        // Those that fail again meanwhile come behind the last id, which was made earlier: each is tried once.
        let after = "00000000-0000-0000-0000-000000000000"
        let retried = 0
        while (true) {
          const failed = yield* rows(FoundItem)(sql`
            SELECT id, status FROM media_items WHERE status = 'failed' AND deleted_at IS NULL AND id > ${after}::uuid
            ORDER BY id LIMIT ${batch}::integer`)
          const last = failed.at(-1)
          if (last === undefined) return retried
          retried += yield* requeue(failed.map(({ id }) => id))
          after = last.id
        }
      })

      return Failures.of({ retry, retryAll })
    })
  )

  static readonly layer = Failures.layerNoDeps.pipe(Layer.provide([ItemIngest.layer, ObjectLedger.layer, Outbox.layer]))
}
