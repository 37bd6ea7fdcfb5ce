import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { Rebuild, Rebuilds } from "./Rebuilds.ts"
import { rows } from "./Rows.ts"
import { lives } from "./RunnerRegistry.ts"

const Runner = Schema.Struct({
  address: Schema.String,
  /** A `RunnerState`, or `gone` for one that died and that nobody has struck off yet. */
  state: Schema.String,
  /** Shares of the work that it holds. */
  shards: Schema.Finite,
  /** Objects that it works on or is about to, and how many it works on at once. */
  inHand: Schema.Finite,
  concurrency: Schema.Finite,
  startedAt: Schema.String,
  /** Seconds since it last said that it is there. */
  silentSeconds: Schema.Finite
})

const Queue = Schema.Struct({
  /** Work that nobody has yet. */
  waiting: Schema.Finite,
  /** Of it, what waits for another try. */
  retrying: Schema.Finite,
  /** Work that a runner was given. */
  handedOut: Schema.Finite,
  /** How long the oldest of all has been there, in seconds; null when there is none. */
  oldestSeconds: Schema.NullOr(Schema.Finite)
})

const Failures = Schema.Struct({ step: Schema.String, count: Schema.Finite })

const RunningScan = Schema.Struct({ id: Schema.String, listed: Schema.Finite, startedAt: Schema.String })

/** How ingest is, all of it. */
export const Overview = Schema.Struct({
  runners: Schema.Array(Runner),
  queue: Queue,
  /** Items that failed, by step. */
  failures: Schema.Array(Failures),
  scan: Schema.NullOr(RunningScan),
  rebuilds: Schema.Array(Rebuild)
})
export type Overview = typeof Overview.Type

/** What a person wants to know who looks after it. */
export class IngestOverview extends Context.Service<
  IngestOverview,
  {
    readonly look: Effect.Effect<Overview>
  }
>()("@joy/ingest/IngestOverview") {
  static readonly layer = Layer.effect(
    IngestOverview,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rebuilds = yield* Rebuilds

      const look = Effect.gen(function* () {
        const runners = yield* rows(Runner)(sql`
          SELECT address, CASE WHEN ${lives(sql)} THEN state ELSE 'gone' END AS state, shards, in_hand, concurrency,
            started_at, extract(epoch FROM now() - seen_at)::float8 AS silent_seconds
          FROM ingest_runners AS runner ORDER BY started_at, id`)
        const [queue] = yield* rows(Queue)(sql`
          SELECT count(*) FILTER (WHERE submitted_at IS NULL)::integer AS waiting,
            count(*) FILTER (WHERE submitted_at IS NULL AND attempts > 0)::integer AS retrying,
            count(*) FILTER (WHERE submitted_at IS NOT NULL)::integer AS handed_out,
            extract(epoch FROM now() - min(created_at))::float8 AS oldest_seconds
          FROM ingest_outbox`)
        const failures = yield* rows(Failures)(sql`
          SELECT failure_step AS step, count(*)::integer AS count FROM media_items
          WHERE status = 'failed' AND deleted_at IS NULL GROUP BY failure_step ORDER BY failure_step`)
        const [scan] = yield* rows(RunningScan)(sql`
          SELECT id, started_at, (
            SELECT coalesce(sum(listed), 0)::integer FROM scan_ranges WHERE scan_id = scans.id
          ) AS listed
          FROM scans WHERE status = 'running' AND NOT partial`)
        return {
          runners,
          queue: queue ?? { waiting: 0, retrying: 0, handedOut: 0, oldestSeconds: null },
          failures,
          scan: scan ?? null,
          rebuilds: yield* rebuilds.running
        }
      }).pipe(Effect.withSpan("IngestOverview.look"))

      return IngestOverview.of({ look })
    })
  ).pipe(Layer.provide(Rebuilds.layer))
}
