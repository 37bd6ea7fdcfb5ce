import * as fs from "node:fs"

import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

import * as FolderStore from "../src/FolderStore.ts"

// Takes every descriptor that it may have, but for what a look at a folder needs, and then watches the folder.
const root = process.argv[2] ?? ""
await Effect.gen(function* () {
  const store = yield* FolderStore.make({ root, readOnly: true })
  try {
    while (true) fs.openSync("/dev/null", "r")
  } catch {
    // There are none left.
  }
  const error = yield* Effect.flip(Stream.runDrain(store.watch ?? Stream.empty))
  yield* Effect.log(`${error.message} retryable: ${error.retryable}`)
}).pipe(Effect.scoped, Effect.runPromise)
