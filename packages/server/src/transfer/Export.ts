import * as Timestamp from "@joy/domain/Timestamp"
import * as Effect from "effect/Effect"

import { version } from "../Version.ts"
import { counter } from "./Counting.ts"
import * as Cursor from "./Cursor.ts"
import { formatVersion } from "./ExportRecords.ts"
import { sections } from "./ExportSections.ts"
import * as Lines from "./Lines.ts"

/**
 * Writes accounts, items, and what people did with them, as they are at one moment, while everything goes on. Gives how
 * many there were of each kind.
 */
export const write = Effect.fn("Export.write")(function* (path: string | null) {
  const { add, end } = counter("Exporting")
  return yield* Lines.write(path, { gzip: false }, (put) =>
    Effect.gen(function* () {
      const createdAt = yield* Timestamp.now
      yield* put(JSON.stringify({ kind: "joy-export", version: formatVersion, program: version, createdAt }))
      const counts: Record<string, number> = {}
      for (const { kind, query } of sections) {
        counts[kind] = yield* Cursor.each(query, (line) => {
          add()
          return put(line)
        })
      }
      yield* put(JSON.stringify({ kind: "end", counts }))
      return counts
    }).pipe(Cursor.atOneMoment)
  ).pipe(Effect.ensuring(end))
})
