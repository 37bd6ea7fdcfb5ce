import type { Scan } from "@joy/domain/Scan"
import { findings, outlook, ScanDisplay } from "@joy/ingest/ScanReport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import * as Progress from "./Progress.ts"

const width = 24

/** One line: how much is done, how fast it goes, what was found, how long it takes still. */
export const draw = (scan: Scan, nowMillis: number): string => {
  const ahead = outlook(scan, nowMillis)
  const found = findings(scan)
  const filled = Math.round(width * (ahead?.done ?? 0))
  return [
    "  Scanning",
    // How much there is to a library that was never scanned, nobody knows.
    ...(ahead === null
      ? []
      : [`${"█".repeat(filled)}${"░".repeat(width - filled)}`, `${Math.round(ahead.done * 100)}%`]),
    `${scan.listed.toLocaleString("en")} objects`,
    ...(scan.objectsPerSecond === null ? [] : [`${Math.round(scan.objectsPerSecond).toLocaleString("en")}/s`]),
    ...(found === "" ? [] : [found]),
    ...(ahead === null ? [] : [`${Math.ceil(ahead.secondsLeft)} s left`])
  ].join("  ")
}

/** A bar on the last line of a terminal. Nothing where there is none. */
export const layer = Layer.suspend(() =>
  process.stdout.isTTY
    ? Layer.succeed(ScanDisplay, {
        show: (scan) => Effect.flatMap(Clock.currentTimeMillis, (now) => Progress.line(draw(scan, now))),
        clear: Effect.sync(Progress.clearLine)
      })
    : Layer.empty
)
