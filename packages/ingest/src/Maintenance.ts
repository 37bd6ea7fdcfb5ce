import { FacetCounts } from "@joy/catalog/FacetCounts"
import * as Clock from "effect/Clock"
import * as MachineId from "effect/cluster/MachineId"
import * as Snowflake from "effect/cluster/Snowflake"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** How long the messages of a workflow are kept after it began. */
const keptMillis = 10 * 60_000

/** Keeps the tables that ingest writes to from growing for ever. */
export class Maintenance extends Context.Service<
  Maintenance,
  {
    /** Events that everybody has seen, and scans that nobody asks for any more. */
    readonly hourly: Effect.Effect<void>
    /** Messages of workflows that ended, which nothing upstream deletes, and what facets have to add up. */
    readonly frequent: Effect.Effect<void>
  }
>()("@joy/ingest/Maintenance") {
  static readonly layerNoDeps = Layer.effect(
    Maintenance,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facets = yield* FacetCounts

      const hourly = Effect.gen(function* () {
        // A client that was away for longer than this asks for everything anew, and has to learn that it must.
        yield* sql`
          WITH pruned AS (
            DELETE FROM events WHERE created_at < now() - interval '7 days' RETURNING transaction_id, id
          )
          INSERT INTO events_pruned (transaction_id, id)
          SELECT transaction_id, id FROM pruned ORDER BY transaction_id DESC, id DESC LIMIT 1
          ON CONFLICT (single) DO UPDATE SET transaction_id = excluded.transaction_id, id = excluded.id
          WHERE (events_pruned.transaction_id, events_pruned.id) < (excluded.transaction_id, excluded.id)`
        // By then an event that is delivered late is told by a look that finds nothing.
        yield* sql`DELETE FROM object_events WHERE NOT pending AND seen_at < now() - interval '1 day'`
        // With an interval of a second a day has 86,400 scans, of which those that found nothing are soon worth nothing.
        yield* sql`
          DELETE FROM scans WHERE status <> 'running' AND (
            finished_at < now() - interval '30 days'
            OR (finished_at < now() - interval '1 hour' AND NOT requested
              AND new + changed + moved + missing = 0)
          )`
      }).pipe(Effect.orDie, Effect.withSpan("Maintenance.hourly"))

      // Their ids tell their time. What was begun a while ago and has ended is in nobody's hands: its outbox row goes in
      // the moment after. Were one not gone, its run would be done again, which its steps allow.
      const frequent = Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const before = Snowflake.make({ timestamp: now - keptMillis, machineId: MachineId.make(0), sequence: 0 })
        yield* sql`
          WITH ended AS (
            SELECT messages.id FROM cluster_messages AS runs
            JOIN cluster_messages AS messages USING (entity_type, entity_id)
            WHERE runs.entity_type IN ('Workflow/IngestObject', 'Workflow/MakeDerivative') AND runs.tag = 'run' AND runs.processed
              AND runs.id < ${before}::bigint
          ), replies AS (
            DELETE FROM cluster_replies USING ended WHERE cluster_replies.request_id = ended.id
          )
          DELETE FROM cluster_messages USING ended WHERE cluster_messages.id = ended.id`
        yield* facets.fold
      }).pipe(Effect.orDie, Effect.withSpan("Maintenance.frequent"))

      return Maintenance.of({ hourly, frequent })
    })
  )

  static readonly layer = Maintenance.layerNoDeps.pipe(Layer.provide(FacetCounts.layer))
}
