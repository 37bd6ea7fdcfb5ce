import { createServer, connect, type Socket } from "node:net"

import { TestRedis } from "@joy/testing/TestRedis"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"

/** The run's Redis behind a line that can be cut (connections break, new ones are refused) or held (nothing comes). */
export class RedisProxy extends Context.Service<
  RedisProxy,
  {
    readonly url: Redacted.Redacted
    readonly cut: Effect.Effect<void>
    readonly hang: Effect.Effect<void>
    readonly restore: Effect.Effect<void>
  }
>()("@joy/auth/test/RedisProxy") {}

export const soon = Schedule.spaced("10 millis")

export const layer: Layer.Layer<RedisProxy, never, TestRedis> = Layer.effect(
  RedisProxy,
  Effect.gen(function* () {
    const { url } = yield* TestRedis
    const target = new URL(Redacted.value(url))
    let state: "open" | "cut" | "held" = "open"
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      if (state === "cut") return void client.destroy()
      const upstream = connect(Number(target.port), target.hostname)
      for (const socket of [client, upstream]) {
        sockets.add(socket)
        socket.on("error", () => undefined)
        socket.on("close", () => {
          sockets.delete(socket)
          client.destroy()
          upstream.destroy()
        })
      }
      client.on("data", (bytes) => {
        if (state === "open") upstream.write(bytes)
      })
      upstream.on("data", (bytes) => {
        if (state === "open") client.write(bytes)
      })
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    const breakAll = () => {
      for (const socket of sockets) socket.destroy()
    }
    const proxied = new URL(target)
    proxied.host = `127.0.0.1:${port}`
    return {
      url: Redacted.make(proxied.href),
      cut: Effect.sync(() => {
        state = "cut"
        breakAll()
      }),
      hang: Effect.sync(() => {
        state = "held"
      }),
      // What was held is lost: connections begin anew.
      restore: Effect.sync(() => {
        state = "open"
        breakAll()
      })
    }
  })
)
