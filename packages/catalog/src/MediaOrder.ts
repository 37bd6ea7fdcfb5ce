import type { MediaSort } from "@joy/domain/MediaItem"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import type { MediaRow } from "./MediaRow.ts"

/** The sort value of the last item of a page, and its id, which breaks every tie. */
type Position = readonly [value: string | number, id: string]

/** A sort of the list: its order in SQL, the condition that skips what came before, and its place in a cursor. */
export interface Order {
  readonly position: Schema.Codec<Position, unknown>
  readonly of: (row: MediaRow) => Position
  readonly by: (sql: SqlClient.SqlClient) => Statement.Fragment
  readonly after: (sql: SqlClient.SqlClient, position: Position) => Statement.Fragment
}

const textual = Schema.Tuple([Schema.String, Schema.String])
const numeric = Schema.Tuple([Schema.Finite, Schema.String])

/** Titles can be longer than a cursor, and than an index takes. */
const sortedLength = 100

/** Each stands on an index of `media_items` with the same columns. */
export const orders: Record<Exclude<MediaSort, "relevance">, Order> = {
  "-createdAt": {
    position: textual,
    of: (row) => [row.createdAt, row.id],
    by: (sql) => sql`ORDER BY created_at DESC, id DESC`,
    after: (sql, [at, id]) => sql`(created_at, id) < (${at}::timestamptz, ${id}::uuid)`
  },
  createdAt: {
    position: textual,
    of: (row) => [row.createdAt, row.id],
    by: (sql) => sql`ORDER BY created_at, id`,
    after: (sql, [at, id]) => sql`(created_at, id) > (${at}::timestamptz, ${id}::uuid)`
  },
  title: {
    position: textual,
    // By characters, as the database counts them.
    of: (row) => [[...row.title].slice(0, sortedLength).join(""), row.id],
    by: (sql) => sql`ORDER BY left(title, 100) COLLATE "C", id`,
    after: (sql, [title, id]) => sql`(left(title, 100) COLLATE "C", id) > (${title}::text, ${id}::uuid)`
  },
  "-durationSeconds": {
    position: numeric,
    of: (row) => [row.durationSeconds ?? -1, row.id],
    by: (sql) => sql`ORDER BY coalesce(duration_seconds, -1) DESC, id DESC`,
    after: (sql, [seconds, id]) => sql`(coalesce(duration_seconds, -1), id) < (${seconds}::float8, ${id}::uuid)`
  }
}
