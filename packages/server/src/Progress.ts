import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "./config/Configuration.ts"

/** Says to a person at a terminal what takes time; in a log it is a line like any other. */
export class Progress extends Context.Service<Progress, { readonly step: (what: string) => Effect.Effect<void> }>()(
  "@joy/server/Progress"
) {
  static readonly layer = Layer.effect(
    Progress,
    Effect.gen(function* () {
      const { logFormat } = yield* Configuration
      return Progress.of({
        step: (what) =>
          logFormat === "json"
            ? Effect.logInfo(what)
            : Effect.sync(() => {
                process.stdout.write(`  · ${what}\n`)
              })
      })
    })
  )
}
