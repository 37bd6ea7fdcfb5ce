import type { ScanId } from "@joy/domain/Ids"
import { SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"

import { Absences } from "./Absences.ts"
import { Arrivals } from "./Arrivals.ts"
import { IngestConfig } from "./IngestConfig.ts"
import { PageIngest } from "./PageIngest.ts"
import { type RunningScan, ScanJournal, type ScanRange } from "./ScanJournal.ts"
import { ScanReport } from "./ScanReport.ts"
import { Strays } from "./Strays.ts"
import { Turns } from "./Turns.ts"

export interface ScanEnd {
  readonly status: "finished" | "failed" | "waiting"
  /** Somebody asked for a scan when this one may already have passed what they meant. */
  readonly rescan: boolean
  /** Objects that may still be being written: they are to be looked at again soon. */
  readonly unsettled: number
}

/** One pass over the store. */
export class Scanner extends Context.Service<
  Scanner,
  {
    /** Starts a scan, or joins the one that runs; `run` does it. */
    readonly start: (options: { readonly acceptMissing: boolean }) => Effect.Effect<ScanId>
    /** The scan that is to be run: one that was just started, or that another process left where it was. */
    readonly pending: Effect.Effect<RunningScan | null>
    /**
     * Runs a scan to its end, from its checkpoints on. A store that does not answer ends it as `failed`. A database that
     * does not answer is a defect, and leaves the scan where it is: it goes on when run again.
     */
    readonly run: (scan: RunningScan) => Effect.Effect<ScanEnd>
    /** Ends a scan that can't be run to its end as `failed`. */
    readonly abandon: (scan: RunningScan, message: string) => Effect.Effect<ScanEnd>
  }
>()("@joy/ingest/Scanner") {
  static readonly layer = Layer.effect(
    Scanner,
    Effect.gen(function* () {
      const store = yield* SourceStore
      const journal = yield* ScanJournal
      const pages = yield* PageIngest
      const absences = yield* Absences
      const arrivals = yield* Arrivals
      const strays = yield* Strays
      const report = yield* ScanReport
      const turns = yield* Turns
      const { pageSize, ranges } = yield* IngestConfig

      const list = ({ checkpoint, upTo }: ScanRange) =>
        Stream.paginate(
          checkpoint,
          Effect.fnUntraced(function* (from: string) {
            const turn = turns.count()
            const page = yield* store.list({ startAfter: from, upTo: upTo ?? undefined, limit: pageSize })
            return [[{ page, turn }], Option.fromNullOr(page.nextStartAfter)] as const
          })
        )

      /** `ahead`: the next page is listed while the last one is being dealt with. Several ranges do so for each other. */
      const walk = Effect.fnUntraced(function* (
        scanId: ScanId,
        range: ScanRange,
        ahead: boolean,
        unsettled: Ref.Ref<number>
      ) {
        let at = range
        yield* Stream.runForEach(
          ahead ? Stream.buffer(list(range), { capacity: 1 }) : list(range),
          Effect.fnUntraced(function* ({ page, turn }) {
            const { checkpoint, waiting } = yield* pages.apply(scanId, at, page, turn)
            at = { ...at, checkpoint }
            yield* Ref.update(unsettled, (sum) => sum + waiting)
          })
        )
      })

      const pass = Effect.fnUntraced(function* (running: RunningScan, unsettled: Ref.Ref<number>) {
        const { ranges: left, scan } = yield* journal.open(running.id, { ranges, pageSize })
        yield* Effect.forEach(left, (range) => walk(scan.id, range, left.length === 1, unsettled), {
          concurrency: "unbounded",
          discard: true
        })
        yield* strays.bringBack
        const outcome = yield* turns.alone(
          Effect.gen(function* () {
            yield* absences.verify(scan.id)
            yield* arrivals.resolve(scan.id)
            // Read again: whoever joined the scan meanwhile may have accepted what is missing.
            const now = yield* journal.running
            return yield* absences.conclude({ ...scan, acceptMissing: (now ?? scan).acceptMissing })
          })
        )
        return outcome._tag === "Marked"
          ? { status: "finished" as const, missing: outcome.missing, message: null }
          : {
              status: "waiting" as const,
              missing: 0,
              message:
                `${outcome.absent} of ${scan.knownAtStart} known objects are gone, which is more than half: nothing was ` +
                `marked missing. Look whether ${store.location} is what it should be; if they are meant to be gone, scan ` +
                `again with acceptMissing=1`
            }
      })

      const run = Effect.fn("Scanner.run")(function* (scan: RunningScan) {
        const unsettled = yield* Ref.make(0)
        const following = yield* Effect.forkChild(report.follow(scan.id))
        const outcome = yield* pass(scan, unsettled).pipe(
          Effect.catchTag("StoreUnavailable", (error) =>
            Effect.succeed({ status: "failed" as const, missing: 0, message: error.message })
          ),
          Effect.ensuring(Fiber.interrupt(following))
        )
        if (outcome.message !== null) yield* Effect.logWarning(outcome.message)
        const { rescan } = yield* journal.end(scan.id, outcome)
        yield* report.ended(scan.id)
        return { status: outcome.status, rescan, unsettled: yield* Ref.get(unsettled) }
      })

      const abandon = Effect.fn("Scanner.abandon")(function* (scan: RunningScan, message: string) {
        const { rescan } = yield* journal.end(scan.id, { status: "failed", missing: 0, message })
        return { status: "failed" as const, rescan, unsettled: 0 }
      })

      return Scanner.of({
        start: ({ acceptMissing }) => journal.begin({ acceptMissing, requested: false }),
        pending: journal.running,
        run,
        abandon
      })
    })
  )
}
