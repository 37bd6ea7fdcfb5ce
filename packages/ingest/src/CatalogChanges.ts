import { ItemIngest } from "@joy/catalog/ItemIngest"
import type { MediaItemId } from "@joy/domain/Ids"
import type { StoredObject } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import * as FileNames from "./FileNames.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as MediaKinds from "./MediaKinds.ts"
import { type KnownObject, ObjectLedger } from "./ObjectLedger.ts"
import { Outbox, type Work } from "./Outbox.ts"

/** A known object, and what it is or where it is now. */
export interface Change {
  readonly object: StoredObject
  readonly known: KnownObject
}

const workOn = (known: KnownObject): Work => ({
  itemId: known.itemId,
  key: known.key,
  etag: known.etag,
  sizeBytes: known.sizeBytes,
  run: known.run
})

/**
 * Writes what a scan finds into the ledger and the catalogue, and the work that follows from it into the outbox. All of
 * it belongs in one transaction of the caller.
 */
export class CatalogChanges extends Context.Service<
  CatalogChanges,
  {
    readonly add: (objects: ReadonlyArray<StoredObject>) => Effect.Effect<void>
    /** The keys hold other objects. */
    readonly replace: (changes: ReadonlyArray<Change>) => Effect.Effect<void>
    /** The objects are back as they were. Items whose work was not done when their object went away start again. */
    readonly restore: (known: ReadonlyArray<KnownObject>) => Effect.Effect<void>
    /** The objects are under other keys, some perhaps under each other's. */
    readonly move: (changes: ReadonlyArray<Change>) => Effect.Effect<void>
  }
>()("@joy/ingest/CatalogChanges") {
  static readonly layer = Layer.effect(
    CatalogChanges,
    Effect.gen(function* () {
      const items = yield* ItemIngest
      const ledger = yield* ObjectLedger
      const outbox = yield* Outbox
      const kinds = MediaKinds.make((yield* IngestConfig).ignore)

      const add = Effect.fn("CatalogChanges.add")(function* (objects: ReadonlyArray<StoredObject>) {
        if (objects.length === 0) return
        const created = yield* items.createAll(
          objects.map((object) => ({
            key: object.key,
            etag: object.etag,
            sizeBytes: object.sizeBytes,
            type: kinds.typeOf(object.key) ?? "video",
            title: FileNames.read(object.key).title
          }))
        )
        const itemIds = new Map<string, MediaItemId>(created.map(({ itemId, key }) => [key, itemId]))
        const known = objects.flatMap((object) => {
          const itemId = itemIds.get(object.key)
          return itemId === undefined ? [] : [{ object, itemId }]
        })
        yield* ledger.add(known)
        yield* outbox.add(
          known.map(({ itemId, object }) => ({
            itemId,
            key: object.key,
            etag: object.etag,
            sizeBytes: object.sizeBytes,
            run: 1
          }))
        )
      })

      const replace = Effect.fn("CatalogChanges.replace")(function* (changes: ReadonlyArray<Change>) {
        if (changes.length === 0) return
        yield* items.replaceAll(
          changes.map(({ known, object }) => ({
            itemId: known.itemId,
            etag: object.etag,
            sizeBytes: object.sizeBytes
          }))
        )
        yield* outbox.add((yield* ledger.replace(changes)).map(workOn))
      })

      const startAgain = Effect.fnUntraced(function* (itemIds: ReadonlyArray<MediaItemId>) {
        if (itemIds.length > 0) yield* outbox.add((yield* ledger.again(itemIds)).map(workOn))
      })

      /** Gives missing items their status back, and those whose work is not done. */
      const restoreItems = Effect.fnUntraced(function* (itemIds: ReadonlyArray<MediaItemId>) {
        const restored = yield* items.restoreAll(itemIds)
        return restored.flatMap(({ itemId, status }) =>
          status === "pending" || status === "processing" ? [itemId] : []
        )
      })

      const restore = Effect.fn("CatalogChanges.restore")(function* (known: ReadonlyArray<KnownObject>) {
        if (known.length === 0) return
        yield* ledger.returned(known.map(({ objectId }) => objectId))
        yield* startAgain(yield* restoreItems(known.map(({ itemId }) => itemId)))
      })

      const move = Effect.fn("CatalogChanges.move")(function* (changes: ReadonlyArray<Change>) {
        if (changes.length === 0) return
        const itemIds = changes.map(({ known }) => known.itemId)
        yield* ledger.move(changes.map(({ known, object }) => ({ key: object.key, known })))
        yield* items.moveAll(
          changes.map(({ known, object }) => ({
            itemId: known.itemId,
            key: object.key,
            formerKey: known.key,
            title: FileNames.read(object.key).title,
            formerTitle: FileNames.read(known.key).title
          }))
        )
        const unfinished = new Set([...(yield* outbox.giveUp(itemIds)), ...(yield* restoreItems(itemIds))])
        yield* startAgain([...unfinished])
      })

      return CatalogChanges.of({ add, replace, restore, move })
    })
  )
}
