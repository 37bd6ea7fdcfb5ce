import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import { Health } from "../Health.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as IngestLayer from "../layers/IngestLayer.ts"
import * as LogLayer from "../layers/LogLayer.ts"
import * as OperationsLayer from "../layers/OperationsLayer.ts"
import * as Migrations from "../Migrations.ts"

const app = Layer.effectDiscard(Effect.logInfo("Ingest works")).pipe(
  Layer.provide(IngestLayer.layer({ standsBy: true })),
  // Before ingest: one that stands by is alive and ready too.
  Layer.provide(OperationsLayer.layer.pipe(Layer.provide(Health.layer))),
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provide(DatabaseLayer.found),
  Layer.provide(LogLayer.layer),
  Layer.provide(Configuration.layer)
)

/** Ingest alone, until it is stopped. */
export const ingest = Layer.launch(app)
