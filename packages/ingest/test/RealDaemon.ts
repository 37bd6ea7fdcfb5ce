import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { ItemIngest } from "@joy/catalog/ItemIngest"
import * as Demuxer from "@joy/media/Demuxer"
import * as Ffmpeg from "@joy/media/Ffmpeg"
import * as Probe from "@joy/media/Probe"
import * as Renditions from "@joy/media/Renditions"
import * as Storyboards from "@joy/media/Storyboards"
import * as Subtitles from "@joy/media/Subtitles"
import * as Thumbnails from "@joy/media/Thumbnails"
import * as Database from "@joy/server/Database"
import * as FolderStore from "@joy/storage/FolderStore"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as RpcSerialization from "effect/rpc/RpcSerialization"

import * as ClusterRunner from "../src/ClusterRunner.ts"
import { Condition } from "../src/Condition.ts"
import { IngestConfig } from "../src/IngestConfig.ts"
import * as IngestDaemon from "../src/IngestDaemon.ts"
import { SourceDeletion } from "../src/Purge.ts"
import * as Deaths from "./Deaths.ts"
import * as TestEvents from "./TestEvents.ts"

/** By which its connections are told from those of the test. */
export const applicationName = "joy ingest daemon"

export interface DaemonOptions extends Deaths.Places {
  readonly databaseUrl: string
  readonly root: string
  readonly derivedRoot: string
  readonly intervalMillis: number
  readonly concurrency?: number
  readonly shared?: boolean
  readonly stallMillis?: number
  readonly pageSize?: number
}

const tools = Layer.mergeAll(Ffmpeg.layer(), Demuxer.layer()).pipe(Layer.provide(NodeServices.layer))
const media = Layer.mergeAll(Probe.layerNoDeps(), Thumbnails.layerNoDeps).pipe(Layer.provide(tools))
/** What an item gets afterwards. */
const following = Layer.mergeAll(Storyboards.layerNoDeps, Subtitles.layerNoDeps, Renditions.layerNoDeps).pipe(
  Layer.provide([tools, NodeServices.layer])
)

const sockets = Layer.merge(
  NodeSocketServer.layer({ host: "127.0.0.1", port: 0 }),
  NodeClusterSocket.layerClientProtocol
).pipe(Layer.provideMerge(RpcSerialization.layerSchemaBinary()))

const runners = {
  alone: ClusterRunner.alone,
  clustered: Layer.orDie(Layer.provide(ClusterRunner.clustered, sockets))
}

/** The daemon as it is in production: the cluster's engine, ffmpeg, folders. */
export const layer = (options: DaemonOptions) =>
  Layer.fresh(IngestDaemon.layer(options.shared === true ? runners.clustered : runners.alone)).pipe(
    Layer.provideMerge(Layer.fresh(Condition.layer)),
    Layer.provide(
      Deaths.tools(options)(
        Layer.mergeAll(media, FolderStore.layerDerived(options.derivedRoot), Layer.fresh(ItemIngest.layer))
      )
    ),
    Layer.provide([
      following,
      FolderStore.layerSource(options.root),
      Layer.fresh(TestEvents.layer),
      NodeCrypto.layer,
      Layer.mock(SourceDeletion, {}),
      IngestConfig.layer({
        interval: Duration.millis(options.intervalMillis),
        concurrency: options.concurrency ?? 2,
        shared: options.shared ?? false,
        pageSize: options.pageSize ?? 1000,
        runnerHost: "127.0.0.1",
        stall: Duration.millis(options.stallMillis ?? 10_000),
        drain: Duration.seconds(2)
      })
    ]),
    Layer.provide(
      Layer.fresh(
        Database.layerFromUrl({ url: Redacted.make(options.databaseUrl), maxConnections: 8, applicationName })
      )
    )
  )
