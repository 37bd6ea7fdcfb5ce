import { copyFileSync, mkdirSync, renameSync } from "node:fs"
import { dirname, join } from "node:path"

import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"

/** Puts a file into the library, whole from the first look, and gives its item once it is ready. */
export const ready = Effect.fnUntraced(function* (key: string, path: string) {
  const { admin, folder, library } = yield* JoyUp.JoyUp
  const beside = join(folder, "in-transit")
  copyFileSync(path, beside)
  mkdirSync(dirname(join(library, key)), { recursive: true })
  renameSync(beside, join(library, key))
  const item = yield* Joy.until(
    Effect.map(Effect.orDie(admin.client.media.list({ query: { limit: 200 } })), ({ items }) =>
      items.find(({ s3Key, status }) => String(s3Key) === key && status === "ready")
    ),
    (found) => found !== undefined,
    { what: key }
  )
  return item ?? (yield* Effect.die(new Error(key)))
})
