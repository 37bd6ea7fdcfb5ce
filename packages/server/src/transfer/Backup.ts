import * as Timestamp from "@joy/domain/Timestamp"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

import * as Migrations from "../Migrations.ts"
import { version } from "../Version.ts"
import { formatVersion, isLeftOut } from "./BackupFormat.ts"
import { counter } from "./Counting.ts"
import * as Cursor from "./Cursor.ts"
import * as Lines from "./Lines.ts"
import * as Target from "./Target.ts"

interface Table {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  /** The tables that its foreign keys lead to. */
  readonly needs: ReadonlyArray<string>
}

/** Those first that others need. */
const inOrder = (tables: ReadonlyArray<Table>): ReadonlyArray<Table> => {
  const done = new Map<string, Table>()
  const visit = (table: Table, above: ReadonlyArray<string>) => {
    if (done.has(table.name) || above.includes(table.name)) return
    for (const need of tables.filter(({ name }) => table.needs.includes(name))) visit(need, [...above, table.name])
    done.set(table.name, table)
  }
  for (const table of tables) visit(table, [])
  return [...done.values()]
}

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<Table>`
    SELECT c.relname AS name,
      ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND attgenerated = '' ORDER BY attnum) AS columns,
      ARRAY(SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f') AS needs
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY c.relname`
  return inOrder(found.filter(({ name }) => !isLeftOut(name)))
})

/**
 * Writes all that a database holds, password hashes too, as it is at one moment, while everything goes on. A backup says
 * nothing of how the database keeps it: it is for any later version of joy, and any Postgres. Gives how many rows there
 * are of each table.
 */
export const write = Effect.fn("Backup.write")(function* (path: string) {
  const { add, end } = counter("Backing up")
  return yield* Lines.write(path, { gzip: true }, (put) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const migration = yield* Migrations.current
      const createdAt = yield* Timestamp.now
      yield* put(JSON.stringify({ kind: "joy-backup", version: formatVersion, migration, program: version, createdAt }))
      const counts: Record<string, number> = {}
      for (const { columns, name } of yield* tables) {
        yield* put(JSON.stringify({ kind: "table", name, columns }))
        const row = `SELECT ${columns.map(Target.quoted).join(", ")} FROM ${Target.quoted(name)}`
        counts[name] = yield* Cursor.each(
          `SELECT json_build_array(row_to_json(r))::text AS line FROM (${row}) AS r`,
          (line) => {
            add()
            return put(line)
          }
        )
      }
      const sequences = yield* sql<{ readonly name: string; readonly value: string }>`
        SELECT sequencename AS name, last_value::text AS value FROM pg_sequences
        WHERE schemaname = current_schema() AND last_value IS NOT NULL`
      for (const { name, value } of sequences) yield* put(JSON.stringify({ kind: "sequence", name, value }))
      yield* put(JSON.stringify({ kind: "end", counts }))
      return counts
    }).pipe(Cursor.atOneMoment)
  ).pipe(Effect.ensuring(end))
})
