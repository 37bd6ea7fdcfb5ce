import { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Tracer from "effect/Tracer"

import { descriptions, type Pace } from "./DerivativeKind.ts"
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

/** One kind of derivative, to be made alone. */
export interface DerivativeWork {
  readonly kind: string
  /** What it is made anew for; null when it follows the object becoming ready. */
  readonly rebuildId: string | null
}

/** Work that the dispatcher has handed out. */
export const TakenWork = Schema.Struct({
  ...Work.fields,
  /** The kind of derivative, where that alone is to be made. */
  kind: Schema.NullOr(Schema.String),
  rebuildId: Schema.NullOr(Schema.String),
  /** Counts the runs of this version that failed and may go better, from 1. */
  attempt: Schema.Finite,
  /** The span that the work was found in, as `<trace id>-<span id>`: of a request, a scan, or a step. */
  trace: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type TakenWork = typeof TakenWork.Type

/** Names a row: another run of the same key is other work. */
export type WorkName = Pick<TakenWork, "key" | "kind" | "run">

/** The span that is open, where spans are collected. */
const currentTrace = Effect.map(Effect.option(Effect.currentSpan), (found) =>
  Option.isSome(found) && found.value.sampled ? `${found.value.traceId}-${found.value.spanId}` : null
)

/** Goes on with the trace in which the work was found. */
export const traced = (work: TakenWork): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  const [traceId, spanId] = work.trace?.split("-") ?? []
  return traceId === undefined || spanId === undefined
    ? (effect) => effect
    : (effect) =>
        Effect.provideService(effect, Tracer.ParentSpan, Tracer.externalSpan({ traceId, spanId, sampled: true }))
}

/** What is more urgent is taken first. */
const priorities = { object: 0, following: 1, rebuild: 2 }

/**
 * Work to do. A row is written in the transaction that finds the work, and deleted in the one that writes its result
 * down: while it is there the work is not done, and when it is gone nothing is left to be done.
 */
export class Outbox extends Context.Service<
  Outbox,
  {
    /** Adds work and wakes the dispatcher. Work on older versions of the same keys that waits is dropped. */
    readonly add: (work: ReadonlyArray<Work>) => Effect.Effect<void>
    /** Adds a derivative of each of these objects to be made. Wakes the dispatcher. */
    readonly addDerivatives: (
      objects: ReadonlyArray<Omit<Work, "run">>,
      derivative: DerivativeWork
    ) => Effect.Effect<void>
    /** Adds a derivative of an object to be made that somebody waits for, unless that one is in the outbox. Wakes the dispatcher. */
    readonly demand: (object: Omit<Work, "run">, kind: string) => Effect.Effect<void>
    /** Notes for whoever wants a derivative made anew that this one could not be. */
    readonly countFailed: (work: TakenWork) => Effect.Effect<void>
    /** Gives up work on objects of these items that are somewhere else by now, and says for which there was some. */
    readonly giveUp: (itemIds: ReadonlyArray<MediaItemId>) => Effect.Effect<ReadonlyArray<MediaItemId>>
    /** Takes work of a pace that is due, of the most urgent there is: what waits longest, or what came last. */
    readonly take: (pace: Pace, from: "oldest" | "newest", atMost: number) => Effect.Effect<ReadonlyArray<TakenWork>>
    /** How much work of a pace is handed out. */
    readonly handedOut: (pace: Pace) => Effect.Effect<number>
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
        ingest_outbox.size_bytes::float8 AS size_bytes, ingest_outbox.run, ingest_outbox.attempts + 1 AS attempt,
        ingest_outbox.kind, ingest_outbox.rebuild_id, ingest_outbox.trace`
      const named = ({ key, kind, run }: WorkName) =>
        sql`ingest_outbox.s3_key = ${key} AND ingest_outbox.run = ${run}::integer
          AND ingest_outbox.kind IS NOT DISTINCT FROM ${kind}::text`

      const add = Effect.fn("Outbox.add")(function* (work: ReadonlyArray<Work>) {
        if (work.length === 0) return
        const keys = work.map((one) => one.key)
        yield* Effect.orDie(sql`DELETE FROM ingest_outbox WHERE s3_key = ANY(${keys}::text[]) AND submitted_at IS NULL`)
        yield* Effect.orDie(sql`
          INSERT INTO ingest_outbox (item_id, s3_key, etag, size_bytes, run, trace)
          SELECT new.*, ${yield* currentTrace}::text FROM unnest(
            ${work.map((one) => one.itemId)}::uuid[],
            ${keys}::text[],
            ${work.map((one) => one.etag)}::text[],
            ${work.map((one) => BigInt(one.sizeBytes))}::bigint[],
            ${work.map((one) => one.run)}::integer[]
          ) AS new
          ON CONFLICT ON CONSTRAINT ingest_outbox_run_unique DO NOTHING`)
        yield* signals.wakeDispatcher
      })

      const addDerivatives = Effect.fn("Outbox.addDerivatives")(function* (
        objects: ReadonlyArray<Omit<Work, "run">>,
        { kind, rebuildId }: DerivativeWork
      ) {
        const priority = rebuildId === null ? priorities.following : priorities.rebuild
        yield* Effect.orDie(sql`
          INSERT INTO ingest_outbox (item_id, s3_key, etag, size_bytes, run, kind, rebuild_id, priority, trace)
          SELECT new.item_id, new.key, new.etag, new.size_bytes, nextval('ingest_derivative_runs')::integer,
            ${kind}, ${rebuildId}::uuid, ${priority}::smallint, ${yield* currentTrace}::text
          FROM unnest(
            ${objects.map((one) => one.itemId)}::uuid[],
            ${objects.map((one) => one.key)}::text[],
            ${objects.map((one) => one.etag)}::text[],
            ${objects.map((one) => BigInt(one.sizeBytes))}::bigint[]
          ) AS new (item_id, key, etag, size_bytes)`)
        yield* signals.wakeDispatcher
      })

      const demand = Effect.fn("Outbox.demand")(function* (object: Omit<Work, "run">, kind: string) {
        // What is made anew for all waits behind everything else, but not where somebody waits for it.
        const known = yield* rows(Schema.Struct({ id: Schema.String }))(sql`
          UPDATE ingest_outbox SET priority = least(priority, ${priorities.following}::smallint)
          WHERE item_id = ${object.itemId} AND etag = ${object.etag} AND kind = ${kind} RETURNING id::text`)
        if (known.length === 0) yield* addDerivatives([object], { kind, rebuildId: null })
      })

      const countFailed = Effect.fn("Outbox.countFailed")((work: TakenWork) =>
        sql`UPDATE ingest_rebuilds SET failed = failed + 1 WHERE id = ${work.rebuildId}::uuid`.pipe(
          Effect.asVoid,
          Effect.orDie
        )
      )

      const giveUp = Effect.fn("Outbox.giveUp")(function* (itemIds: ReadonlyArray<MediaItemId>) {
        // Work that was handed out already ends by itself: it doesn't find its object.
        const found = yield* rows(Schema.Struct({ itemId: MediaItemId }))(sql`
          WITH found AS (SELECT id, item_id FROM ingest_outbox WHERE item_id = ANY(${itemIds}::uuid[])),
          given_up AS (DELETE FROM ingest_outbox USING found WHERE ingest_outbox.id = found.id AND submitted_at IS NULL)
          SELECT DISTINCT item_id FROM found`)
        return found.map(({ itemId }) => itemId)
      })

      const longKinds = descriptions.filter(({ isLong }) => isLong).map(({ name }) => name)
      const ofPace = (pace: Pace) =>
        sql`(kind IS NOT NULL AND kind = ANY(${longKinds}::text[])) = ${pace === "long"}::boolean`

      const take = Effect.fn("Outbox.take")((pace: Pace, from: "oldest" | "newest", atMost: number) => {
        const order = from === "oldest" ? sql`ORDER BY available_at, id` : sql`ORDER BY available_at DESC, id DESC`
        const due = sql`submitted_at IS NULL AND available_at <= now() AND ${ofPace(pace)}`
        return rows(TakenWork)(sql`
          UPDATE ingest_outbox SET submitted_at = now() WHERE id IN (
            SELECT id FROM ingest_outbox WHERE ${due} AND priority = (
              SELECT urgent.priority FROM unnest(${Object.values(priorities)}::smallint[]) AS urgent (priority)
              WHERE EXISTS (SELECT 1 FROM ingest_outbox WHERE ${due} AND priority = urgent.priority)
              ORDER BY urgent.priority LIMIT 1
            )
            ${order} LIMIT ${atMost}::integer FOR UPDATE SKIP LOCKED
          ) RETURNING ${columns}`)
      })

      const handedOut = Effect.fn("Outbox.handedOut")(function* (pace: Pace) {
        const [row] = yield* rows(Schema.Struct({ count: Schema.Finite }))(sql`
          SELECT count(*)::integer AS count FROM ingest_outbox WHERE submitted_at IS NOT NULL AND ${ofPace(pace)}`)
        return row?.count ?? 0
      })

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
          // Joined by version: a row whose object was replaced matches nothing, and is taken away. The runs of an object
          // are counted with it; those of a derivative have numbers of their own.
          sql`
          WITH again AS (
            UPDATE processed_s3_objects AS object
            SET run = object.run + CASE WHEN ingest_outbox.kind IS NULL THEN 1 ELSE 0 END, updated_at = now()
            FROM ingest_outbox
            WHERE ${named(work)} AND object.s3_key = ingest_outbox.s3_key AND object.etag = ingest_outbox.etag
              AND (ingest_outbox.kind IS NOT NULL OR object.run = ingest_outbox.run)
            RETURNING object.run
          ), later AS (
            UPDATE ingest_outbox SET attempts = attempts + ${again.counts ? 1 : 0}::integer, starts = 0,
              run = CASE WHEN kind IS NULL THEN again.run ELSE nextval('ingest_derivative_runs') END,
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

      return Outbox.of({
        add,
        addDerivatives,
        demand,
        countFailed,
        giveUp,
        take,
        handedOut,
        overdue,
        done,
        retry,
        begun
      })
    })
  ).pipe(Layer.provide(Signals.layer))
}
