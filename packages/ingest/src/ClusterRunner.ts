import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerServer from "effect/cluster/RunnerServer"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ShardId from "effect/cluster/ShardId"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RpcServer from "effect/rpc/RpcServer"
import * as SocketServer from "effect/socket/SocketServer"

import { IngestConfig } from "./IngestConfig.ts"

/** How many shares the work of a cluster has. The same for every runner, for ever. */
export const shardCount = 300

/** What passes until the others have noticed and taken over, when a runner counts as dead. */
const noticing = Duration.seconds(3)
const shortestExpiration = Duration.seconds(3)

/** Explicit throughout: what is read from the environment otherwise is HOST and PORT, which are the API's. */
const sharding = (config: IngestConfig["Service"], address: RunnerAddress.RunnerAddress) =>
  ShardingConfig.layer({
    runnerAddress: Option.some(address),
    shardsPerGroup: shardCount,
    // A runner that says nothing for so long is dead. One that died with its connections is struck off sooner.
    shardLockExpiration: Duration.max(Duration.subtract(config.takeover, noticing), shortestExpiration),
    refreshAssignmentsInterval: Duration.seconds(1),
    runnerHealthCheckInterval: Duration.seconds(10),
    entityMessagePollInterval: Duration.seconds(2),
    // The rest of the time is for handing the shares over.
    entityTerminationTimeout: Duration.times(config.drain, 0.7),
    simulateRemoteSerialization: false
  })

/** One process for a database: no runner talks to another, and all shards are this one's from the start. */
export const alone = Layer.unwrap(
  Effect.map(IngestConfig, (config) =>
    Sharding.layer.pipe(
      Layer.provideMerge(Runners.layerNoop),
      Layer.provideMerge(SqlMessageStorage.layer),
      Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
      Layer.provideMerge(sharding(config, RunnerAddress.make("localhost", 0)))
    )
  )
)

/** One of the processes that share the work on a database. They find each other there, and talk over sockets. */
export const clustered = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* IngestConfig
    const { address } = yield* SocketServer.SocketServer
    if (address._tag === "UnixPathAddress") return yield* Effect.die(new Error("Runners talk over TCP"))
    return RunnerServer.layerWithClients.pipe(
      Layer.provide(RpcServer.layerProtocolSocketServer),
      Layer.provide(Layer.provide(RunnerHealth.layerPing, Runners.layerRpc)),
      Layer.provideMerge(SqlMessageStorage.layer),
      Layer.provide(Layer.orDie(SqlRunnerStorage.layer)),
      Layer.provideMerge(sharding(config, RunnerAddress.make(config.runnerHost, address.port)))
    )
  })
)

/** Every share, to ask which of them a runner holds. */
export const allShards: ReadonlyArray<ShardId.ShardId> = Array.from({ length: shardCount }, (_, index) =>
  ShardId.make("default", index + 1)
)

/** How a runner is called: where the others reach it. */
export const nameOf = ({ host, port }: RunnerAddress.RunnerAddress) => `${host}:${port}`
