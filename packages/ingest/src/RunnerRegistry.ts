import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import type { RunnerState } from "./Condition.ts"
import { IngestConfig } from "./IngestConfig.ts"
import { Presence, runnerLocks } from "./Presence.ts"
import { rows } from "./Rows.ts"

/** What a runner says of itself. */
export interface RunnerReport {
  /** Where other runners reach it, `host:port`; what it is called where there are no others. */
  readonly address: string
  readonly state: Exclude<RunnerState, "starting">
  /** Objects that it works on, and that wait in it. */
  readonly inHand: number
  /** Shares of the cluster that it holds. */
  readonly shards: number
}

/** Whether `runner`, a row of the table, holds the lock that says that it lives. */
export const lives = (sql: SqlClient.SqlClient) => sql`EXISTS (
  SELECT 1 FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND classid = ${runnerLocks}::bigint::oid AND objid = runner.id::bigint::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`

/** The table of runners: who is there, and how much they may be given. */
export class RunnerRegistry extends Context.Service<
  RunnerRegistry,
  {
    readonly report: (report: RunnerReport) => Effect.Effect<void>
    /** How many objects all runners work on at once. */
    readonly places: Effect.Effect<number>
    /**
     * Strikes off runners that died, from the cluster's own table as well, so that their work is taken over as soon as
     * the database knows. Gives their addresses. One whose machine is out of reach keeps its locks, and is found out by
     * the cluster when it has said nothing for a while.
     */
    readonly strikeOffDead: Effect.Effect<ReadonlyArray<string>>
  }
>()("@joy/ingest/RunnerRegistry") {
  static readonly layer: Layer.Layer<RunnerRegistry, never, SqlClient.SqlClient | Presence | IngestConfig> =
    Layer.effect(
      RunnerRegistry,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { runnerId } = yield* Presence
        const { concurrency } = yield* IngestConfig

        const report = Effect.fn("RunnerRegistry.report")((report: RunnerReport) =>
          sql`
            INSERT INTO ingest_runners (id, address, state, concurrency, in_hand, shards)
            VALUES (${runnerId}::integer, ${report.address}, ${report.state}, ${concurrency}::integer,
              ${report.inHand}::integer, ${report.shards}::integer)
            ON CONFLICT (id) DO UPDATE SET address = excluded.address, state = excluded.state,
              in_hand = excluded.in_hand, shards = excluded.shards, seen_at = now()`.pipe(Effect.asVoid, Effect.orDie)
        )

        // One that can't say goodbye is struck off.
        yield* Effect.addFinalizer(() =>
          Effect.ignoreCause(sql`DELETE FROM ingest_runners WHERE id = ${runnerId}::integer`)
        )

        const places = rows(Schema.Struct({ places: Schema.Finite }))(
          sql`SELECT coalesce(sum(concurrency), 0)::integer AS places FROM ingest_runners WHERE state IN ('working', 'resting')`
        ).pipe(
          Effect.map(([row]) => row?.places ?? 0),
          Effect.withSpan("RunnerRegistry.places")
        )

        // A moment of grace: after a restart of the database everybody has to take their locks again.
        const strikeOffDead = rows(Schema.Struct({ address: Schema.String }))(sql`
          WITH dead AS (
            DELETE FROM ingest_runners AS runner
            WHERE runner.seen_at < now() - interval '3 seconds' AND NOT ${lives(sql)} RETURNING runner.id, runner.address
          ), struck AS (
            DELETE FROM cluster_runners USING dead
            WHERE cluster_runners.address = dead.address AND NOT EXISTS (
              SELECT 1 FROM ingest_runners AS next WHERE next.address = dead.address AND next.id <> dead.id
            )
          ) SELECT address FROM dead`).pipe(
          Effect.map((dead) => dead.map(({ address }) => address)),
          Effect.withSpan("RunnerRegistry.strikeOffDead")
        )

        return RunnerRegistry.of({ report, places, strikeOffDead })
      })
    )
}
