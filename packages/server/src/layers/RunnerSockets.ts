import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Runners from "effect/cluster/Runners"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"

import { Configuration } from "../config/Configuration.ts"
import { ListenFailed } from "./ListenFailed.ts"

/**
 * What is written to a runner that is gone is dropped. The socket itself would wait for it to be read, without an end
 * when the connection broke before the write: an answer to a runner that died would keep this one from ending.
 */
const dropping = (socket: Socket.Socket): Socket.Socket => {
  let gone = Deferred.makeUnsafe<void>()
  const unlessGone = <E>(write: Effect.Effect<void, E>) =>
    Effect.suspend(() => Effect.raceFirst(Effect.interruptible(write), Effect.interruptible(Deferred.await(gone))))
  return Socket.make({
    // A socket that connects again has a reader for each connection.
    reader: Effect.gen(function* () {
      const { pull, upgrade } = yield* socket.reader
      const current = Deferred.makeUnsafe<void>()
      gone = current
      const end = Deferred.succeed(current, undefined)
      yield* Effect.addFinalizer(() => end)
      return { pull: Effect.onError(pull, () => end), upgrade }
    }),
    writer: Effect.map(socket.writer, ({ write, writeAll }) => ({
      write: (chunk) => unlessGone(write(chunk)),
      writeAll: (chunks) => unlessGone(writeAll(chunks))
    }))
  })
}

/** Where the other runners reach this one. It listens on the address of that name, and on no other. */
const server = Layer.effect(
  SocketServer.SocketServer,
  Effect.gen(function* () {
    const { runnerHost: host, runnerPort: port } = yield* Configuration
    const { address, run } = yield* Effect.mapError(NodeSocketServer.make({ host, port }), ({ reason }) =>
      ListenFailed.of({ name: "RUNNER_PORT", host, port })(reason)
    )
    return SocketServer.SocketServer.of({ address, run: (handler) => run((socket) => handler(dropping(socket))) })
  })
)

/** How this one reaches the others. */
const client = Layer.effect(
  Runners.RpcClientProtocol,
  Effect.gen(function* () {
    const serialization = yield* RpcSerialization.RpcSerialization
    return {
      codecFor: serialization.codecFor,
      make: Effect.fnUntraced(function* ({ host, port }) {
        const socket = yield* NodeSocket.makeNet({ host, port, openTimeout: "1 second", timeout: 5500 })
        return yield* RpcClient.makeProtocolSocket().pipe(
          Effect.provideService(Socket.Socket, dropping(socket)),
          Effect.provideService(RpcSerialization.RpcSerialization, serialization)
        )
      })
    }
  })
)

/** How runners talk to each other. */
export const layer = Layer.merge(server, client).pipe(Layer.provideMerge(RpcSerialization.layerSchemaBinary()))
