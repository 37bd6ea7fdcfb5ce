import { ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { rows } from "./Rows.ts"
import { Signals } from "./Signals.ts"

/** A key of which a store said that something happened to it. */
export interface ObjectEvent {
  readonly key: ObjectKey
  /** As the store gave it. */
  readonly sequencer: string | null
}

const PendingKey = Schema.Struct({ key: ObjectKey, revision: Schema.Finite })
export type PendingKey = typeof PendingKey.Type

const longest = 64

/**
 * A sequencer in a form that compares as text: the shorter of two is filled up with zeros on the right (*Event message
 * structure*). Short ones are numbers that a server counts from 1 again when it is started; they order nothing.
 */
const sequenceOf = (sequencer: string | null): string =>
  sequencer !== null && /^[0-9A-Fa-f]{16,64}$/.test(sequencer) ? sequencer.toUpperCase().padEnd(longest, "0") : ""

/** The keys that are to be looked at because a store said so, in whichever order and however often it did. */
export class ObjectEvents extends Context.Service<
  ObjectEvents,
  {
    /** Notes events and, once that is committed, wakes who looks. One that is no later than what is known counts for nothing. */
    readonly add: (events: ReadonlyArray<ObjectEvent>) => Effect.Effect<void>
    /** Some of the keys that wait to be looked at, the first first. */
    readonly pending: Effect.Effect<ReadonlyArray<PendingKey>>
    /** These were looked at; those that were spoken of again meanwhile stay. */
    readonly done: (keys: ReadonlyArray<PendingKey>) => Effect.Effect<void>
  }
>()("@joy/ingest/ObjectEvents") {
  static readonly layerNoDeps = Layer.effect(
    ObjectEvents,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const signals = yield* Signals

      const add = Effect.fn("ObjectEvents.add")(
        function* (events: ReadonlyArray<ObjectEvent>) {
          if (events.length === 0) return
          yield* sql`
            INSERT INTO object_events (s3_key, sequence)
            SELECT key, nullif(max(sequence), '') FROM unnest(
              ${events.map(({ key }) => key)}::text[], ${events.map(({ sequencer }) => sequenceOf(sequencer))}::text[]
            ) AS event (key, sequence) GROUP BY key ORDER BY key
            ON CONFLICT (s3_key) DO UPDATE SET pending = true, revision = object_events.revision + 1, seen_at = now(),
              sequence = greatest(object_events.sequence, excluded.sequence)
            WHERE (excluded.sequence > object_events.sequence) IS NOT FALSE`
          yield* signals.wakeLooker
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const pending = rows(PendingKey)(sql`
        SELECT s3_key AS key, revision FROM object_events WHERE pending ORDER BY seen_at LIMIT 500`).pipe(
        Effect.withSpan("ObjectEvents.pending")
      )

      const done = Effect.fn("ObjectEvents.done")(function* (keys: ReadonlyArray<PendingKey>) {
        if (keys.length === 0) return
        yield* Effect.orDie(sql`
          UPDATE object_events SET pending = false FROM unnest(
            ${keys.map(({ key }) => key)}::text[], ${keys.map(({ revision }) => revision)}::integer[]
          ) AS seen (key, revision)
          WHERE object_events.s3_key = seen.key AND object_events.revision = seen.revision`)
      })

      return ObjectEvents.of({ add, pending, done })
    })
  )

  static readonly layer: Layer.Layer<ObjectEvents, never, SqlClient.SqlClient> = ObjectEvents.layerNoDeps.pipe(
    Layer.provide(Signals.layer)
  )
}
