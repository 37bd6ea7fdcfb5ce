import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { ItemIngest } from "@joy/catalog/ItemIngest"
import * as ClusterRunner from "@joy/ingest/ClusterRunner"
import { Condition } from "@joy/ingest/Condition"
import { IngestConfig, type IngestOptions } from "@joy/ingest/IngestConfig"
import * as IngestDaemon from "@joy/ingest/IngestDaemon"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as EventLog from "../EventLog.ts"
import * as ScanBar from "../ScanBar.ts"
import * as MediaLayer from "./MediaLayer.ts"
import * as StoreLayer from "./StoreLayer.ts"

/** What the environment says of ingest. */
export const config = (options: Partial<IngestOptions>) =>
  Layer.unwrap(
    Effect.map(Configuration, (settings) =>
      IngestConfig.layer({
        interval: Duration.millis(settings.ingestInterval),
        concurrency: settings.ingestConcurrency,
        ignore: settings.ingestIgnore,
        // What S3 lists is whole already.
        ...(settings.source._tag === "Bucket" ? { settle: Duration.zero } : {}),
        runnerHost: settings.runnerHost,
        takeover: Duration.millis(settings.takeoverTimeout),
        drain: Duration.millis(settings.shutdownTimeout),
        trashDays: settings.trashDays,
        ...options
      })
    )
  )

/** What the daemon works with. */
export const tools = Layer.mergeAll(
  MediaLayer.layer,
  StoreLayer.source,
  StoreLayer.derived,
  StoreLayer.deletion,
  ItemIngest.layer
).pipe(Layer.provideMerge(Layer.mergeAll(EventLog.layer, NodeCrypto.layer, ScanBar.layer)))

/** The daemon that keeps the catalogue true to the store, by itself. `drain` is how long a stop may take. Needs the database. */
export const layer = (options: { readonly drain: Duration.Duration }) =>
  IngestDaemon.layer(ClusterRunner.alone).pipe(
    Layer.provide([tools, Condition.layer]),
    Layer.provide(config({ shared: false, drain: options.drain }))
  )
