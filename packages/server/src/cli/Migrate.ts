import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as Migrations from "../Migrations.ts"

export const migrate = Effect.gen(function* () {
  const ran = yield* Migrations.run
  if (ran.length === 0) yield* Console.log("The database is up to date.")
  for (const [id, name] of ran) yield* Console.log(`Ran migration ${id}: ${name}`)
}).pipe(Effect.provide(DatabaseLayer.found.pipe(Layer.provide(Configuration.layer))))
