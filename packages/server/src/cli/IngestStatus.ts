import { IngestOverview, type Overview } from "@joy/ingest/IngestOverview"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as Migrations from "../Migrations.ts"

const length = (seconds: number) => {
  if (seconds < 120) return `${Math.round(seconds)} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

const table = (lines: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}

const runnersOf = ({ runners }: Overview) =>
  runners.length === 0
    ? ["No runner is there."]
    : table([
        ["RUNNER", "STATE", "SHARDS", "IN HAND", "PLACES", "SINCE", "SEEN"],
        ...runners.map((runner) => [
          runner.address,
          runner.state,
          String(runner.shards),
          String(runner.inHand),
          String(runner.concurrency),
          runner.startedAt.slice(0, 19).replace("T", " "),
          `${length(runner.silentSeconds)} ago`
        ])
      ])

const text = (overview: Overview) => {
  const { failures, queue, rebuilds, scan } = overview
  const failed = failures.reduce((sum, { count }) => sum + count, 0)
  const bySteps = failures.map(({ count, step }) => `${step} ${count}`).join(", ")
  return [
    ...runnersOf(overview),
    "",
    `Queue     ${queue.waiting} waiting (${queue.retrying} for another try), ${queue.handedOut} handed out`,
    `Oldest    ${queue.oldestSeconds === null ? "none" : length(queue.oldestSeconds)}`,
    `Failures  ${failed}${failed === 0 ? "" : ` (${bySteps})`}`,
    `Scan      ${scan === null ? "none" : `${scan.listed} listed since ${scan.startedAt.slice(0, 19).replace("T", " ")}`}`,
    ...rebuilds.map(({ done, failed, kind, total }) => `Rebuild   ${kind}: ${done} of ${total}, ${failed} failed`)
  ].join("\n")
}

const tool = IngestOverview.layer.pipe(
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provide(DatabaseLayer.found),
  Layer.provide(Configuration.layer)
)

/** Who works, what waits, and what failed. */
export const status = Effect.fn("joy ingest status")(function* (flags: { readonly json: boolean }) {
  const overview = yield* Effect.flatMap(IngestOverview, ({ look }) => look)
  yield* Console.log(flags.json ? JSON.stringify(overview, null, 2) : text(overview))
}, Effect.provide(tool))
