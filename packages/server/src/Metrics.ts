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
    const [outbox] = yield* sql<{ count: number; seconds: number }>`
      SELECT count(*)::float8 AS count,
        coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS seconds FROM ingest_outbox`
    yield* Metric.update(waiting, outbox?.count ?? 0)
    yield* Metric.update(oldest, outbox?.seconds ?? 0)
  }).pipe(
    // A scrape without the database still tells of the process.
    Effect.catch((error) => Effect.logWarning("The database could not be asked for metrics", error))
  )
})
