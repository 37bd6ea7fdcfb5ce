import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

import { Configuration } from "../config/Configuration.ts"

const levels: Record<string, LogLevel.LogLevel> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error"
}

/** The log as `LOG_LEVEL` and `LOG_FORMAT` say. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ logFormat, logLevel }) =>
    Layer.merge(
      Logger.layer([logFormat === "json" ? Logger.consoleJson : Logger.consolePretty()]),
      Layer.succeed(References.MinimumLogLevel, levels[logLevel] ?? "Info")
    )
  )
)
