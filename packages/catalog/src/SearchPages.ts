import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Statement from "effect/sql/Statement"

import { columns, type MediaRow } from "./MediaRow.ts"
import type { SearchPlan } from "./SearchTerms.ts"

/** So many of the newest that match are put in order by how well they match. */
const ranked = 500

/**
 * Where a page ends: in which part of the answer, and behind which item of it. First come those that are called just so,
 * then what matches best among the newest, then the rest from new to old. `floor` is where the rest begins: what comes
 * later pushes nothing out of the part that is ranked.
 */
export const SearchPosition = Schema.Struct({
  part: Schema.Literals(["exact", "ranked", "rest"]),
  floor: Schema.NullOr(Schema.String),
  score: Schema.Finite,
  id: Schema.NullOr(Schema.String)
})
export type SearchPosition = typeof SearchPosition.Type

const start: SearchPosition = { part: "exact", floor: null, score: 0, id: null }
/** Who is called just so is found by the first reading of the words. */
export const startOf = (level: number): SearchPosition => (level === 0 ? start : { ...start, part: "ranked" })

interface FoundRow extends MediaRow {
  readonly position: SearchPosition
}

/** The pages of a search by relevance. `conditions` say what else an item has to be. */
export const make = (sql: SqlClient.SqlClient) => {
  const item = columns(sql)
  const nothing = sql`TRUE`

  /** Words of short titles say more about them. */
  const score = ({ ranks }: SearchPlan) => {
    const rank = (words: string) => sql`ts_rank('{0.05, 0.2, 0.5, 1}'::float4[], search, ${words}::tsquery)`
    return sql`((4 * ${rank(ranks.exact)} + 2 * ${rank(ranks.begun)} + ${rank(ranks.near)})
      / ln(8 + length(search_title(title))))::float8`
  }

  return Effect.fnUntraced(function* (
    plan: SearchPlan,
    tsquery: string,
    conditions: ReadonlyArray<Statement.Fragment>,
    from: SearchPosition,
    limit: number
  ): Effect.fn.Return<ReadonlyArray<FoundRow>, SqlError> {
    const isExact = sql`search_title(title) = ${plan.title}`
    const matching = sql.and([...conditions, sql`search @@ ${tsquery}::tsquery`])
    const rows: Array<FoundRow> = []

    if (from.part === "exact") {
      const exact = yield* sql<MediaRow>`
        SELECT ${item} FROM media_items WHERE ${sql.and([...conditions, isExact])}
          AND ${from.id === null ? nothing : sql`id < ${from.id}::uuid`}
        ORDER BY id DESC LIMIT ${limit}::int`
      rows.push(...exact.map((row) => Object.assign(row, { position: { ...start, id: row.id } })))
    }

    let { floor } = from
    if (rows.length < limit && from.part !== "rest") {
      // What is ranked is fixed by the page that begins with it.
      const isFirst = from.part === "exact" || from.id === null
      const scored = yield* sql<MediaRow & { readonly score: number; readonly floor: string | null }>`
        WITH candidates AS MATERIALIZED (
          SELECT id AS candidate, title, search FROM media_items
          WHERE ${matching} AND NOT ${isExact} AND ${floor === null ? nothing : sql`id >= ${floor}::uuid`}
          ORDER BY id DESC LIMIT ${isFirst ? ranked : null}::int
        ), scored AS (SELECT candidate, ${score(plan)} AS score FROM candidates)
        SELECT ${item}, score, floor FROM (
          SELECT * FROM scored
          WHERE ${isFirst ? nothing : sql`(score, candidate) < (${from.score}::float8, ${from.id}::uuid)`}
          ORDER BY score DESC, candidate DESC LIMIT ${limit - rows.length}::int
        ) AS best JOIN media_items ON id = candidate LEFT JOIN (
          SELECT candidate::text AS floor FROM candidates ORDER BY candidate DESC OFFSET ${ranked - 1}::int LIMIT 1
        ) AS last ON true ORDER BY score DESC, id DESC`
      if (isFirst) floor = scored[0]?.floor ?? null
      for (const { floor: _, score, ...row } of scored) {
        rows.push(Object.assign(row, { position: { part: "ranked" as const, floor, score, id: row.id } }))
      }
    }

    if (rows.length < limit && floor !== null) {
      const rest = yield* sql<MediaRow>`
        SELECT ${item} FROM media_items WHERE ${matching} AND NOT ${isExact}
          AND id < ${from.part === "rest" && from.id !== null ? from.id : floor}::uuid
        ORDER BY id DESC LIMIT ${limit - rows.length}::int`
      rows.push(
        ...rest.map((row) =>
          Object.assign({}, row, { position: { part: "rest" as const, floor, score: 0, id: row.id } })
        )
      )
    }
    return rows
  })
}
