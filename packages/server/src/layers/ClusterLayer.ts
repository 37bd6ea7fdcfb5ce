import * as ClusterRunner from "@joy/ingest/ClusterRunner"
import * as IngestDaemon from "@joy/ingest/IngestDaemon"
import * as Layer from "effect/Layer"

import * as IngestLayer from "./IngestLayer.ts"
import * as RunnerSockets from "./RunnerSockets.ts"

/** The daemon that keeps the catalogue true to the store, as one of as many as there are on the same database. */
export const layer = IngestDaemon.layer(Layer.provide(ClusterRunner.clustered, RunnerSockets.layer)).pipe(
  Layer.provide(IngestLayer.tools),
  Layer.provide(IngestLayer.config({ shared: true }))
)
