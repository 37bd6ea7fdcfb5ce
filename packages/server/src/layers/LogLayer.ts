import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as References from "effect/References"

import { Configuration } from "../config/Configuration.ts"
import * as Progress from "../Progress.ts"
import { version } from "../Version.ts"

const levels: Record<string, LogLevel.LogLevel> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error"
}

const pretty = Logger.consolePretty()

/** Takes the bar that may stand there away first: it is drawn again below what was logged. */
const aboveTheBar = Logger.make<unknown, void>((options) => {
  Progress.clearLine()
  pretty.log(options)
})

/** Sends spans to a collector, as JSON over HTTP. What it can't take is dropped: work waits for no collector. */
const traces = (endpoint: string) =>
  OtlpTracer.layer({
    url: `${endpoint.replace(/\/$/, "")}/v1/traces`,
    resource: { serviceName: "joy", serviceVersion: version }
  }).pipe(Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson]))

/** The log as `LOG_LEVEL` and `LOG_FORMAT` say, and traces as `OTEL_EXPORTER_OTLP_ENDPOINT` does. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ logFormat, logLevel, otlpEndpoint }) =>
    Layer.mergeAll(
      Logger.layer([logFormat === "json" ? Logger.consoleJson : aboveTheBar]),
      Layer.succeed(References.MinimumLogLevel, levels[logLevel] ?? "Info"),
      otlpEndpoint === null
        ? // Nobody collects spans, so none are made: there would be one for every statement.
          Layer.succeed(References.TracerEnabled, false)
        : traces(otlpEndpoint)
    )
  )
)
