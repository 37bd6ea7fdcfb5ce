import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { ItemIngest } from "@joy/catalog/ItemIngest"
import { IngestConfig } from "@joy/ingest/IngestConfig"
import * as IngestDaemon from "@joy/ingest/IngestDaemon"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as EventLog from "../EventLog.ts"
import * as MediaLayer from "./MediaLayer.ts"
import * as StoreLayer from "./StoreLayer.ts"

const config = (standsBy: boolean) =>
  Layer.unwrap(
    Effect.map(Configuration, ({ ingestConcurrency, ingestIgnore, ingestInterval, source, takeoverTimeout }) =>
      IngestConfig.layer({
        interval: Duration.millis(ingestInterval),
        concurrency: ingestConcurrency,
        ignore: ingestIgnore,
        // What S3 lists is whole already.
        ...(source._tag === "Bucket" ? { settle: Duration.zero } : {}),
        standsBy,
        takeover: Duration.millis(takeoverTimeout)
      })
    )
  )

/**
 * The daemon that keeps the catalogue true to the store. Needs the database. One that stands by waits, while the layer is
 * built, until the one that works has ended.
 */
export const layer = (options: { readonly standsBy: boolean }) =>
  IngestDaemon.layer.pipe(
    Layer.provide([MediaLayer.layer, StoreLayer.source, StoreLayer.derived, ItemIngest.layer]),
    Layer.provide([config(options.standsBy), EventLog.layer, NodeCrypto.layer])
  )
