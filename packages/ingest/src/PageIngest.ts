import { ItemIngest } from "@joy/catalog/ItemIngest"
import type { ScanId } from "@joy/domain/Ids"
import { ETag, ObjectKey, type StoredObject } from "@joy/domain/StoredObject"
import { type ObjectPage, SourceStore, type UnusableEntry } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { Absences } from "./Absences.ts"
import { Arrivals } from "./Arrivals.ts"
import { CatalogChanges } from "./CatalogChanges.ts"
import * as FileNames from "./FileNames.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as MediaKinds from "./MediaKinds.ts"
import { type KeyRange, type KeyScope, ObjectLedger, type PageDifference } from "./ObjectLedger.ts"
import { ScanJournal, type ScanRange } from "./ScanJournal.ts"
import { Settling } from "./Settling.ts"
import { Turns } from "./Turns.ts"

/** A key of at most 1,024 bytes out of the name of an entry that has none. */
const keyOf = (entry: UnusableEntry): ObjectKey => {
  let key = entry.key.replaceAll("\u0000", "\\x00").toWellFormed()
  while (Buffer.byteLength(key) > 1024) key = key.slice(0, -1).toWellFormed()
  return ObjectKey.make(key)
}

/** Postgres has no place for the character NUL, which keys of S3 may hold. */
const isNamable = (object: StoredObject) => !object.key.includes("\u0000")

type SeenPage = Pick<ObjectPage, "objects" | "unusable">

/** What of a page is ingest's business. */
interface Seen {
  readonly media: ReadonlyArray<StoredObject>
  readonly unusable: ReadonlyArray<UnusableEntry>
  /** Folders that could not be looked into. */
  readonly unreadable: ReadonlyArray<string>
}

const isEmpty = (difference: PageDifference) => Object.values(difference).every((part) => part.length === 0)

export interface AppliedPage {
  /** Where the range goes on. */
  readonly checkpoint: string
  /** How many objects have to wait because they may still be being written. */
  readonly waiting: number
}

/** Deals with one page of a listing: what is new, changed, back or absent goes into the database at once. */
export class PageIngest extends Context.Service<
  PageIngest,
  {
    /**
     * Compares the page that follows the range's checkpoint with what is known, and writes the differences, the work that
     * follows from them, the counters and the new checkpoint in one transaction. Where nothing differs, which is most
     * often so, that is two statements. `turn` is the one (see `Turns`) in which the page was listed.
     */
    readonly apply: (
      scanId: ScanId,
      range: ScanRange,
      page: ObjectPage,
      turn: number
    ) => Effect.Effect<AppliedPage, StoreUnavailable>
    /** The same for a look at the keys of `scope`, of which these are there. Gives the keys of those that have to wait. */
    readonly look: (
      id: ScanId,
      page: SeenPage,
      scope: KeyScope
    ) => Effect.Effect<ReadonlyArray<ObjectKey>, StoreUnavailable>
  }
>()("@joy/ingest/PageIngest") {
  static readonly layer = Layer.effect(
    PageIngest,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* SourceStore
      const items = yield* ItemIngest
      const ledger = yield* ObjectLedger
      const changes = yield* CatalogChanges
      const absences = yield* Absences
      const arrivals = yield* Arrivals
      const settling = yield* Settling
      const turns = yield* Turns
      const journal = yield* ScanJournal
      const kinds = MediaKinds.make((yield* IngestConfig).ignore)

      const addUnusable = Effect.fnUntraced(function* (scanId: ScanId, entries: ReadonlyArray<UnusableEntry>) {
        const reasons = new Map(entries.map((entry) => [keyOf(entry), entry.reason]))
        const unknown = yield* ledger.unusable(scanId, [...reasons.keys()])
        const created = yield* items.createAll(
          unknown.map((key) => ({
            key,
            etag: ETag.make("unusable"),
            sizeBytes: 0,
            type: kinds.typeOf(key) ?? "video",
            title: FileNames.read(key).title,
            failure: { step: "list", message: reasons.get(key) ?? "It can't be used", attempts: 1 }
          }))
        )
        yield* ledger.addUnusable(scanId, created)
      })

      /** The difference without what may still be being written. */
      const settled = Effect.fnUntraced(function* (difference: PageDifference) {
        const { settled, unsettled } = yield* settling.settle([
          ...difference.added,
          ...difference.changed.map(({ object }) => object),
          ...difference.arrived.map(({ object }) => object)
        ])
        const isSettled = new Set(settled)
        return {
          unsettled,
          added: difference.added.filter((object) => isSettled.has(object)),
          changed: difference.changed.filter(({ object }) => isSettled.has(object)),
          arrived: difference.arrived.filter(({ object }) => isSettled.has(object))
        }
      })

      /** Writes whatever differs, in one transaction with `note`, which is told what was found. */
      const write = Effect.fnUntraced(function* (
        scanId: ScanId,
        difference: PageDifference,
        seen: Seen,
        note: (counts: { readonly new: number; readonly changed: number }) => Effect.Effect<void>
      ) {
        if (isEmpty(difference) && seen.unusable.length === 0 && seen.unreadable.length === 0) {
          yield* note({ new: 0, changed: 0 })
          return []
        }
        const { added, arrived, changed, unsettled } = yield* settled(difference)
        yield* Effect.gen(function* () {
          yield* absences.note(scanId, difference.absent)
          yield* absences.noteUnreadable(scanId, seen.unreadable)
          yield* arrivals.note(scanId, arrived)
          yield* changes.add(added)
          yield* changes.replace(changed)
          yield* changes.restore(difference.returned)
          yield* addUnusable(scanId, seen.unusable)
          yield* note({ new: added.length, changed: changed.length })
        }).pipe(sql.withTransaction, Effect.catchIf(isSqlError, Effect.die))
        return unsettled.map(({ key }) => key)
      })

      const isMedia = (object: StoredObject) => kinds.typeOf(object.key) !== null && isNamable(object)

      const seenOf = (page: SeenPage): Seen => ({
        media: page.objects.filter(isMedia),
        unusable: [
          ...page.unusable,
          ...page.objects
            .filter((object) => !isNamable(object))
            .map((object) => ({ key: object.key, reason: "Its name holds the character NUL" }))
        ].filter((entry) => kinds.typeOf(entry.key) !== null),
        unreadable: page.unusable.flatMap(({ key }) => (key.endsWith("/") ? [key] : []))
      })

      /** What is there now, of all that a page was about. */
      const listAgain = Effect.fnUntraced(function* ({ from, to }: KeyRange) {
        const pages: Array<ObjectPage> = []
        for (let at: string | null = from; at !== null; at = pages.at(-1)?.nextStartAfter ?? null) {
          pages.push(yield* store.list({ startAfter: at, upTo: to ?? undefined }))
        }
        return {
          objects: pages.flatMap(({ objects }) => objects),
          unusable: pages.flatMap(({ unusable }) => unusable)
        }
      })

      const apply = Effect.fn("PageIngest.apply")(function* (
        scanId: ScanId,
        range: ScanRange,
        page: ObjectPage,
        turn: number
      ) {
        // A key with a NUL can't be a checkpoint: the page ends before it, and such keys are listed again.
        const to =
          page.nextStartAfter?.includes("\u0000") === true
            ? (page.objects.findLast(isNamable)?.key ?? range.checkpoint)
            : page.nextStartAfter
        const scope = { from: range.checkpoint, to: to ?? range.upTo }
        const waiting = yield* turns.together(
          Effect.gen(function* () {
            let seen = seenOf(page)
            let difference = yield* ledger.compare(seen.media, scope)
            // What a look wrote down since is not to be undone by what was listed before it.
            if (!isEmpty(difference) && turns.count() !== turn) {
              seen = seenOf(yield* listAgain(scope))
              difference = yield* ledger.compare(seen.media, scope)
            }
            const listed = seen.media.length + seen.unusable.length
            const failed = seen.unusable.length
            return yield* write(scanId, difference, seen, (counts) =>
              journal.passed(scanId, range, to, { ...counts, listed, failed })
            )
          })
        )
        return { checkpoint: to ?? range.checkpoint, waiting: waiting.length }
      })

      // What can't be used is left to the scans: whether such an entry is gone is told by having seen all of them.
      const look = Effect.fn("PageIngest.look")(function* (id: ScanId, page: SeenPage, scope: KeyScope) {
        const seen = { ...seenOf(page), unusable: [] }
        return yield* write(id, yield* ledger.compare(seen.media, scope), seen, () => Effect.void)
      })

      return PageIngest.of({ apply, look })
    })
  )
}
