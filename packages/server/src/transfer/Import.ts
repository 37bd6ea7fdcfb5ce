import { resolve } from "node:path"

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"

import { counter } from "./Counting.ts"
import { End, formatVersion, Header } from "./ExportRecords.ts"
import { sections } from "./ExportSections.ts"
import * as Lines from "./Lines.ts"
import * as Target from "./Target.ts"
import { FileCut, FileNewer, LineInvalid, TargetNotEmpty } from "./TransferError.ts"

const decodeKind = Schema.decodeUnknownOption(Schema.Struct({ kind: Schema.String }))
const kindOf = (value: unknown) => Option.getOrUndefined(decodeKind(value))?.kind
const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeEnd = Schema.decodeUnknownOption(End)

/**
 * Fills an empty database from an export, in one transaction: all of it is there then, or nothing. Gives how many lines
 * there were of each kind.
 */
export const read = Effect.fn("Import.read")(
  function* (target: string) {
    const path = resolve(target)
    const sql = yield* SqlClient.SqlClient
    // Whoever else fills it waits, and finds it full.
    yield* sql`LOCK TABLE users, media_items IN SHARE ROW EXCLUSIVE MODE`
    const found = yield* Target.contents
    if (found.users + found.items > 0) {
      const advice = "Import into a new one: an empty database, or a DATA_DIR where joy was never started."
      return yield* new TargetNotEmpty({ ...found, advice })
    }

    const { add, end } = counter("Importing")
    const loading = new Map(sections.map((section) => [section.kind, section.load(sql)]))
    const counts: Record<string, number> = {}
    let at = -1
    let ended = false
    const take = Effect.fnUntraced(function* ({ line, text }: { readonly text: string; readonly line: number }) {
      add()
      const invalid = (reason: string) => new LineInvalid({ path, line, reason })
      const value = Lines.parse(text)
      if (value === undefined) return yield* invalid("is no JSON")
      const kind = kindOf(value)
      if (at < 0) {
        const header = Option.getOrUndefined(decodeHeader(value))
        if (header === undefined) return yield* invalid("does not begin an export of joy")
        if (header.version > formatVersion) {
          return yield* new FileNewer({ path, found: header.version, known: formatVersion })
        }
        at = 0
        return
      }
      if (ended) return yield* invalid("comes after the end")
      if (kind === "end") {
        const told = Option.getOrUndefined(decodeEnd(value))
        if (told === undefined) return yield* invalid("does not say how much there is")
        if (!Target.isSame(counts, told.counts)) return yield* new FileCut({ path })
        ended = true
        return
      }
      const place = sections.findIndex((section) => section.kind === kind)
      if (kind === undefined || place < 0) return yield* invalid("is of no kind that there is")
      if (place < at) return yield* invalid(`comes too late: what needs a ${kind} stands before it`)
      while (at < place) {
        yield* loading.get(sections[at]?.kind ?? "")?.flush ?? Effect.void
        at += 1
      }
      yield* Effect.catchTag(loading.get(kind)?.take(value) ?? Effect.void, "SchemaError", () =>
        Effect.fail(invalid(`is no ${kind} as this version knows it`))
      )
      counts[kind] = (counts[kind] ?? 0) + 1
    })
    yield* Stream.runForEach(Lines.read(path), take).pipe(Effect.ensuring(end))
    if (!ended) return yield* new FileCut({ path })
    for (const { flush } of loading.values()) yield* flush
    yield* Target.forgetWatchers
    return counts
  },
  (effect, target) => Target.whole(resolve(target), effect)
)
