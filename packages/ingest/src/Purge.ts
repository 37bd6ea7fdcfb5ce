import { type DueItem, TrashedItems } from "@joy/catalog/TrashedItems"
import type { MediaItemId } from "@joy/domain/Ids"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import { DerivedStore, type ObjectPage, SourceStore } from "@joy/storage/ObjectStore"
import type { StoreReadOnly, StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { IngestConfig } from "./IngestConfig.ts"
import { ObjectLedger } from "./ObjectLedger.ts"

/** The one thing that is ever done to the library: deleting an object with the item, where a user asked for that. */
export class SourceDeletion extends Context.Service<
  SourceDeletion,
  {
    readonly delete: (key: ObjectKey) => Effect.Effect<void, StoreReadOnly | StoreUnavailable>
  }
>()("@joy/ingest/SourceDeletion") {}

/** Empties the trash of what has been there for `TRASH_DAYS`. */
export class Purge extends Context.Service<
  Purge,
  {
    /** Everything that is due. What can't be removed now stays in the trash and is due again. */
    readonly once: Effect.Effect<void>
  }
>()("@joy/ingest/Purge") {
  static readonly layerNoDeps = Layer.effect(
    Purge,
    Effect.gen(function* () {
      const { trashDays } = yield* IngestConfig
      const items = yield* TrashedItems
      const ledger = yield* ObjectLedger
      const source = yield* SourceStore
      const deletion = yield* SourceDeletion
      const derived = yield* DerivedStore

      /** Deletes the version that was thrown away. What took its place is not what somebody wanted to be rid of. */
      const deleteObject = (key: ObjectKey, etag: ETag) =>
        source.head(key).pipe(
          Effect.flatMap((object) => (object.etag === etag ? deletion.delete(key) : Effect.void)),
          Effect.catchTag("ObjectNotFound", () => Effect.void)
        )

      const removeDerivatives = Effect.fnUntraced(function* (id: MediaItemId) {
        const prefix = `${id}/`
        let at: string | null = prefix
        while (at !== null) {
          const page: ObjectPage = yield* derived.list({ prefix, startAfter: at })
          yield* Effect.forEach(page.objects, ({ key }) => derived.delete(key), { discard: true })
          at = page.nextStartAfter
        }
      })

      const remove = Effect.fnUntraced(function* ({ deleteSource, etag, id, s3Key }: DueItem) {
        if (deleteSource) yield* deleteObject(s3Key, etag)
        else yield* ledger.purge(id)
        yield* removeDerivatives(id)
      })

      const purge = (id: MediaItemId) =>
        items.purge(id, remove).pipe(
          Effect.map((removed) => (removed ? 1 : 0)),
          Effect.catch((error) =>
            Effect.as(Effect.logWarning(`Item ${id} can't leave the trash and stays there`, error), 0)
          )
        )

      const once = Effect.gen(function* () {
        let purged = 0
        let after: MediaItemId | null = null
        while (true) {
          const due: ReadonlyArray<MediaItemId> = yield* items.due(trashDays, after)
          for (const id of due) purged += yield* purge(id)
          after = due.at(-1) ?? null
          if (after === null) break
        }
        if (purged > 0) yield* Effect.logInfo(`${purged} items left the trash for good`)
      }).pipe(Effect.withSpan("Purge.once"))

      return Purge.of({ once })
    })
  )

  static readonly layer = Purge.layerNoDeps.pipe(Layer.provide([TrashedItems.layer, ObjectLedger.layer]))
}
