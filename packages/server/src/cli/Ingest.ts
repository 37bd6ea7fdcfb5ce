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
const draining = Layer.effectDiscard(Effect.flatMap(Health, ({ drain }) => Effect.addFinalizer(() => drain)))

const app = draining.pipe(
  Layer.provide(ClusterLayer.layer),
  Layer.provide(OperationsLayer.layer),
  Layer.provide(Health.layer),
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provide(DatabaseLayer.found),
  Layer.provide(LogLayer.layer),
  Layer.provide(Configuration.layer)
)

/** Ingest alone, until it is stopped. */
export const ingest = Layer.launch(app)
