import * as Clock from "effect/Clock"
import * as Sharding from "effect/cluster/Sharding"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import * as ClusterRunner from "./ClusterRunner.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as IngestMetrics from "./IngestMetrics.ts"
import { rows } from "./Rows.ts"
import { Slots } from "./Slots.ts"

/** How far a standstill has come. */
export type Standstill = "none" | "stalled" | "hopeless"

/**
 * A runner can look healthy while nothing moves: its messages are not read, or were read and lost on the way to their
 * workflow. This is seen from the messages themselves: one of ours whose workflow is not in hand stands still. A while
 * later it is given back to be read again, then the runner counts as stalled, and in the end it is to be started anew.
 */
export class Stalls extends Context.Service<
  Stalls,
  {
    /** Looks once. To be called often. */
    readonly look: Effect.Effect<Standstill>
    /** Completes when this runner is beyond help. */
    readonly hopeless: Effect.Effect<void>
  }
>()("@joy/ingest/Stalls") {
  static readonly layer = Layer.effect(
    Stalls,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sharding = yield* Sharding.Sharding
      const slots = yield* Slots
      const config = yield* IngestConfig
      const patience = Duration.toMillis(config.stall)
      const hopeless = yield* Deferred.make<void>()
      /** When this runner first saw that a message stood still: before that it may have been somebody else's. */
      const since = new Map<string, number>()
      let orphansSince: number | null = null
      let lookedAt = 0

      const pending = (shards: ReadonlyArray<string>) =>
        rows(Schema.Struct({ id: Schema.String, executionId: Schema.String }))(sql`
          SELECT id::text, entity_id AS execution_id FROM cluster_messages
          WHERE shard_id = ANY(${shards}::text[]) AND NOT processed AND tag = 'run'
            AND starts_with(entity_type, 'Workflow/')`)

      const giveBack = (ids: ReadonlyArray<string>) =>
        sql`UPDATE cluster_messages SET last_read = NULL
          WHERE id = ANY(${ids}::bigint[]) AND NOT processed AND last_read IS NOT NULL`.pipe(
          Effect.orDie,
          Effect.andThen(sharding.pollStorage)
        )

      /** Shares that no runner holds although there are runners: one that should have taken them does not. */
      const orphans = rows(Schema.Struct({ shards: Schema.Finite }))(
        sql`SELECT coalesce(sum(shards), 0)::integer AS shards FROM ingest_runners`
      ).pipe(Effect.map(([row]) => (row?.shards ?? 0) < ClusterRunner.shardCount))

      const look = Effect.gen(function* () {
        const shards = ClusterRunner.allShards.filter(sharding.hasShardId).map(String)
        const messages = yield* pending(shards)
        const now = yield* Clock.currentTimeMillis
        // While the database was away, or this process asleep, nothing could move.
        if (now - lookedAt > patience) {
          since.clear()
          orphansSince = null
        }
        lookedAt = now
        const inHand = slots.inHand()
        const standing = messages.filter(({ executionId }) => !inHand.has(executionId))
        const ids = new Set(standing.map(({ id }) => id))
        for (const id of since.keys()) if (!ids.has(id)) since.delete(id)
        for (const id of ids) if (!since.has(id)) since.set(id, now)
        const age = (id: string) => now - (since.get(id) ?? now)
        const longest = Math.max(0, ...[...ids].map(age))
        yield* IngestMetrics.showStanding(longest / 1000)
        const late = [...ids].filter((id) => age(id) > patience / 2)
        if (late.length > 0) yield* giveBack(late)

        orphansSince = (yield* orphans) ? (orphansSince ?? now) : null
        const orphaned = orphansSince !== null && now - orphansSince > 2 * Duration.toMillis(config.takeover) + patience
        if (longest <= patience && !orphaned) return "none"
        if (longest <= 2 * patience && !orphaned) return "stalled"
        yield* Deferred.succeed(hopeless, undefined)
        return "hopeless"
      }).pipe(Effect.withSpan("Stalls.look"))

      return Stalls.of({ look, hopeless: Deferred.await(hopeless) })
    })
  )
}
