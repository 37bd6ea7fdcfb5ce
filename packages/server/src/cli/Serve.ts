import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"

import { Configuration } from "../config/Configuration.ts"
import * as ApiLayer from "../layers/ApiLayer.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as LogLayer from "../layers/LogLayer.ts"
import * as Migrations from "../Migrations.ts"

const announce = Effect.gen(function* () {
  const settings = yield* Configuration
  const { address } = yield* HttpServer.HttpServer
  yield* Effect.logInfo(`The API listens on ${NetAddress.formatSocketAddress(address)}`)
  if (settings.rateLimits === "off") {
    yield* Effect.logWarning("RATE_LIMITS is off: anybody may guess passwords without end")
  }
})

const app = Layer.unwrap(
  Effect.map(Configuration, ({ shutdownTimeout }) =>
    Layer.effectDiscard(announce).pipe(
      Layer.provide(ApiLayer.layer({ shutdownTimeout: Duration.millis(shutdownTimeout) }))
    )
  )
).pipe(
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provide(DatabaseLayer.found),
  Layer.provide(LogLayer.layer),
  Layer.provide(Configuration.layer)
)

/** The API alone, until it is stopped. */
export const serve = Layer.launch(app)
