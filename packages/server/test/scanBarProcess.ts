import { Scan } from "@joy/domain/Scan"
import { ScanDisplay } from "@joy/ingest/ScanReport"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

import { Configuration } from "../src/config/Configuration.ts"
import * as LogLayer from "../src/layers/LogLayer.ts"
import * as Progress from "../src/Progress.ts"
import * as ScanBar from "../src/ScanBar.ts"

// Draws the scan of its argument twice, with a line of the log and one for people between.
const scan = Schema.decodeUnknownSync(Schema.fromJsonString(Scan))(process.argv[2])
const configuration = Configuration.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))))

await Effect.gen(function* () {
  const display = yield* ScanDisplay
  yield* display.show(scan)
  yield* Effect.logInfo("logged")
  yield* display.show(scan)
  yield* Progress.say("said")
  yield* display.show(scan)
  yield* display.clear
}).pipe(
  Effect.provide(Layer.mergeAll(ScanBar.layer, LogLayer.layer.pipe(Layer.provide(configuration)))),
  Effect.runPromise
)
