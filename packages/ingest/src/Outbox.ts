import { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { rows } from "./Rows.ts"
import { Signals } from "./Signals.ts"

/** One version of one object, to be worked on. */
export const Work = Schema.Struct({
  itemId: MediaItemId,
  key: ObjectKey,
  etag: ETag,
  sizeBytes: Schema.Finite,
  /** Counts the workflows of the key: executing one again would only give its stored result. */
  run: Schema.Finite
})
export type Work = typeof Work.Type

/** Work that the dispatcher has taken. */
export const TakenWork = Schema.Struct({
  ...Work.fields,
  id: Schema.BigInt,
  /** Runs of this version that failed and may go better. */
  attempts: Schema.Finite
})
export type TakenWork = typeof TakenWork.Type

/** Work to do. A row is written in the transaction that finds the work, and deleted when the work is done. */
export class Outbox extends Context.Service<
  Outbox,
  {
    /** Adds work and, once it is committed, wakes the dispatcher. Work on older versions of the same keys is dropped. */
    readonly add: (work: ReadonlyArray<Work>) => Effect.Effect<void>
    /** Gives up work on objects of these items that are somewhere else by now, and says for which there was some. */
    readonly giveUp: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<ReadonlyArray<MediaItemId>>
    /** Takes one piece of work that is due: the one that waits longest, or the one that came last. */
    readonly take: (from: "oldest" | "newest") => Effect.Effect<TakenWork | null>
    readonly remove: (id: bigint) => Effect.Effect<void>
    /** Another run of the same work, as soon as `after` has passed; nothing if the object was replaced meanwhile. */
    readonly retry: (id: bigint, after: Duration.Duration) => Effect.Effect<void>
    /** Counts another beginning of the work, and says how many there were. Zero when the work is no longer wanted. */
    readonly begun: (key: ObjectKey, run: number) => Effect.Effect<number>
    /** Work that a process took and did not end is there to be taken again. */
    readonly releaseTaken: Effect.Effect<number>
  }
>()("@joy/ingest/Outbox") {
  static readonly layerNoDeps = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const signals = yield* Signals
      const columns = sql`ingest_outbox.id, ingest_outbox.item_id, ingest_outbox.s3_key AS key, ingest_outbox.etag,
        ingest_outbox.size_bytes::float8 AS size_bytes, ingest_outbox.run, ingest_outbox.attempts`

      const add = Effect.fn("Outbox.add")(function* (work: ReadonlyArray<Work>) {
        if (work.length === 0) return
        const keys = work.map((one) => one.key)
        yield* Effect.orDie(sql`DELETE FROM ingest_outbox WHERE s3_key = ANY(${keys}::text[]) AND submitted_at IS NULL`)
        yield* Effect.orDie(sql`
          INSERT INTO ingest_outbox (item_id, s3_key, etag, size_bytes, run)
          SELECT * FROM unnest(
            ${work.map((one) => one.itemId)}::uuid[],
            ${keys}::text[],
            ${work.map((one) => one.etag)}::text[],
            ${work.map((one) => BigInt(one.sizeBytes))}::bigint[],
            ${work.map((one) => one.run)}::integer[]
          )
          ON CONFLICT (s3_key, run) DO NOTHING`)
        yield* sql.afterCommit(signals.wakeDispatcher)
      })

      const giveUp = Effect.fn("Outbox.giveUp")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        // Work that was taken already ends by itself: it doesn't find its object.
        const found = yield* rows(Schema.Struct({ itemId: MediaItemId }))(sql`
          WITH found AS (SELECT id, item_id FROM ingest_outbox WHERE item_id = ANY(${itemIds}::uuid[])),
          given_up AS (DELETE FROM ingest_outbox USING found WHERE ingest_outbox.id = found.id AND submitted_at IS NULL)
          SELECT DISTINCT item_id FROM found`)
        return found.map(({ itemId }) => itemId)
      })

      const take = Effect.fn("Outbox.take")(function* (from: "oldest" | "newest") {
        const order = from === "oldest" ? sql`ORDER BY available_at, id` : sql`ORDER BY available_at DESC, id DESC`
        const [taken] = yield* rows(TakenWork)(sql`
          UPDATE ingest_outbox SET submitted_at = now() WHERE id = (
            SELECT id FROM ingest_outbox WHERE submitted_at IS NULL AND available_at <= now()
            ${order} LIMIT 1 FOR UPDATE SKIP LOCKED
          ) RETURNING ${columns}`)
        return taken ?? null
      })

      const remove = Effect.fn("Outbox.remove")((id: bigint) =>
        Effect.orDie(Effect.asVoid(sql`DELETE FROM ingest_outbox WHERE id = ${id}::bigint`))
      )

      const retry = Effect.fn("Outbox.retry")((id: bigint, after: Duration.Duration) =>
        // Joined by key and version: a row whose object was replaced matches nothing, and is taken away.
        sql`
          WITH again AS (
            UPDATE processed_s3_objects SET run = processed_s3_objects.run + 1, updated_at = now()
            FROM ingest_outbox
            WHERE ingest_outbox.id = ${id}::bigint AND processed_s3_objects.s3_key = ingest_outbox.s3_key
              AND processed_s3_objects.etag = ingest_outbox.etag AND processed_s3_objects.run = ingest_outbox.run
            RETURNING processed_s3_objects.run
          ), later AS (
            UPDATE ingest_outbox SET run = again.run, attempts = attempts + 1, submitted_at = NULL,
              available_at = now() + make_interval(secs => ${Duration.toSeconds(after)}::float8)
            FROM again WHERE ingest_outbox.id = ${id}::bigint
          )
          DELETE FROM ingest_outbox WHERE id = ${id}::bigint AND NOT EXISTS (SELECT 1 FROM again)`.pipe(
          Effect.asVoid,
          Effect.orDie
        )
      )

      const begun = Effect.fn("Outbox.begun")(function* (key: ObjectKey, run: number) {
        const [row] = yield* rows(Schema.Struct({ starts: Schema.Finite }))(sql`
          UPDATE ingest_outbox SET starts = starts + 1 WHERE s3_key = ${key} AND run = ${run}::integer RETURNING starts`)
        return row?.starts ?? 0
      })

      const releaseTaken = Effect.withSpan(
        Effect.map(
          Effect.orDie(sql`UPDATE ingest_outbox SET submitted_at = NULL WHERE submitted_at IS NOT NULL RETURNING id`),
          (released) => released.length
        ),
        "Outbox.releaseTaken"
      )

      return Outbox.of({ add, giveUp, take, remove, retry, begun, releaseTaken })
    })
  )

  static readonly layer: Layer.Layer<Outbox, never, SqlClient.SqlClient> = Outbox.layerNoDeps.pipe(
    Layer.provide(Signals.layer)
  )
}
