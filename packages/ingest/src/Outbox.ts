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

/** Work that the dispatcher has handed out. */
export const TakenWork = Schema.Struct({
  ...Work.fields,
  /** Counts the runs of this version that failed and may go better, from 1. */
  attempt: Schema.Finite
})
export type TakenWork = typeof TakenWork.Type

/** Names a row: another run of the same key is other work. */
export type WorkName = Pick<Work, "key" | "run">

/**
 * Work to do. A row is written in the transaction that finds the work, and deleted in the one that writes its result
 * down: while it is there the work is not done, and when it is gone nothing is left to be done.
 */
export class Outbox extends Context.Service<
  Outbox,
  {
    /** Adds work and wakes the dispatcher. Work on older versions of the same keys that waits is dropped. */
    readonly add: (work: ReadonlyArray<Work>) => Effect.Effect<void>
    /** Gives up work on objects of these items that are somewhere else by now, and says for which there was some. */
    readonly giveUp: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<ReadonlyArray<MediaItemId>>
    /** Takes work that is due: what waits longest, or what came last. */
    readonly take: (from: "oldest" | "newest", atMost: number) => Effect.Effect<ReadonlyArray<TakenWork>>
    /** How much work is handed out. */
    readonly handedOut: Effect.Effect<number>
    /** Work that was handed out longer ago than this. */
    readonly overdue: (after: Duration.Duration) => Effect.Effect<ReadonlyArray<TakenWork>>
    /** The work has its result. Wakes the dispatcher. */
    readonly done: (work: WorkName) => Effect.Effect<void>
    /**
     * Another run of the same work, as soon as `after` has passed; nothing if the object was replaced meanwhile. Wakes the
     * dispatcher.
     */
    readonly retry: (
      work: WorkName,
      again: { readonly after: Duration.Duration; readonly counts: boolean }
    ) => Effect.Effect<void>
    /** Counts another beginning of this run, and says how many there were. Zero when the work is no longer wanted. */
    readonly begun: (work: WorkName) => Effect.Effect<number>
  }
>()("@joy/ingest/Outbox") {
  static readonly layer: Layer.Layer<Outbox, never, SqlClient.SqlClient> = Layer.effect(
    Outbox,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const signals = yield* Signals
      const columns = sql`ingest_outbox.item_id, ingest_outbox.s3_key AS key, ingest_outbox.etag,
        ingest_outbox.size_bytes::float8 AS size_bytes, ingest_outbox.run, ingest_outbox.attempts + 1 AS attempt`
      const named = ({ key, run }: WorkName) =>
        sql`ingest_outbox.s3_key = ${key} AND ingest_outbox.run = ${run}::integer`

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
        yield* signals.wakeDispatcher
      })

      const giveUp = Effect.fn("Outbox.giveUp")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        // Work that was handed out already ends by itself: it doesn't find its object.
        const found = yield* rows(Schema.Struct({ itemId: MediaItemId }))(sql`
          WITH found AS (SELECT id, item_id FROM ingest_outbox WHERE item_id = ANY(${itemIds}::uuid[])),
          given_up AS (DELETE FROM ingest_outbox USING found WHERE ingest_outbox.id = found.id AND submitted_at IS NULL)
          SELECT DISTINCT item_id FROM found`)
        return found.map(({ itemId }) => itemId)
      })

      const take = Effect.fn("Outbox.take")((from: "oldest" | "newest", atMost: number) => {
        const order = from === "oldest" ? sql`ORDER BY available_at, id` : sql`ORDER BY available_at DESC, id DESC`
        return rows(TakenWork)(sql`
          UPDATE ingest_outbox SET submitted_at = now() WHERE id IN (
            SELECT id FROM ingest_outbox WHERE submitted_at IS NULL AND available_at <= now()
            ${order} LIMIT ${atMost}::integer FOR UPDATE SKIP LOCKED
          ) RETURNING ${columns}`)
      })

      const handedOut = rows(Schema.Struct({ count: Schema.Finite }))(
        sql`SELECT count(*)::integer AS count FROM ingest_outbox WHERE submitted_at IS NOT NULL`
      ).pipe(
        Effect.map(([row]) => row?.count ?? 0),
        Effect.withSpan("Outbox.handedOut")
      )

      const overdue = Effect.fn("Outbox.overdue")((after: Duration.Duration) =>
        rows(TakenWork)(sql`
          SELECT ${columns} FROM ingest_outbox
          WHERE submitted_at <= now() - make_interval(secs => ${Duration.toSeconds(after)}::float8)
          ORDER BY submitted_at, id`)
      )

      const done = Effect.fn("Outbox.done")((work: WorkName) =>
        sql`DELETE FROM ingest_outbox WHERE ${named(work)}`.pipe(Effect.orDie, Effect.andThen(signals.wakeDispatcher))
      )

      const retry = Effect.fn("Outbox.retry")(
        (work: WorkName, again: { readonly after: Duration.Duration; readonly counts: boolean }) =>
          // Joined by key and version: a row whose object was replaced matches nothing, and is taken away.
          sql`
          WITH again AS (
            UPDATE processed_s3_objects SET run = processed_s3_objects.run + 1, updated_at = now()
            FROM ingest_outbox
            WHERE ${named(work)} AND processed_s3_objects.s3_key = ingest_outbox.s3_key
              AND processed_s3_objects.etag = ingest_outbox.etag AND processed_s3_objects.run = ingest_outbox.run
            RETURNING processed_s3_objects.run
          ), later AS (
            UPDATE ingest_outbox SET run = again.run, attempts = attempts + ${again.counts ? 1 : 0}::integer, starts = 0,
              submitted_at = NULL, available_at = now() + make_interval(secs => ${Duration.toSeconds(again.after)}::float8)
            FROM again WHERE ${named(work)}
          )
          DELETE FROM ingest_outbox WHERE ${named(work)} AND NOT EXISTS (SELECT 1 FROM again)`.pipe(
            Effect.orDie,
            Effect.andThen(signals.wakeDispatcher)
          )
      )

      const begun = Effect.fn("Outbox.begun")(function* (work: WorkName) {
        const [row] = yield* rows(Schema.Struct({ starts: Schema.Finite }))(sql`
          UPDATE ingest_outbox SET starts = starts + 1 WHERE ${named(work)} RETURNING starts`)
        return row?.starts ?? 0
      })

      return Outbox.of({ add, giveUp, take, handedOut, overdue, done, retry, begun })
    })
  ).pipe(Layer.provide(Signals.layer))
}
