import { ItemIngest } from "@joy/catalog/ItemIngest"
import { MediaItemId, type ScanId } from "@joy/domain/Ids"
import { ObjectKey } from "@joy/domain/StoredObject"
import { SourceStore } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import type { KnownObject } from "./ObjectLedger.ts"
import { rows } from "./Rows.ts"

export type AbsenceOutcome =
  | { readonly _tag: "Marked"; readonly missing: number }
  /** The guard holds: nothing was marked. */
  | { readonly _tag: "Waiting"; readonly absent: number }

/** Items that are few enough to be asked for one by one. */
const asked = 1000
const batch = 1000
/** A library this small may lose all of it without a question. */
const unguarded = 20

const AbsentRow = Schema.Struct({ objectId: Schema.String, itemId: MediaItemId, key: ObjectKey })

/**
 * Keys of ours that a scan did not see. They are noted page by page and made final when the scan has seen the whole,
 * because a disk that is not mounted or a bucket that was emptied by accident looks like a library that was deleted.
 */
export class Absences extends Context.Service<
  Absences,
  {
    /** Belongs in the transaction that dealt with the page. */
    readonly note: (scanId: ScanId, absent: ReadonlyArray<KnownObject>) => Effect.Effect<void>
    /** Folders that the page could not look into (keys that end in `/`): what lies below them is unknown, not gone. */
    readonly noteUnreadable: (scanId: ScanId, folders: ReadonlyArray<string>) => Effect.Effect<void>
    /** What is absent for certain: asks once more for a few. To be called after the last page. */
    readonly verify: (scanId: ScanId) => Effect.Effect<void, StoreUnavailable>
    /**
     * Marks what is absent as missing, unless that is more than half of a library of more than 20 objects and nobody
     * said that it is right. To be called when it is verified and what was moved is accounted for.
     */
    readonly conclude: (scan: {
      readonly id: ScanId
      readonly acceptMissing: boolean
      readonly knownAtStart: number
    }) => Effect.Effect<AbsenceOutcome>
    /**
     * The same for a look at some keys, which knows nothing of the rest: it marks a few, and leaves more than that to a
     * scan.
     */
    readonly concludeLook: (id: ScanId) => Effect.Effect<AbsenceOutcome>
  }
>()("@joy/ingest/Absences") {
  static readonly layer = Layer.effect(
    Absences,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* SourceStore
      const items = yield* ItemIngest

      const note = Effect.fn("Absences.note")(function* (scanId: ScanId, absent: ReadonlyArray<KnownObject>) {
        if (absent.length === 0) return
        yield* Effect.orDie(sql`
          INSERT INTO scan_absences (scan_id, object_id)
          SELECT ${scanId}::uuid, unnest(${absent.map((known) => known.objectId)}::uuid[])
          ON CONFLICT DO NOTHING`)
      })

      const noteUnreadable = Effect.fn("Absences.noteUnreadable")(function* (
        scanId: ScanId,
        folders: ReadonlyArray<string>
      ) {
        if (folders.length === 0) return
        yield* Effect.orDie(sql`
          UPDATE scans SET unreadable = unreadable || ${folders}::text[] WHERE id = ${scanId}`)
      })

      /** A folder may stand at the end of a page and what was in it on the next: looked at when all pages are there. */
      const forgetUnknown = (scanId: ScanId) =>
        Effect.orDie(sql`
          DELETE FROM scan_absences USING processed_s3_objects AS object, scans
          WHERE scan_absences.scan_id = ${scanId} AND object.id = scan_absences.object_id AND scans.id = ${scanId}
            AND EXISTS (SELECT FROM unnest(scans.unreadable) AS folder WHERE starts_with(object.s3_key, folder))`)

      const first = (scanId: ScanId, limit: number) =>
        rows(AbsentRow)(sql`
          SELECT object.id AS object_id, object.item_id, object.s3_key AS key
          FROM scan_absences JOIN processed_s3_objects AS object ON object.id = scan_absences.object_id
          WHERE scan_absences.scan_id = ${scanId} AND object.missing_at IS NULL
          LIMIT ${limit}::integer`)

      const count = (scanId: ScanId) =>
        rows(Schema.Struct({ count: Schema.Finite }))(sql`
          SELECT count(*)::integer AS count FROM scan_absences
          JOIN processed_s3_objects AS object ON object.id = scan_absences.object_id
          WHERE scan_absences.scan_id = ${scanId} AND object.missing_at IS NULL`).pipe(
          Effect.map(([row]) => row?.count ?? 0)
        )

      const forget = (scanId: ScanId, objectIds: ReadonlyArray<string>) =>
        Effect.orDie(sql`DELETE FROM scan_absences WHERE scan_id = ${scanId} AND object_id = ANY(${objectIds}::uuid[])`)

      /** A file that an editor replaced while its folder was being read is there again: few are asked for once more. */
      const askAgain = Effect.fnUntraced(function* (scanId: ScanId) {
        const absent = yield* first(scanId, asked)
        const back = yield* Effect.filter(
          absent,
          ({ key }) =>
            store.head(key).pipe(
              Effect.as(true),
              Effect.catchTag("ObjectNotFound", () => Effect.succeed(false))
            ),
          { concurrency: 16 }
        )
        if (back.length > 0) {
          yield* forget(
            scanId,
            back.map(({ objectId }) => objectId)
          )
        }
      })

      const markBatch = Effect.fnUntraced(
        function* (scanId: ScanId) {
          const absent = yield* first(scanId, batch)
          if (absent.length === 0) return 0
          const objectIds = absent.map(({ objectId }) => objectId)
          yield* Effect.orDie(sql`
            UPDATE processed_s3_objects SET missing_at = now(), updated_at = now()
            WHERE id = ANY(${objectIds}::uuid[])`)
          yield* items.markMissing(absent.map(({ itemId }) => itemId))
          yield* forget(scanId, objectIds)
          return absent.length
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      /** An entry that could never be used and is gone leaves nothing worth keeping. */
      const removeUnusable = Effect.fnUntraced(function* (scanId: ScanId) {
        const unseen = yield* rows(Schema.Struct({ itemId: MediaItemId }))(sql`
          SELECT item_id FROM processed_s3_objects WHERE unusable AND seen_in_scan IS DISTINCT FROM ${scanId}::uuid`)
        if (unseen.length > 0) yield* items.removeAll(unseen.map(({ itemId }) => itemId))
      })

      const verify = Effect.fn("Absences.verify")(function* (scanId: ScanId) {
        yield* forgetUnknown(scanId)
        const absent = yield* count(scanId)
        if (absent > 0 && absent <= asked) yield* askAgain(scanId)
      })

      const mark = Effect.fnUntraced(function* (scanId: ScanId, most: number): Effect.fn.Return<AbsenceOutcome> {
        const absent = yield* count(scanId)
        if (absent > most) return { _tag: "Waiting", absent }
        let missing = 0
        while (missing < absent) {
          const marked = yield* markBatch(scanId)
          if (marked === 0) break
          missing += marked
        }
        return { _tag: "Marked", missing }
      })

      const conclude = Effect.fn("Absences.conclude")(function* (scan: {
        readonly id: ScanId
        readonly acceptMissing: boolean
        readonly knownAtStart: number
      }) {
        const isFree = scan.acceptMissing || scan.knownAtStart <= unguarded
        const outcome = yield* mark(scan.id, isFree ? Number.POSITIVE_INFINITY : scan.knownAtStart / 2)
        if (outcome._tag === "Marked") yield* removeUnusable(scan.id)
        return outcome
      })

      const concludeLook = Effect.fn("Absences.concludeLook")((id: ScanId) => mark(id, unguarded))

      return Absences.of({ note, noteUnreadable, verify, conclude, concludeLook })
    })
  )
}
