import { setFlagsFromString } from "node:v8"

import { Condition } from "@joy/ingest/Condition"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import { Health } from "../Health.ts"
import * as ClusterLayer from "../layers/ClusterLayer.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as LogLayer from "../layers/LogLayer.ts"
import * as OperationsLayer from "../layers/OperationsLayer.ts"
import * as Migrations from "../Migrations.ts"

/** What does not end in order ends all the same: others take over what it was at. */
const endAnyway = (afterMillis: number) =>
  Effect.sync(() => {
    setTimeout(() => {
      process.stderr.write("joy: Ingest did not end in time, and ends without having tidied up.\n")
      process.exit(1)
    }, afterMillis).unref()
  })

/** Beyond `SHUTDOWN_TIMEOUT`, which is for the steps that are being worked on. */
const tidyingMillis = 10_000

/** Not ready any more from the moment that it is asked to stop. */
const draining = Layer.effectDiscard(
  Effect.gen(function* () {
    const { become } = yield* Condition
    const { shutdownTimeout } = yield* Configuration
    yield* Effect.addFinalizer(() => Effect.andThen(endAnyway(shutdownTimeout + tidyingMillis), become("draining")))
  })
)

const app = draining.pipe(
  Layer.provide(ClusterLayer.layer),
  Layer.provide(OperationsLayer.layer),
  Layer.provide(Health.layer),
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provide(DatabaseLayer.found),
  Layer.provide(LogLayer.layer),
  Layer.provide(Configuration.layer)
)

/**
 * A scan makes much that lives for a moment. Left to itself V8 lets that lie about until it is several times what is in
 * use, which makes a scan a tenth faster and the process 100 MB larger.
 */
const tidy = Effect.sync(() => {
  setFlagsFromString("--semi-space-growth-factor=1")
  setFlagsFromString("--heap-growing-percent=100")
})

/** Ingest alone, until it is stopped or beyond help. */
export const ingest = Effect.flatMap(Effect.andThen(tidy, Condition), ({ broken }) =>
  Effect.raceFirst(
    Layer.launch(app),
    // What stands still may not be able to end in order either.
    Effect.tapError(broken, () => endAnyway(2 * tidyingMillis))
  )
).pipe(Effect.provide(Condition.layer))
