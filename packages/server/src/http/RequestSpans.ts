import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

import { Configuration } from "../config/Configuration.ts"
import * as RouteTable from "./RouteTable.ts"

/** Routes that are not in the contract. */
const unnamed = "?"

/**
 * A span for each request, in the trace of whoever asks (W3C Trace Context). It is named after the route: paths hold
 * grants and queries hold signatures, which are nothing for a collector.
 */
const spans = HttpRouter.middleware(
  Effect.sync(() => {
    const routes = RouteTable.make([])
    return (handled) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, method, url }) => {
        const route = routes.pathOf(url) ?? unnamed
        return handled.pipe(
          Effect.tap(({ status }) => Effect.annotateCurrentSpan("http.response.status_code", status)),
          Effect.withSpan(`${method} ${route}`, {
            kind: "server",
            parent: Option.getOrUndefined(HttpTraceContext.fromHeaders(headers)),
            attributes: { "http.request.method": method, "http.route": route }
          })
        )
      })
  }),
  { global: true }
)

/** Only where they are collected. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ otlpEndpoint }) => (otlpEndpoint === null ? Layer.empty : spans))
)

/** Instead of those that the server would make, with everything in them. */
export const instead = Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
