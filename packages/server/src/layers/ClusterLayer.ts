import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as ClusterRunner from "@joy/ingest/ClusterRunner"
import * as IngestDaemon from "@joy/ingest/IngestDaemon"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcSerialization from "effect/rpc/RpcSerialization"

import { Configuration } from "../config/Configuration.ts"
import * as IngestLayer from "./IngestLayer.ts"
import { ListenFailed } from "./ListenFailed.ts"

/** Where the other runners reach this one. It listens on the address of that name, and on no other. */
const listener = Layer.effectContext(
  Effect.gen(function* () {
    const { runnerHost: host, runnerPort: port } = yield* Configuration
    return yield* Effect.mapError(Layer.build(NodeSocketServer.layer({ host, port })), ({ reason }) =>
      ListenFailed.of({ name: "RUNNER_PORT", host, port })(reason)
    )
  })
)

const sockets = Layer.merge(listener, NodeClusterSocket.layerClientProtocol).pipe(
  Layer.provideMerge(RpcSerialization.layerSchemaBinary())
)

/** The daemon that keeps the catalogue true to the store, as one of as many as there are on the same database. */
export const layer = IngestDaemon.layer(Layer.provide(ClusterRunner.clustered, sockets)).pipe(
  Layer.provide(IngestLayer.tools),
  Layer.provide(IngestLayer.config({ shared: true }))
)
