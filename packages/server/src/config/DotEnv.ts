import * as Fs from "node:fs"
import { parseEnv } from "node:util"

import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

/** The variables of `.env` in the working folder; a file that is not there has none. */
const ofFile: Effect.Effect<Record<string, string | undefined>> = Effect.try(() =>
  parseEnv(Fs.readFileSync(".env", "utf8"))
).pipe(Effect.option, Effect.map(Option.getOrElse(() => ({}))))

/** The environment, and below it what `.env` adds. */
export const layer = Layer.unwrap(
  Effect.map(ofFile, (file) => ConfigProvider.layer(ConfigProvider.fromUnknown({ ...file, ...process.env })))
)
