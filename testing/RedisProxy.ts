import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import * as TcpProxy from "./TcpProxy.ts"
import { TestRedis } from "./TestRedis.ts"

/** The run's Redis behind a line that can be made bad. */
export class RedisProxy extends Context.Service<
  RedisProxy,
  TcpProxy.TcpProxy & {
    readonly url: Redacted.Redacted
  }
>()("@joy/testing/RedisProxy") {
  static readonly layer: Layer.Layer<RedisProxy, never, TestRedis> = Layer.effect(
    RedisProxy,
    Effect.gen(function* () {
      const { url } = yield* TestRedis
      const proxied = new URL(Redacted.value(url))
      const proxy = yield* TcpProxy.make(Number(proxied.port))
      proxied.host = `127.0.0.1:${proxy.port}`
      return { ...proxy, url: Redacted.make(proxied.href) }
    })
  )
}
