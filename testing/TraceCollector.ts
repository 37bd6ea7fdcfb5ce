import { createServer } from "node:http"

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** What is asked of a span here (OTLP 1.x, `opentelemetry.proto.trace.v1.Span` as JSON). */
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String
})
export type Span = typeof Span.Type

const Export = Schema.fromJsonString(
  Schema.Struct({
    resourceSpans: Schema.Array(
      Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })) })
    )
  })
)
const decode = Schema.decodeUnknownSync(Export)

export interface TraceCollector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string
  readonly spans: () => ReadonlyArray<Span>
  /** Everything that was sent, as it came. */
  readonly received: () => string
}

/** Takes spans as a collector does (OTLP over HTTP, 1.x), and keeps them. */
export const start: Effect.Effect<TraceCollector, never, Scope.Scope> = Effect.gen(function* () {
  const spans: Array<Span> = []
  let received = ""
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (chunk: string) => (body += chunk))
    request.on("end", () => {
      received += body
      if (request.url === "/v1/traces") {
        for (const { scopeSpans } of decode(body).resourceSpans)
          spans.push(...scopeSpans.flatMap((scope) => scope.spans))
      }
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => void server.close())
  )
  const address = server.address()
  if (address === null || typeof address === "string") return yield* Effect.die(new Error("No port"))
  return { url: `http://127.0.0.1:${address.port}`, spans: () => spans, received: () => received }
})
