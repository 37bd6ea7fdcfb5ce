import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { ScanId } from "@joy/domain/Ids"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden } from "@joy/domain/Problem"
import { type Scan, ScanNotFound } from "@joy/domain/Scan"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { ScanJournal } from "./ScanJournal.ts"
import { Signals } from "./Signals.ts"

/** Scans as the API sees them. Works in any process: the ingest daemon finds the scan in the database. */
export class Scans extends Context.Service<
  Scans,
  {
    /**
     * Starts a scan and wakes the scanner. One that runs already is returned, not doubled; since it may have passed what
     * the caller means, another one follows it. `acceptMissing` lets it mark more than half of the library missing.
     */
    readonly refresh: (options: {
      readonly acceptMissing: boolean
    }) => Effect.Effect<ScanId, Forbidden, CurrentPrincipal>
    readonly byId: (id: ScanId) => Effect.Effect<Scan, ScanNotFound | Forbidden, CurrentPrincipal>
  }
>()("@joy/ingest/Scans") {
  static readonly layerNoDeps = Layer.effect(
    Scans,
    Effect.gen(function* () {
      const journal = yield* ScanJournal
      const signals = yield* Signals

      const refresh = Effect.fn("Scans.refresh")(function* (options: { readonly acceptMissing: boolean }) {
        yield* Policy.permission("media:refresh")
        const id = yield* journal.begin({ acceptMissing: options.acceptMissing, requested: true })
        yield* signals.wakeScanner
        return id
      })

      const byId = Effect.fn("Scans.byId")(function* (id: ScanId) {
        yield* Policy.permission("media:refresh")
        const scan = yield* journal.byId(id)
        return scan ?? (yield* new ScanNotFound({}))
      })

      return Scans.of({ refresh, byId })
    })
  )

  static readonly layer = Scans.layerNoDeps.pipe(Layer.provide([ScanJournal.layer, Signals.layer]))
}
