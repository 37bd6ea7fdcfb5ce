import { Events } from "@joy/domain/Events"
import type { ScanId } from "@joy/domain/Ids"
import type { Scan } from "@joy/domain/Scan"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { ScanJournal } from "./ScanJournal.ts"

/** Where people who wait see how far a scan is. Nowhere, unless somebody provides a place. */
export class ScanDisplay extends Context.Reference<{
  readonly show: (scan: Scan) => Effect.Effect<void>
  readonly clear: Effect.Effect<void>
}>("@joy/ingest/ScanDisplay", {
  defaultValue: () => ({ show: () => Effect.void, clear: Effect.void })
}) {}

const number = (value: number) => Math.round(value).toLocaleString("en")

/** What it found; what it did not find is left out. */
export const findings = (scan: Scan): string =>
  (["new", "changed", "moved", "missing", "failed"] as const)
    .flatMap((kind) => (scan[kind] > 0 ? [`${number(scan[kind])} ${kind}`] : []))
    .join(", ")

/** How much time is left, in seconds, and the part that is done, as far as it can be told. */
export const outlook = (scan: Scan, nowMillis: number) => {
  if (scan.expectedEndAt === null) return null
  const [from, to] = [Date.parse(scan.startedAt), Date.parse(scan.expectedEndAt)]
  return { secondsLeft: Math.max(0, (to - nowMillis) / 1000), done: Math.min(1, (nowMillis - from) / (to - from)) }
}

const progressOf = (scan: Scan) => ({
  name: "scan.progress" as const,
  scanId: scan.id,
  listed: scan.listed,
  new: scan.new,
  changed: scan.changed,
  failed: scan.failed,
  objectsPerSecond: scan.objectsPerSecond,
  expectedEndAt: scan.expectedEndAt
})

const look = "1 second"
/** A line in the log each so many looks. */
const logged = 10
/** A scan that took longer than this is told of, also when it found nothing. */
const longMillis = 10_000

/** Tells how far a scan is while it runs, and what it found when it has ended. */
export class ScanReport extends Context.Service<
  ScanReport,
  {
    /** Appends `scan.progress` too, once a second at most. To be interrupted when the scan ends. */
    readonly follow: (id: ScanId) => Effect.Effect<void>
    readonly ended: (id: ScanId) => Effect.Effect<void>
  }
>()("@joy/ingest/ScanReport") {
  static readonly layer = Layer.effect(
    ScanReport,
    Effect.gen(function* () {
      const journal = yield* ScanJournal
      const display = yield* ScanDisplay
      const events = yield* Events

      const follow = Effect.fn("ScanReport.follow")(
        function* (id: ScanId) {
          let told = 0
          for (let looks = 1; ; looks++) {
            yield* Effect.sleep(look)
            const scan = yield* journal.byId(id)
            if (scan === null) return
            yield* display.show(scan)
            if (scan.status === "running" && scan.listed > told) {
              told = scan.listed
              yield* events.append(progressOf(scan))
            }
            if (looks % logged !== 0) continue
            const ahead = outlook(scan, yield* Clock.currentTimeMillis)
            const found = findings(scan)
            yield* Effect.logInfo(
              `The scan has seen ${number(scan.listed)} objects, ${number(scan.objectsPerSecond ?? 0)} a second` +
                (found === "" ? "" : `: ${found}`) +
                (ahead === null ? "" : `; about ${number(ahead.secondsLeft)} s to go`)
            )
          }
        },
        // Telling about it is not the scan: what goes wrong here is the scan's own to find out.
        (effect) => Effect.ignoreCause(effect),
        Effect.ensuring(display.clear)
      )

      const ended = Effect.fn("ScanReport.ended")(function* (id: ScanId) {
        const scan = yield* journal.byId(id)
        if (scan === null || scan.finishedAt === null) return
        const found = findings(scan)
        const took = Date.parse(scan.finishedAt) - Date.parse(scan.startedAt)
        const text = `A scan saw ${number(scan.listed)} objects in ${(took / 1000).toFixed(1)} s`
        if (scan.status !== "finished" || found !== "" || took > longMillis) {
          yield* Effect.logInfo(`${text}: ${found === "" ? "nothing has changed" : found}`)
        } else yield* Effect.logDebug(text)
      })

      return ScanReport.of({ follow, ended })
    })
  )
}
