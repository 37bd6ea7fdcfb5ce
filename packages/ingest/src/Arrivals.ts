import type { ScanId } from "@joy/domain/Ids"
import { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import { SourceStore } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { CatalogChanges, type Change } from "./CatalogChanges.ts"
import { type Arrival, KnownObject } from "./ObjectLedger.ts"
import { rows } from "./Rows.ts"
import { ScanJournal } from "./ScanJournal.ts"

const batch = 1000
/** Copies that are few enough for their originals to be asked for once more. */
const asked = 1000
/** Of how many originals of one copy. */
const originals = 8

const ArrivalRow = Schema.Struct({
  key: ObjectKey,
  etag: ETag,
  sizeBytes: Schema.Finite,
  known: Schema.NullOr(KnownObject)
})

const objectOf = ({ etag, key, sizeBytes }: typeof ArrivalRow.Type) =>
  new StoredObject({ key, etag, sizeBytes, modifiedAt: 0 })
const changesOf = (arrived: ReadonlyArray<typeof ArrivalRow.Type>): ReadonlyArray<Change> =>
  arrived.flatMap((row) => (row.known === null ? [] : [{ object: objectOf(row), known: row.known }]))

const untilNone = (step: Effect.Effect<number>) => Effect.repeat(step, { until: (count) => count === 0 })

/**
 * Objects that a scan meets under one key and that are known under another. Whether they are copies or were moved shows
 * when the whole has been listed, whichever key comes first: a known object that is no longer where it was, and whose
 * version is somewhere else now, was moved. So names may be swapped or passed on in a row (all episodes one number
 * further), and every item keeps its identity.
 *
 * Where something is overwritten by another known object, what it was is nowhere any more: there the path counts. What
 * stood there is changed, and what was renamed over it is missing.
 */
export class Arrivals extends Context.Service<
  Arrivals,
  {
    /** Belongs in the transaction that dealt with the page. */
    readonly note: (scanId: ScanId, arrived: ReadonlyArray<Arrival>) => Effect.Effect<void>
    /**
     * Tells what was moved from what was copied, and writes it down. To be called after the last page, when it is known
     * what is absent. May break off and be called again.
     */
    readonly resolve: (scanId: ScanId) => Effect.Effect<void, StoreUnavailable>
  }
>()("@joy/ingest/Arrivals") {
  static readonly layer = Layer.effect(
    Arrivals,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* SourceStore
      const changes = yield* CatalogChanges
      const journal = yield* ScanJournal

      const note = Effect.fn("Arrivals.note")(function* (scanId: ScanId, arrived: ReadonlyArray<Arrival>) {
        if (arrived.length === 0) return
        yield* Effect.orDie(sql`
          INSERT INTO scan_arrivals (scan_id, s3_key, etag, size_bytes, displaced_id)
          SELECT ${scanId}::uuid, key, etag, size_bytes, nullif(displaced_id, '')::uuid FROM unnest(
            ${arrived.map(({ object }) => object.key)}::text[],
            ${arrived.map(({ object }) => object.etag)}::text[],
            ${arrived.map(({ object }) => BigInt(object.sizeBytes))}::bigint[],
            ${arrived.map(({ displaced }) => displaced?.objectId ?? "")}::text[]
          ) AS arrived (key, etag, size_bytes, displaced_id)
          ON CONFLICT DO NOTHING`)
      })

      /** What was written down meanwhile, by a look at the same key, needs no sorting out. */
      const forgetKnown = (scanId: ScanId) =>
        Effect.orDie(sql`
          DELETE FROM scan_arrivals AS arrival USING (
            SELECT arrived.s3_key FROM scan_arrivals AS arrived
            LEFT JOIN processed_s3_objects AS known ON known.s3_key = arrived.s3_key
            WHERE arrived.scan_id = ${scanId} AND (known.id IS DISTINCT FROM arrived.displaced_id
              OR (known.etag = arrived.etag AND known.size_bytes = arrived.size_bytes AND known.missing_at IS NULL))
          ) AS stale
          WHERE arrival.scan_id = ${scanId} AND arrival.s3_key = stale.s3_key`)

      /** Gives each arrival a known object of its version that is no longer where it was, as far as there are any. */
      const match = Effect.fnUntraced(
        function* (scanId: ScanId) {
          yield* sql`
            WITH arrived AS (
              SELECT s3_key, etag, size_bytes, row_number() OVER (PARTITION BY etag, size_bytes ORDER BY s3_key) AS turn
              FROM scan_arrivals WHERE scan_id = ${scanId}
            ), gone AS (
              SELECT id, etag, size_bytes, row_number() OVER (
                PARTITION BY etag, size_bytes ORDER BY missing_at DESC NULLS FIRST, s3_key
              ) AS turn
              FROM processed_s3_objects AS known
              WHERE (etag, size_bytes) IN (SELECT etag, size_bytes FROM arrived) AND NOT unusable AND (
                missing_at IS NOT NULL
                OR EXISTS (SELECT FROM scan_absences WHERE scan_id = ${scanId} AND object_id = known.id)
                OR EXISTS (SELECT FROM scan_arrivals WHERE scan_id = ${scanId} AND displaced_id = known.id)
              )
            )
            UPDATE scan_arrivals SET object_id = gone.id
            FROM arrived LEFT JOIN gone USING (etag, size_bytes, turn)
            WHERE scan_arrivals.scan_id = ${scanId} AND scan_arrivals.s3_key = arrived.s3_key`
          // From each one that is nowhere any more along the row of those that were renamed over each other.
          yield* sql`
            WITH RECURSIVE overwritten AS (
              SELECT s3_key, object_id FROM scan_arrivals AS arrival
              WHERE scan_id = ${scanId} AND displaced_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM scan_arrivals AS other
                WHERE other.scan_id = ${scanId} AND other.object_id = arrival.displaced_id
              )
              UNION
              SELECT next.s3_key, next.object_id FROM overwritten
              JOIN scan_arrivals AS next ON next.scan_id = ${scanId} AND next.displaced_id = overwritten.object_id
            )
            UPDATE scan_arrivals SET object_id = NULL FROM overwritten
            WHERE scan_arrivals.scan_id = ${scanId} AND scan_arrivals.s3_key = overwritten.s3_key`
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const knownAs = sql`CASE WHEN known.id IS NOT NULL THEN json_build_object('objectId', known.id,
        'itemId', known.item_id, 'key', known.s3_key, 'etag', known.etag, 'sizeBytes', known.size_bytes,
        'run', known.run) END AS known`
      const columns = sql`arrival.s3_key AS key, arrival.etag, arrival.size_bytes::float8 AS size_bytes, ${knownAs}`

      const forget = (scanId: ScanId, arrived: ReadonlyArray<{ readonly key: ObjectKey }>) =>
        Effect.orDie(sql`
          DELETE FROM scan_arrivals WHERE scan_id = ${scanId} AND s3_key = ANY(${arrived.map(({ key }) => key)}::text[])`)

      /** Those that stand in each other's places: none can go before another, so all of them go at once. */
      const entangled = (scanId: ScanId) =>
        rows(ArrivalRow)(sql`
          SELECT ${columns} FROM scan_arrivals AS arrival JOIN processed_s3_objects AS known ON known.id = arrival.object_id
          WHERE arrival.scan_id = ${scanId} AND (arrival.displaced_id IS NOT NULL OR EXISTS (
            SELECT FROM scan_arrivals AS other WHERE other.scan_id = ${scanId} AND other.displaced_id = arrival.object_id
          ))`)

      const moved = (scanId: ScanId) =>
        rows(ArrivalRow)(sql`
          SELECT ${columns} FROM scan_arrivals AS arrival JOIN processed_s3_objects AS known ON known.id = arrival.object_id
          WHERE arrival.scan_id = ${scanId} ORDER BY arrival.s3_key LIMIT ${batch}::integer`)

      /** What is no move: `known` is what the key held before. */
      const rest = (scanId: ScanId) =>
        rows(ArrivalRow)(sql`
          SELECT ${columns} FROM scan_arrivals AS arrival
          LEFT JOIN processed_s3_objects AS known ON known.id = arrival.displaced_id
          WHERE arrival.scan_id = ${scanId} AND arrival.object_id IS NULL ORDER BY arrival.s3_key LIMIT ${batch}::integer`)

      /**
       * What a page had seen under its old key may have been moved behind the scan's back, to a key that was still to be
       * listed: then the old key is empty now. A few are asked for.
       */
      const findMovedMeanwhile = Effect.fnUntraced(function* (scanId: ScanId) {
        const copies = yield* rows(
          Schema.Struct({ key: ObjectKey, objectId: Schema.String, formerKey: ObjectKey })
        )(sql`
          SELECT arrival.s3_key AS key, original.id AS object_id, original.s3_key AS former_key
          FROM (
            SELECT * FROM scan_arrivals WHERE scan_id = ${scanId} AND displaced_id IS NULL AND object_id IS NULL
            ORDER BY s3_key LIMIT ${asked + 1}::integer
          ) AS arrival, LATERAL (
            SELECT id, s3_key FROM processed_s3_objects AS known
            WHERE known.etag = arrival.etag AND known.size_bytes = arrival.size_bytes AND NOT known.unusable
              AND NOT EXISTS (SELECT FROM scan_arrivals WHERE scan_id = ${scanId} AND object_id = known.id)
            LIMIT ${originals}::integer
          ) AS original`)
        if (new Set(copies.map(({ key }) => key)).size > asked) return
        const formerKeys = new Set(copies.map(({ formerKey }) => formerKey))
        const isThere = yield* Effect.forEach(
          formerKeys,
          (key) =>
            store.head(key).pipe(
              Effect.as([key, true] as const),
              Effect.catchTag("ObjectNotFound", () => Effect.succeed([key, false] as const))
            ),
          { concurrency: 16 }
        )
        const empty = new Set(isThere.flatMap(([key, there]) => (there ? [] : [key])))
        const taken = new Set<string>()
        const found = copies.filter(({ formerKey, key, objectId }) => {
          if (!empty.has(formerKey) || taken.has(key) || taken.has(objectId)) return false
          taken.add(key).add(objectId)
          return true
        })
        if (found.length === 0) return
        yield* Effect.orDie(sql`
          UPDATE scan_arrivals SET object_id = found.object_id
          FROM unnest(${found.map(({ key }) => key)}::text[], ${found.map(({ objectId }) => objectId)}::uuid[])
            AS found (s3_key, object_id)
          WHERE scan_id = ${scanId} AND scan_arrivals.s3_key = found.s3_key`)
      })

      const move = Effect.fnUntraced(
        function* (scanId: ScanId, find: (scanId: ScanId) => Effect.Effect<ReadonlyArray<typeof ArrivalRow.Type>>) {
          const found = yield* find(scanId)
          yield* changes.move(changesOf(found))
          yield* forget(scanId, found)
          yield* journal.found(scanId, { new: 0, changed: 0, moved: found.length })
          return found.length
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const takeRest = Effect.fnUntraced(
        function* (scanId: ScanId) {
          const found = yield* rest(scanId)
          const overwriting = changesOf(found)
          const copied = found.filter(({ known }) => known === null).map(objectOf)
          yield* changes.replace(overwriting)
          yield* changes.add(copied)
          yield* forget(scanId, found)
          yield* journal.found(scanId, { new: copied.length, changed: overwriting.length, moved: 0 })
          return found.length
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const resolve = Effect.fn("Arrivals.resolve")(function* (scanId: ScanId) {
        const [any] = yield* Effect.orDie(sql`SELECT 1 FROM scan_arrivals WHERE scan_id = ${scanId} LIMIT 1`)
        if (any === undefined) return
        yield* forgetKnown(scanId)
        yield* match(scanId)
        yield* findMovedMeanwhile(scanId)
        yield* move(scanId, entangled)
        yield* untilNone(move(scanId, moved))
        yield* untilNone(takeRest(scanId))
      })

      return Arrivals.of({ note, resolve })
    })
  )
}
