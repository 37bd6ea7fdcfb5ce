import { text } from "node:stream/consumers"

import { ItemIngest } from "@joy/catalog/ItemIngest"
import { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import { Absences } from "@joy/ingest/Absences"
import { Arrivals } from "@joy/ingest/Arrivals"
import { CatalogChanges } from "@joy/ingest/CatalogChanges"
import { IngestConfig } from "@joy/ingest/IngestConfig"
import { ObjectLedger } from "@joy/ingest/ObjectLedger"
import { Outbox } from "@joy/ingest/Outbox"
import { PageIngest } from "@joy/ingest/PageIngest"
import { ScanJournal } from "@joy/ingest/ScanJournal"
import { Scanner } from "@joy/ingest/Scanner"
import { ScanReport } from "@joy/ingest/ScanReport"
import { Settling } from "@joy/ingest/Settling"
import { Strays } from "@joy/ingest/Strays"
import { Turns } from "@joy/ingest/Turns"
import * as Database from "@joy/server/Database"
import * as EventLog from "@joy/server/EventLog"
import { type ObjectStore, SourceStore } from "@joy/storage/ObjectStore"
import { StoreUnavailable } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * A scan of what the database knows, by a store that has it in memory: what a scan costs besides the listing. Its input is
 * a `Job`, its output a `Result`, both as JSON.
 */
export interface Job {
  readonly databaseUrl: string
  readonly ranges: number
}

export interface Result {
  readonly objects: number
  readonly millis: number
  readonly cpuMillis: number
}

const job: Job = JSON.parse(await text(process.stdin))

const nothing = new StoreUnavailable({ operation: "read", reason: "there are no bytes", retryable: false })

/** The keys are plain, and in JavaScript's order as well. */
const storeOf = (objects: ReadonlyArray<StoredObject>): ObjectStore => ({
  kind: "s3",
  location: "memory",
  list: ({ limit = 1000, startAfter = "", upTo } = {}) =>
    Effect.sync(() => {
      let [low, high] = [0, objects.length]
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((objects[middle]?.key ?? "") <= startAfter) low = middle + 1
        else high = middle
      }
      const page = objects.slice(low, low + limit).filter(({ key }) => upTo === undefined || key <= upTo)
      const last = page.at(-1)?.key ?? null
      const isEnd = page.length < limit || last === upTo || low + limit >= objects.length
      return { objects: page, unusable: [], nextStartAfter: isEnd ? null : last }
    }),
  watch: null,
  head: () => Effect.fail(nothing),
  read: () => Effect.fail(nothing),
  openLocal: () => Effect.fail(nothing),
  write: () => Effect.fail(nothing),
  writeFile: () => Effect.fail(nothing),
  delete: () => Effect.fail(nothing),
  presignGet: () => Effect.die(nothing),
  presignPut: () => Effect.die(nothing)
})

const store = Layer.effect(
  SourceStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ key: string; etag: string; sizeBytes: number }>`
      SELECT s3_key AS key, etag, size_bytes::float8 AS size_bytes FROM processed_s3_objects ORDER BY s3_key`
    return storeOf(
      rows.map(
        ({ etag, key, sizeBytes }) =>
          new StoredObject({ key: ObjectKey.make(key), etag: ETag.make(etag), sizeBytes, modifiedAt: 0 })
      )
    )
  })
)

const layer = Scanner.layer.pipe(
  Layer.provide(PageIngest.layer),
  Layer.provide([Absences.layer, Arrivals.layer, ScanReport.layer, Settling.layer, Strays.layer]),
  Layer.provide([CatalogChanges.layer, Turns.layer]),
  Layer.provideMerge(ScanJournal.layer),
  Layer.provide([ObjectLedger.layer, Outbox.layer, ItemIngest.layer]),
  Layer.provide([EventLog.layer, store, IngestConfig.layer({ ranges: job.ranges })]),
  Layer.provide(Database.layerFromUrl({ url: Redacted.make(job.databaseUrl), maxConnections: 10 }))
)

const result: Result = await Effect.gen(function* () {
  const scanner = yield* Scanner
  const journal = yield* ScanJournal
  const id = yield* scanner.start({ acceptMissing: false })
  const scan = yield* scanner.pending
  if (scan === null) return yield* Effect.die(new Error("There is no scan"))
  const cpu = process.cpuUsage()
  const began = performance.now()
  yield* scanner.run(scan)
  const millis = performance.now() - began
  const used = process.cpuUsage(cpu)
  const record = yield* journal.byId(id)
  if (record === null || record.new + record.changed + record.moved + record.missing > 0) {
    return yield* Effect.die(new Error(`It found differences: ${JSON.stringify(record)}`))
  }
  return { objects: record.listed, millis, cpuMillis: (used.user + used.system) / 1000 }
}).pipe(Effect.provide(layer), Effect.runPromise)
process.stdout.write(JSON.stringify(result))
