import * as KeyFile from "@joy/auth/KeyFile"
import * as KeyStore from "@joy/auth/KeyStore"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

import { Configuration } from "../config/Configuration.ts"

export const init = Effect.gen(function* () {
  const { keysFile } = yield* Configuration
  yield* KeyStore.init(keysFile)
  yield* Console.log(`Made ${keysFile}. Keep it safe, and give it to every host that runs the API.`)
}).pipe(Effect.provide(Configuration.layer))

export const rotate = Effect.gen(function* () {
  const { accessTokenTtl, keysFile } = yield* Configuration
  const file = yield* KeyStore.rotate(keysFile, { accessTokenTtl: Duration.millis(accessTokenTtl) })
  const next = KeyFile.stagedKey(file, yield* DateTime.now)
  const from = next === undefined ? "now" : DateTime.formatIso(next.activatesAt)
  yield* Console.log(`Staged the next key in ${keysFile}; it signs from ${from} on.`)
}).pipe(Effect.provide(Configuration.layer))
