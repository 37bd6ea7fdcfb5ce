import * as Clock from "effect/Clock"
import * as Snowflake from "effect/cluster/Snowflake"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"

/** Answers of the API, by class of status. */
export const requests = Metric.counter("joy_http_requests_total", {
  description: "Answers of the API, by class of status",
  incremental: true
})

const items = Metric.gauge("joy_media_items", { description: "Items of the library, by status" })
const waiting = Metric.gauge("joy_ingest_waiting", { description: "Objects that wait to be worked on" })
const handedOut = Metric.gauge("joy_ingest_handed_out", { description: "Objects that runners were given" })
const unread = Metric.gauge("joy_ingest_oldest_unread_seconds", {
  description: "How long the message to runners has been waiting that nobody has read for the longest"
})
const oldest = Metric.gauge("joy_ingest_oldest_waiting_seconds", {
  description: "How long the object that waits the longest has been waiting"
})
const memory = Metric.gauge("joy_process_resident_bytes", { description: "Resident memory of this process" })

/** Brings the gauges up to date: what the database knows is asked for when somebody looks. */
export const collector = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  return Effect.gen(function* () {
    yield* Metric.update(memory, process.memoryUsage.rss())
    const counts = yield* sql<{ status: string; count: number }>`
      SELECT status, count(*)::float8 AS count FROM media_items WHERE deleted_at IS NULL GROUP BY status`
    for (const status of ["pending", "processing", "ready", "failed", "missing"]) {
      const count = counts.find((row) => row.status === status)?.count ?? 0
      yield* Metric.update(Metric.withAttributes(items, { status }), count)
    }
    const [outbox] = yield* sql<{ count: number; handedOut: number; seconds: number }>`
      SELECT count(*) FILTER (WHERE submitted_at IS NULL)::float8 AS count, count(submitted_at)::float8 AS handed_out,
        coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS seconds FROM ingest_outbox`
    // Their ids tell their time.
    const [message] = yield* sql<{ id: string | null }>`
      SELECT min(id)::text AS id FROM cluster_messages WHERE NOT processed AND last_read IS NULL`
    const now = yield* Clock.currentTimeMillis
    const since = message?.id ? Snowflake.timestamp(Snowflake.Snowflake(message.id)) : now
    yield* Metric.update(unread, Math.max(0, now - since) / 1000)
    yield* Metric.update(handedOut, outbox?.handedOut ?? 0)
    yield* Metric.update(waiting, outbox?.count ?? 0)
    yield* Metric.update(oldest, outbox?.seconds ?? 0)
  }).pipe(
    // A scrape without the database still tells of the process.
    Effect.catch((error) => Effect.logWarning("The database could not be asked for metrics", error))
  )
})
