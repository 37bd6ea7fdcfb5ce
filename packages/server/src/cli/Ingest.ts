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

/** Not ready any more from the moment that it is asked to stop. */
const draining = Layer.effectDiscard(
  Effect.flatMap(Condition, ({ become }) => Effect.addFinalizer(() => become("draining")))
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

/** What stands still may not be able to end in order either. */
const endAnyway = Effect.sync(() => {
  setTimeout(() => process.exit(1), 20_000).unref()
})

/** Ingest alone, until it is stopped or beyond help. */
export const ingest = Effect.flatMap(Condition, ({ broken }) =>
  Effect.raceFirst(
    Layer.launch(app),
    Effect.tapError(broken, () => endAnyway)
  )
).pipe(Effect.provide(Condition.layer))
