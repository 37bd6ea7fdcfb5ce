import { resolve } from "node:path"

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"

import * as Migrations from "../Migrations.ts"
import { formatVersion, Header, Marker } from "./BackupFormat.ts"
import { counter } from "./Counting.ts"
import * as Lines from "./Lines.ts"
import * as Target from "./Target.ts"
import { FileContradictory, FileCut, FileNewer, LineInvalid, TargetInUse, TargetNotEmpty } from "./TransferError.ts"

const batch = 500

const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeMarker = Schema.decodeUnknownOption(Marker)

/** Makes the tables as they were when the backup was written, with nothing in them. */
const prepare = Effect.fnUntraced(function* (migration: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP SCHEMA public CASCADE`
  yield* sql`CREATE SCHEMA public`
  yield* Migrations.runUpTo(migration)
})

/** What was on its way when the backup was written is handed out anew. */
const settle = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Migrations.run
  yield* sql`UPDATE ingest_outbox SET submitted_at = NULL WHERE submitted_at IS NOT NULL`
  yield* Target.forgetWatchers
})

/** Who works with the database besides this command. One that has just gone is seen for a moment still. */
const others = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql<{ readonly connections: number }>`
    SELECT count(*)::int AS connections FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND application_name <> current_setting('application_name')`.pipe(
    Effect.map(([row]) => row?.connections ?? 0),
    Effect.repeat({ schedule: Schedule.spaced("100 millis"), times: 20, until: (count) => count === 0 })
  )
)

/**
 * Makes a database what it was when a backup was written, in one transaction, and brings it to this version. It replaces
 * what is there only if told to, and never under the feet of a joy that runs. Gives how many rows there are of each table.
 */
export const read = Effect.fn("Restore.read")(
  function* (target: string, options: { readonly replace: boolean }) {
    const path = resolve(target)
    const sql = yield* SqlClient.SqlClient
    const connections = yield* others
    if (connections > 0) return yield* new TargetInUse({ connections })
    const found = yield* Target.contents
    if (found.users + found.items > 0 && !options.replace) {
      return yield* new TargetNotEmpty({ ...found, advice: "--replace throws that away." })
    }

    const { add, end } = counter("Restoring")
    const counts: Record<string, number> = {}
    let isBegun = false
    let isEnded = false
    let table: { readonly name: string; readonly columns: ReadonlyArray<string> } | null = null
    let rows: Array<string> = []

    const flush = Effect.suspend(() => {
      const some = rows
      rows = []
      if (table === null || some.length === 0) return Effect.void
      const { columns, name } = table
      counts[name] = (counts[name] ?? 0) + some.length
      const names = sql.csv(columns.map((column) => sql`${sql.unsafe(Target.quoted(column))}`))
      return Effect.asVoid(sql`
        INSERT INTO ${sql.unsafe(Target.quoted(name))} (${names}) OVERRIDING SYSTEM VALUE
        SELECT ${names} FROM json_populate_recordset(NULL::${sql.unsafe(Target.quoted(name))}, ${`[${some.join(",")}]`}::text::json)`)
    })

    const begin = Effect.fnUntraced(function* (name: string, columns: ReadonlyArray<string>) {
      const known = yield* sql<{ readonly column: string }>`
        SELECT attname::text AS column FROM pg_attribute
        WHERE attrelid = to_regclass(${Target.quoted(name)}) AND attnum > 0 AND NOT attisdropped`
      const missing = columns.find((column) => !known.some((one) => one.column === column))
      if (missing !== undefined) {
        return yield* new FileContradictory({ path, reason: `the table ${name} had no column ${missing} then` })
      }
      // What a migration put there; and what triggers make of other tables stands in the backup.
      yield* sql`DELETE FROM ${sql.unsafe(Target.quoted(name))}`
      yield* sql`ALTER TABLE ${sql.unsafe(Target.quoted(name))} DISABLE TRIGGER USER`
      table = { name, columns }
      counts[name] = 0
    })

    const take = Effect.fnUntraced(function* ({ line, text }: { readonly text: string; readonly line: number }) {
      add()
      const invalid = (reason: string) => new LineInvalid({ path, line, reason })
      if (isEnded) return yield* invalid("comes after the end")
      if (text.startsWith("[") && text.endsWith("]") && table !== null) {
        // The database reads what stands in it.
        rows.push(text.slice(1, -1))
        return rows.length < batch ? undefined : yield* flush
      }
      const value = Lines.parse(text)
      if (!isBegun) {
        const header = Option.getOrUndefined(decodeHeader(value))
        if (header === undefined) return yield* invalid("does not begin a backup of joy")
        if (header.version > formatVersion) {
          return yield* new FileNewer({ path, found: header.version, known: formatVersion })
        }
        if (header.migration > Migrations.newest) {
          return yield* new FileNewer({ path, found: header.migration, known: Migrations.newest })
        }
        isBegun = true
        return yield* prepare(header.migration)
      }
      yield* flush
      const marker = Option.getOrUndefined(decodeMarker(value))
      switch (marker?.kind) {
        case undefined:
          return yield* invalid("is nothing that a backup holds")
        case "table":
          if (Object.hasOwn(counts, marker.name)) return yield* invalid("begins a table that was there before")
          return yield* begin(marker.name, marker.columns)
        case "sequence":
          table = null
          return void (yield* sql`
            SELECT setval(to_regclass(${Target.quoted(marker.name)}), ${marker.value}::text::bigint)
            WHERE to_regclass(${Target.quoted(marker.name)}) IS NOT NULL`)
        case "end": {
          if (!Target.isSame(counts, marker.counts)) return yield* new FileCut({ path })
          isEnded = true
        }
      }
    })
    yield* Stream.runForEach(Lines.read(path), take).pipe(Effect.ensuring(end))
    if (!isEnded) return yield* new FileCut({ path })
    for (const name of Object.keys(counts)) {
      yield* sql`ALTER TABLE ${sql.unsafe(Target.quoted(name))} ENABLE TRIGGER USER`
    }
    yield* settle
    return counts
  },
  (effect, target) => Target.whole(resolve(target), effect)
)
