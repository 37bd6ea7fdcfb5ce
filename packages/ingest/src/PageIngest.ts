import { ItemIngest } from "@joy/catalog/ItemIngest"
import type { MediaItemId, ScanId } from "@joy/domain/Ids"
import { ETag, ObjectKey, type StoredObject } from "@joy/domain/StoredObject"
import type { ObjectPage, UnusableEntry } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { Absences } from "./Absences.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as MediaKinds from "./MediaKinds.ts"
import { Moves } from "./Moves.ts"
import { type KeyRange, type KnownObject, ObjectLedger } from "./ObjectLedger.ts"
import { Outbox, type Work } from "./Outbox.ts"
import { ScanJournal } from "./ScanJournal.ts"
import { Settling } from "./Settling.ts"

/** A key of at most 1,024 bytes out of the name of an entry that has none. */
const keyOf = (entry: UnusableEntry): ObjectKey => {
  let key = entry.key.replaceAll("\u0000", "\\x00").toWellFormed()
  while (Buffer.byteLength(key) > 1024) key = key.slice(0, -1).toWellFormed()
  return ObjectKey.make(key)
}

/** Postgres has no place for the character NUL, which keys of S3 may hold. */
const isNamable = (object: StoredObject) => !object.key.includes("\u0000")

const workOn = (known: KnownObject): Work => ({
  itemId: known.itemId,
  key: known.key,
  etag: known.etag,
  sizeBytes: known.sizeBytes,
  run: known.run
})

/** Deals with one page of a listing: what is new, changed, moved, back or absent goes into the database at once. */
export class PageIngest extends Context.Service<
  PageIngest,
  {
    /**
     * Compares the page with what is known and writes the differences, the work that follows from them, the scan's
     * counters and its checkpoint in one transaction. Gives the number of objects that have to wait because they may
     * still be being written.
     */
    readonly apply: (scanId: ScanId, page: ObjectPage, range: KeyRange) => Effect.Effect<number, StoreUnavailable>
  }
>()("@joy/ingest/PageIngest") {
  static readonly layer = Layer.effect(
    PageIngest,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* ItemIngest
      const ledger = yield* ObjectLedger
      const outbox = yield* Outbox
      const absences = yield* Absences
      const moves = yield* Moves
      const settling = yield* Settling
      const journal = yield* ScanJournal
      const kinds = MediaKinds.make((yield* IngestConfig).ignore)

      const add = Effect.fnUntraced(function* (objects: ReadonlyArray<StoredObject>) {
        const created = yield* items.createAll(
          objects.map((object) => ({
            key: object.key,
            etag: object.etag,
            sizeBytes: object.sizeBytes,
            type: kinds.typeOf(object.key) ?? "video",
            title: MediaKinds.titleOf(object.key)
          }))
        )
        const itemIds = new Map<string, MediaItemId>(created.map(({ itemId, key }) => [key, itemId]))
        const known = objects.flatMap((object) => {
          const itemId = itemIds.get(object.key)
          return itemId === undefined ? [] : [{ object, itemId }]
        })
        yield* ledger.add(known)
        return known.map(({ itemId, object }): Work => ({
          itemId,
          key: object.key,
          etag: object.etag,
          sizeBytes: object.sizeBytes,
          run: 1
        }))
      })

      const replace = Effect.fnUntraced(function* (
        objects: ReadonlyArray<{ readonly object: StoredObject; readonly known: KnownObject }>
      ) {
        if (objects.length === 0) return []
        yield* items.replaceAll(
          objects.map(({ known, object }) => ({
            itemId: known.itemId,
            etag: object.etag,
            sizeBytes: object.sizeBytes
          }))
        )
        return (yield* ledger.replace(objects)).map(workOn)
      })

      /** Items whose work was not done when their object went away start again. */
      const restore = Effect.fnUntraced(function* (known: ReadonlyArray<KnownObject>) {
        if (known.length === 0) return []
        yield* ledger.returned(known.map(({ objectId }) => objectId))
        const restored = yield* items.restoreAll(known.map(({ itemId }) => itemId))
        const unfinished = restored.filter(({ status }) => status === "pending" || status === "processing")
        return unfinished.length === 0 ? [] : (yield* ledger.again(unfinished.map(({ itemId }) => itemId))).map(workOn)
      })

      const move = Effect.fnUntraced(function* (
        moved: ReadonlyArray<{ readonly object: StoredObject; readonly known: KnownObject }>
      ) {
        if (moved.length === 0) return []
        const itemIds = moved.map(({ known }) => known.itemId)
        yield* ledger.move(moved.map(({ known, object }) => ({ key: object.key, known })))
        yield* items.moveAll(
          moved.map(({ known, object }) => ({
            itemId: known.itemId,
            key: object.key,
            title: MediaKinds.titleOf(object.key),
            formerTitle: MediaKinds.titleOf(known.key)
          }))
        )
        const restored = yield* items.restoreAll(itemIds)
        const unfinished = new Set([
          ...(yield* outbox.giveUp(itemIds)),
          ...restored.flatMap(({ itemId, status }) => (status === "pending" || status === "processing" ? [itemId] : []))
        ])
        return unfinished.size === 0 ? [] : (yield* ledger.again([...unfinished])).map(workOn)
      })

      const addUnusable = Effect.fnUntraced(function* (scanId: ScanId, entries: ReadonlyArray<UnusableEntry>) {
        const reasons = new Map(entries.map((entry) => [keyOf(entry), entry.reason]))
        const unknown = yield* ledger.unusable(scanId, [...reasons.keys()])
        const created = yield* items.createAll(
          unknown.map((key) => ({
            key,
            etag: ETag.make("unusable"),
            sizeBytes: 0,
            type: kinds.typeOf(key) ?? "video",
            title: MediaKinds.titleOf(key),
            failure: { step: "list", message: reasons.get(key) ?? "It can't be used", attempts: 1 }
          }))
        )
        yield* ledger.addUnusable(scanId, created)
      })

      const apply = Effect.fn("PageIngest.apply")(function* (scanId: ScanId, page: ObjectPage, range: KeyRange) {
        const media = page.objects.filter((object) => isNamable(object) && kinds.typeOf(object.key) !== null)
        const unusable = [
          ...page.unusable,
          ...page.objects
            .filter((object) => !isNamable(object))
            .map((object) => ({ key: object.key, reason: "Its name holds the character NUL" }))
        ].filter((entry) => kinds.typeOf(entry.key) !== null)
        const difference = yield* ledger.compare(media, range)
        const { settled, unsettled } = yield* settling.settle([
          ...difference.added,
          ...difference.changed.map(({ object }) => object)
        ])
        const isSettled = new Set(settled)
        const added = difference.added.filter((object) => isSettled.has(object))
        const changed = difference.changed.filter(({ object }) => isSettled.has(object))
        const moved = yield* moves.find(added)
        const movedObjects = new Set(moved.map(({ object }) => object))
        const movedIds = new Set(moved.map(({ known }) => known.objectId))
        const fresh = added.filter((object) => !movedObjects.has(object))

        yield* Effect.gen(function* () {
          yield* absences.note(
            scanId,
            difference.absent.filter((known) => !movedIds.has(known.objectId))
          )
          const work = [
            ...(yield* move(moved)),
            ...(yield* add(fresh)),
            ...(yield* replace(changed)),
            ...(yield* restore(difference.returned))
          ]
          yield* outbox.add(work)
          yield* addUnusable(scanId, unusable)
          yield* absences.noteUnreadable(
            scanId,
            page.unusable.flatMap(({ key }) => (key.endsWith("/") ? [key] : []))
          )
          const to = range.to ?? page.objects.findLast(isNamable)?.key ?? range.from
          yield* journal.progress(
            scanId,
            { from: range.from, to },
            {
              listed: media.length + unusable.length,
              new: fresh.length,
              changed: changed.length,
              moved: moved.length,
              failed: unusable.length
            }
          )
        }).pipe(sql.withTransaction, Effect.catchIf(isSqlError, Effect.die))
        return unsettled
      })

      return PageIngest.of({ apply })
    })
  )
}
