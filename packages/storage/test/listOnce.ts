import * as Effect from "effect/Effect"

import * as FolderStore from "../src/FolderStore.ts"

// Lists a folder, and has nothing else to do.
const root = process.argv[2] ?? ""
const page = await Effect.flatMap(FolderStore.make({ root, readOnly: true }), (store) => store.list()).pipe(
  Effect.scoped,
  Effect.runPromise
)
process.stdout.write(`${page.objects.length} listed`)
