import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

import { Configuration } from "../config/Configuration.ts"
import * as Progress from "../Progress.ts"

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

/** The log as `LOG_LEVEL` and `LOG_FORMAT` say. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ logFormat, logLevel }) =>
    Layer.mergeAll(
      Logger.layer([logFormat === "json" ? Logger.consoleJson : aboveTheBar]),
      Layer.succeed(References.MinimumLogLevel, levels[logLevel] ?? "Info"),
      // Nobody collects spans, so none are made: there would be one for every statement.
      Layer.succeed(References.TracerEnabled, false)
    )
  )
)
