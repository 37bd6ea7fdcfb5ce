import * as Schema from "effect/Schema"

/**
 * The lines of a backup: a header, then tables, each followed by its rows, what needs another one behind it, then sequences
 * and the end. Rows are arrays of one object, all else are objects.
 */

export const formatVersion = 1

export const Header = Schema.Struct({
  kind: Schema.Literal("joy-backup"),
  version: Schema.Int,
  /** The migration that the database was at. */
  migration: Schema.Int,
  program: Schema.String,
  createdAt: Schema.String
})

export const Marker = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("table"), name: Schema.String, columns: Schema.Array(Schema.String) }),
  Schema.Struct({ kind: Schema.Literal("sequence"), name: Schema.String, value: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("end"), counts: Schema.Record(Schema.String, Schema.Int) })
])

/**
 * What is of one running installation alone: who is there, what is on its way. Events count the transactions of one
 * database.
 */
export const isLeftOut = (table: string): boolean =>
  table.startsWith("cluster_") ||
  ["joy_migrations", "ingest_runners", "session_listeners", "event_tickets", "events", "events_pruned"].includes(table)
