import { createServer } from "node:http"

import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { NotReady } from "@joy/domain/Health"
import { NotFound } from "@joy/domain/Problem"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

import { Configuration } from "../config/Configuration.ts"
import { Health } from "../Health.ts"
import * as Metrics from "../Metrics.ts"
import { ListenFailed } from "./ListenFailed.ts"

/** For scrapers and orchestrators, on a port of its own that the public never sees. Three paths need no router. */
const answer = Effect.gen(function* () {
  const health = yield* Health
  const collect = yield* Metrics.collector

  const ready = Effect.flatMap(health.ready, (isReady) =>
    isReady
      ? Effect.succeed(HttpServerResponse.jsonUnsafe({ status: "ready" }))
      : Effect.orDie(HttpServerRespondable.toResponse(new NotReady({})))
  )
  const metrics = Effect.map(Effect.andThen(collect, PrometheusMetrics.format()), (text) =>
    HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
  )

  return Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
    switch (url.split("?", 1)[0]) {
      case "/health/live":
        return Effect.succeed(HttpServerResponse.jsonUnsafe({ status: "live" }))
      case "/health/ready":
        return ready
      case "/metrics":
        return metrics
      default:
        return Effect.orDie(HttpServerRespondable.toResponse(new NotFound({})))
    }
  })
})

/** Listens on `METRICS_PORT`, where one is set. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ host, metricsPort }) => {
    if (metricsPort === null) return Layer.empty
    const listener = Layer.effectContext(
      Effect.mapError(
        Layer.build(
          NodeHttpServer.layer(createServer, { host, port: metricsPort, gracefulShutdownTimeout: "1 second" })
        ),
        ListenFailed.of({ name: "METRICS_PORT", host, port: metricsPort })
      )
    )
    return Layer.unwrap(Effect.map(answer, (handler) => HttpServer.serve(handler))).pipe(Layer.provide(listener))
  })
)
