import * as PostgresProcess from "@joy/server/postgres/PostgresProcess"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import { findOnPath } from "./Executables.ts"
import { freePort } from "./FreePort.ts"
import type { RedisService } from "./TestServices.ts"

class RedisFailed extends Data.TaggedError("RedisFailed")<{ readonly message: string }> {}

const databases = 1024

/** A Redis of somebody's own, which can be stopped without anybody else noticing. */
export interface RedisProcess {
  readonly port: number
  readonly stop: Effect.Effect<void>
}

/** Starts a Redis that forgets everything, on a free port unless one is named. It ends with the scope. */
export const start = Effect.fnUntraced(function* (
  folder: string,
  at?: number
): Effect.fn.Return<RedisProcess, RedisFailed, Scope.Scope> {
  const executable = findOnPath("redis-server")
  if (executable === null) return yield* new RedisFailed({ message: "redis-server is not on PATH" })
  const port = at ?? (yield* freePort)
  const ready = Deferred.makeUnsafe<void>()
  const server = yield* Effect.acquireRelease(
    PostgresProcess.supervise(
      executable,
      `--bind 127.0.0.1 --port ${port} --databases ${databases} --appendonly no --daemonize no`
        .split(" ")
        .concat("--dir", folder, "--save", ""),
      {
        user: null,
        step: "start",
        onLine: (line) => {
          if (line.includes("Ready to accept connections")) Deferred.doneUnsafe(ready, Effect.void)
        }
      }
    ),
    (server) => Effect.andThen(server.stop, server.exit)
  ).pipe(Effect.mapError(({ message }) => new RedisFailed({ message })))
  yield* Effect.raceFirst(
    Deferred.await(ready),
    Effect.flatMap(server.exit, (exit) => Effect.fail(new RedisFailed({ message: exit.output })))
  )
  return { port, stop: Effect.asVoid(Effect.andThen(server.stop, server.exit)) }
})

/** The run's Redis: `TEST_REDIS_URL`, or a server of our own. */
export class RedisServer extends Context.Service<
  RedisServer,
  {
    /** A database that was not given away before in this run. */
    readonly next: Effect.Effect<typeof RedisService.Type>
  }
>()("@joy/testing/RedisServer") {
  static readonly layer = (folder: string) =>
    Layer.effect(
      RedisServer,
      Effect.gen(function* () {
        const external = process.env["TEST_REDIS_URL"]
        const base = external ?? `redis://127.0.0.1:${(yield* start(folder)).port}`
        let given = 0
        return {
          // A server that is not ours may have 16 only, and 0 may hold something.
          next: Effect.sync(() => ({
            url: `${base}/${external === undefined ? given++ % databases : 1 + (given++ % 15)}`
          }))
        }
      })
    )
}
