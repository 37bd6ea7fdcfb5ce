import { MediaItemId } from "@joy/domain/Ids"
import type { ScanId } from "@joy/domain/Ids"
import { ETag, ObjectKey, type StoredObject } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { rows } from "./Rows.ts"

/** What is known of a key. */
export const KnownObject = Schema.Struct({
  objectId: Schema.String,
  itemId: MediaItemId,
  key: ObjectKey,
  etag: ETag,
  sizeBytes: Schema.Finite,
  run: Schema.Finite
})
export type KnownObject = typeof KnownObject.Type

/** An object under a key that held another one, or none. */
export interface Arrival {
  readonly object: StoredObject
  /** What the key held before. */
  readonly displaced: KnownObject | null
}

/** How a page of the listing differs from what is known. What is as it was does not appear. */
export interface PageDifference {
  /** Keys never seen, with versions never seen. */
  readonly added: ReadonlyArray<StoredObject>
  /** Keys that hold a version never seen. */
  readonly changed: ReadonlyArray<{ readonly object: StoredObject; readonly known: KnownObject }>
  /** Versions that are known under another key: copied from there, or moved. */
  readonly arrived: ReadonlyArray<Arrival>
  /** Keys that were missing and hold the same object again. */
  readonly returned: ReadonlyArray<KnownObject>
  /** Keys of ours in the page's range that it lacks. */
  readonly absent: ReadonlyArray<KnownObject>
}

/** Ends the range of a page: from after `from` up to and including `to`; `null` at the end of the listing. */
export interface KeyRange {
  readonly from: string
  readonly to: string | null
}

/** Which keys a comparison is about: those of a range, or just these. */
export type KeyScope = KeyRange | { readonly keys: ReadonlyArray<ObjectKey> }

const DifferenceRow = Schema.Struct({
  /** Where the object stands in the page, from 1; null for what the page lacks. */
  position: Schema.NullOr(Schema.Finite),
  objectId: Schema.NullOr(Schema.String),
  itemId: Schema.NullOr(MediaItemId),
  key: Schema.NullOr(ObjectKey),
  etag: Schema.NullOr(ETag),
  sizeBytes: Schema.NullOr(Schema.Finite),
  run: Schema.NullOr(Schema.Finite),
  returned: Schema.NullOr(Schema.Boolean),
  arrived: Schema.Boolean
})

const decodeKnown = Schema.decodeUnknownEffect(KnownObject)

/** The table of keys that were ever seen (`processed_s3_objects`). */
export class ObjectLedger extends Context.Service<
  ObjectLedger,
  {
    /**
     * Compares the objects that are there with what is known, in one statement. Keys are compared as bytes, which is how
     * stores order them.
     */
    readonly compare: (objects: ReadonlyArray<StoredObject>, scope: KeyScope) => Effect.Effect<PageDifference>
    readonly add: (
      objects: ReadonlyArray<{ readonly object: StoredObject; readonly itemId: MediaItemId }>
    ) => Effect.Effect<void>
    /** Notes another version of each key, and gives the run that is to work on it. */
    readonly replace: (
      objects: ReadonlyArray<{ readonly object: StoredObject; readonly known: KnownObject }>
    ) => Effect.Effect<ReadonlyArray<KnownObject>>
    /** Gives objects their new keys, which may be the former ones of others among them; they are not absent. */
    readonly move: (
      objects: ReadonlyArray<{ readonly key: ObjectKey; readonly known: KnownObject }>
    ) => Effect.Effect<void>
    /** Objects are back under their keys. */
    readonly returned: (objectIds: ReadonlyArray<string>) => Effect.Effect<void>
    /** Another run for each of these items' objects, as they are. */
    readonly again: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<ReadonlyArray<KnownObject>>
    /** Derivatives of these kinds were made of this version, each in that version of its making. */
    readonly derived: (key: ObjectKey, etag: ETag, versions: Readonly<Record<string, number>>) => Effect.Effect<void>
    /** The work on this version is done. */
    readonly processed: (key: ObjectKey, etag: ETag) => Effect.Effect<void>
    /** The item goes for good and its object stays: as long as that is what its key holds, it is not told as new. */
    readonly purge: (itemId: MediaItemId) => Effect.Effect<void>
    /** Notes unusable entries of the listing; gives those that were not known. */
    readonly unusable: (scanId: ScanId, keys: ReadonlyArray<ObjectKey>) => Effect.Effect<ReadonlyArray<ObjectKey>>
    readonly addUnusable: (
      scanId: ScanId,
      entries: ReadonlyArray<{ readonly key: ObjectKey; readonly itemId: MediaItemId }>
    ) => Effect.Effect<void>
  }
>()("@joy/ingest/ObjectLedger") {
  static readonly layer: Layer.Layer<ObjectLedger, never, SqlClient.SqlClient> = Layer.effect(
    ObjectLedger,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const knownColumns = sql`known.id AS object_id, known.item_id, known.s3_key AS key, known.etag,
        known.size_bytes::float8 AS size_bytes, known.run`

      const compare = Effect.fn("ObjectLedger.compare")(function* (
        objects: ReadonlyArray<StoredObject>,
        scope: KeyScope
      ) {
        const within =
          "keys" in scope
            ? sql`s3_key = ANY(${scope.keys}::text[])`
            : scope.to === null
              ? sql`s3_key > ${scope.from}`
              : sql`s3_key > ${scope.from} AND s3_key <= ${scope.to}`
        const differences = yield* rows(DifferenceRow)(sql`
          SELECT page.position::integer AS position, ${knownColumns},
            known.etag = page.etag AND known.size_bytes = page.size_bytes AS returned,
            -- Every empty object has the version of every other one.
            page.size_bytes > 0 AND EXISTS (
              SELECT FROM processed_s3_objects AS other WHERE other.etag = page.etag
                AND other.size_bytes = page.size_bytes AND other.id IS DISTINCT FROM known.id AND NOT other.unusable
            ) IS TRUE AS arrived
          FROM unnest(
            ${objects.map((object) => object.key)}::text[],
            ${objects.map((object) => object.etag)}::text[],
            ${objects.map((object) => BigInt(object.sizeBytes))}::bigint[]
          ) WITH ORDINALITY AS page (key, etag, size_bytes, position)
          FULL JOIN (
            SELECT * FROM processed_s3_objects WHERE ${within}
          ) AS known ON known.s3_key = page.key COLLATE "C"
          WHERE (known.id IS NULL AND NOT EXISTS (
              SELECT FROM purged_objects AS purged WHERE purged.s3_key = page.key COLLATE "C"
                AND purged.etag = page.etag AND purged.size_bytes = page.size_bytes
            ))
            OR (page.key IS NULL AND known.missing_at IS NULL AND NOT known.unusable)
            OR (page.key IS NOT NULL AND (known.etag <> page.etag OR known.size_bytes <> page.size_bytes
              OR known.missing_at IS NOT NULL OR known.unusable))
          ORDER BY page.position`)
        const added: Array<StoredObject> = []
        const changed: Array<{ object: StoredObject; known: KnownObject }> = []
        const arrived: Array<Arrival> = []
        const returned: Array<KnownObject> = []
        const absent: Array<KnownObject> = []
        for (const row of differences) {
          const object = row.position === null ? undefined : objects[row.position - 1]
          const known = row.objectId === null ? null : yield* Effect.orDie(decodeKnown(row))
          if (object === undefined) {
            if (known !== null) absent.push(known)
          } else if (known !== null && row.returned === true) returned.push(known)
          else if (row.arrived) arrived.push({ object, displaced: known })
          else if (known === null) added.push(object)
          else changed.push({ object, known })
        }
        return { added, changed, arrived, returned, absent }
      })

      const add = Effect.fn("ObjectLedger.add")(function* (
        objects: ReadonlyArray<{ readonly object: StoredObject; readonly itemId: MediaItemId }>
      ) {
        if (objects.length === 0) return
        yield* sql`
          DELETE FROM purged_objects WHERE s3_key = ANY(${objects.map(({ object }) => object.key)}::text[])`
        yield* sql`
          INSERT INTO processed_s3_objects (id, s3_key, etag, size_bytes, item_id)
          SELECT * FROM unnest(
            ${objects.map(() => SecureRandom.uuidV7Unsafe())}::uuid[],
            ${objects.map(({ object }) => object.key)}::text[],
            ${objects.map(({ object }) => object.etag)}::text[],
            ${objects.map(({ object }) => BigInt(object.sizeBytes))}::bigint[],
            ${objects.map(({ itemId }) => itemId)}::uuid[]
          )`
      }, Effect.orDie)

      const replace = Effect.fn("ObjectLedger.replace")(
        (objects: ReadonlyArray<{ readonly object: StoredObject; readonly known: KnownObject }>) =>
          rows(KnownObject)(sql`
          UPDATE processed_s3_objects AS known SET etag = new.etag, size_bytes = new.size_bytes, run = known.run + 1,
            derivative_versions = '{}', unusable = false, seen_in_scan = NULL, missing_at = NULL, processed_at = NULL,
            updated_at = now()
          FROM unnest(
            ${objects.map(({ known }) => known.objectId)}::uuid[],
            ${objects.map(({ object }) => object.etag)}::text[],
            ${objects.map(({ object }) => BigInt(object.sizeBytes))}::bigint[]
          ) AS new (id, etag, size_bytes)
          WHERE known.id = new.id RETURNING ${knownColumns}`)
      )

      const move = Effect.fn("ObjectLedger.move")(function* (
        objects: ReadonlyArray<{ readonly key: ObjectKey; readonly known: KnownObject }>
      ) {
        if (objects.length === 0) return
        const ids = objects.map(({ known }) => known.objectId)
        const keys = objects.map(({ key }) => key)
        yield* sql`
          UPDATE processed_s3_objects SET s3_key = '.joy/moving/' || id
          WHERE id = ANY(${ids}::uuid[]) AND s3_key = ANY(${keys}::text[])`
        yield* sql`
          UPDATE processed_s3_objects AS known SET s3_key = new.key, missing_at = NULL, updated_at = now()
          FROM unnest(${ids}::uuid[], ${keys}::text[]) AS new (id, key)
          WHERE known.id = new.id`
        yield* sql`DELETE FROM scan_absences WHERE object_id = ANY(${ids}::uuid[])`
      }, Effect.orDie)

      const returned = Effect.fn("ObjectLedger.returned")(function* (objectIds: ReadonlyArray<string>) {
        yield* Effect.orDie(sql`
          UPDATE processed_s3_objects SET missing_at = NULL, updated_at = now() WHERE id = ANY(${objectIds}::uuid[])`)
      })

      const again = Effect.fn("ObjectLedger.again")((itemIds: ReadonlyArray<MediaItemId>) =>
        rows(KnownObject)(sql`
          UPDATE processed_s3_objects AS known SET run = run + 1, updated_at = now()
          WHERE item_id = ANY(${itemIds}::uuid[]) AND missing_at IS NULL AND NOT unusable
          RETURNING ${knownColumns}`)
      )

      const derived = Effect.fn("ObjectLedger.derived")(
        (key: ObjectKey, etag: ETag, versions: Readonly<Record<string, number>>) =>
          sql`UPDATE processed_s3_objects SET updated_at = now(),
              derivative_versions = derivative_versions || ${JSON.stringify(versions)}::text::jsonb
            WHERE s3_key = ${key} AND etag = ${etag}`.pipe(Effect.asVoid, Effect.orDie)
      )

      const processed = Effect.fn("ObjectLedger.processed")((key: ObjectKey, etag: ETag) =>
        sql`UPDATE processed_s3_objects SET processed_at = now(), updated_at = now()
          WHERE s3_key = ${key} AND etag = ${etag}`.pipe(Effect.asVoid, Effect.orDie)
      )

      const purge = Effect.fn("ObjectLedger.purge")((itemId: MediaItemId) =>
        sql`
          INSERT INTO purged_objects (s3_key, etag, size_bytes)
          SELECT s3_key, etag, size_bytes FROM processed_s3_objects WHERE item_id = ${itemId}
          ON CONFLICT (s3_key) DO UPDATE SET etag = excluded.etag, size_bytes = excluded.size_bytes, purged_at = now()`.pipe(
          Effect.asVoid,
          Effect.orDie
        )
      )

      const unusable = Effect.fn("ObjectLedger.unusable")(function* (scanId: ScanId, keys: ReadonlyArray<ObjectKey>) {
        if (keys.length === 0) return []
        // A key that holds an object of ours is left to that object: it is absent, and comes back with the entry.
        const known = yield* rows(Schema.Struct({ key: ObjectKey }))(sql`
          WITH seen AS (
            UPDATE processed_s3_objects SET seen_in_scan = ${scanId}::uuid
            WHERE s3_key = ANY(${keys}::text[]) RETURNING s3_key AS key
          )
          SELECT key FROM seen UNION SELECT s3_key FROM purged_objects WHERE s3_key = ANY(${keys}::text[])`)
        const seen = new Set(known.map(({ key }) => key))
        return keys.filter((key) => !seen.has(key))
      })

      const addUnusable = Effect.fn("ObjectLedger.addUnusable")(function* (
        scanId: ScanId,
        entries: ReadonlyArray<{ readonly key: ObjectKey; readonly itemId: MediaItemId }>
      ) {
        if (entries.length === 0) return
        yield* Effect.orDie(sql`
          INSERT INTO processed_s3_objects (id, s3_key, etag, size_bytes, item_id, unusable, seen_in_scan)
          SELECT new.id, new.key, 'unusable', 0, new.item_id, true, ${scanId}::uuid FROM unnest(
            ${entries.map(() => SecureRandom.uuidV7Unsafe())}::uuid[],
            ${entries.map(({ key }) => key)}::text[],
            ${entries.map(({ itemId }) => itemId)}::uuid[]
          ) AS new (id, key, item_id)`)
      })

      return ObjectLedger.of({
        compare,
        add,
        replace,
        move,
        returned,
        again,
        derived,
        processed,
        purge,
        unusable,
        addUnusable
      })
    })
  )
}
