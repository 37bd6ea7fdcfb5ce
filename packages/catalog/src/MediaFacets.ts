import type { CurrentPrincipal, Principal } from "@joy/domain/CurrentPrincipal"
import type { Facets } from "@joy/domain/Facets"
import type { MediaFilters } from "@joy/domain/MediaApi"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden } from "@joy/domain/Problem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import { seenBy } from "./FacetCounts.ts"
import { conditionsOf, wordsOf } from "./ItemFilters.ts"
import { decodeRows } from "./ItemRows.ts"
import { planned } from "./PlannedReads.ts"
import * as SearchTerms from "./SearchTerms.ts"

/** Of what is narrowed by more than type and status, so many of the newest are counted. */
const mostCounted = 5000
const mostTags = 100

const Row = Schema.Struct({
  facet: Schema.Literals(["found", "type", "tag", "year", "codec"]),
  value: Schema.String,
  count: Schema.Finite
})

type Rows = ReadonlyArray<typeof Row.Type>

const answer = (rows: Rows, isComplete: boolean): Facets => {
  const of = (facet: (typeof Row.Type)["facet"]) =>
    rows.flatMap(({ count, facet: found, value }) => (found === facet ? [{ value, count }] : []))
  return {
    types: of("type"),
    tags: of("tag").slice(0, mostTags),
    years: of("year").toSorted((a, b) => (a.value < b.value ? 1 : -1)),
    codecs: of("codec"),
    isComplete
  }
}

/** What there is, in numbers. */
export class MediaFacets extends Context.Service<
  MediaFacets,
  {
    /** Of the items that a list with these filters would have. */
    readonly of: (filters: MediaFilters) => Effect.Effect<Facets, Forbidden, CurrentPrincipal>
  }
>()("@joy/catalog/MediaFacets") {
  static readonly layer: Layer.Layer<MediaFacets, never, SqlClient.SqlClient> = Layer.effect(
    MediaFacets,
    Effect.gen(function* () {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const search = SearchTerms.make(sql)
      const decode = decodeRows(Row)

      /** By type and status everything is counted beforehand. */
      const known = (principal: Principal, { status, type }: MediaFilters) =>
        decode(sql`
          SELECT facet, value, sum(count)::float8 AS count FROM ${seenBy(sql, principal)} AS counts
          WHERE ${type === undefined ? sql`TRUE` : sql`type = ${type}`}
            AND ${status === undefined ? sql`TRUE` : sql`status = ${status}`}
          GROUP BY facet, value HAVING sum(count) > 0 ORDER BY sum(count) DESC, value`)

      const counted = Effect.fnUntraced(function* (conditions: ReadonlyArray<Statement.Fragment>) {
        const rows = yield* decode(sql`
          WITH newest AS MATERIALIZED (
            SELECT type, tags, metadata, captured_at, video_codec, audio_codec FROM media_items
            WHERE ${sql.and(conditions)} ORDER BY id DESC LIMIT ${mostCounted + 1}::integer
          ), items AS MATERIALIZED (SELECT * FROM newest LIMIT ${mostCounted}::integer), facets (facet, value) AS (
            SELECT 'found', '' FROM newest
            UNION ALL SELECT 'type', type FROM items
            UNION ALL SELECT 'tag', tag FROM items, unnest(tags) AS tag
            UNION ALL SELECT 'year', media_year(metadata, captured_at) FROM items
            UNION ALL SELECT 'codec', video_codec FROM items
            UNION ALL SELECT 'codec', audio_codec FROM items WHERE audio_codec IS DISTINCT FROM video_codec
          )
          SELECT facet, value, count(*)::float8 AS count FROM facets WHERE value IS NOT NULL
          GROUP BY facet, value ORDER BY count(*) DESC, value`)
        const found = rows.find(({ facet }) => facet === "found")?.count ?? 0
        return answer(rows, found <= mostCounted)
      })

      const of = Effect.fn("MediaFacets.of")(function* (filters: MediaFilters) {
        const principal = yield* Policy.permission("media:read")
        const words = wordsOf(filters)
        const isKnown = [words ?? undefined, filters.tag, filters.owner, filters.favourite].every(
          (filter) => filter === undefined
        )
        if (isKnown) return answer(yield* known(principal, filters), true)
        const conditions = conditionsOf(sql, filters, principal)
        if (words === null) return yield* planned(sql, counted(conditions))
        const plan = yield* search(words)
        // As a list would: by the first reading of the words that finds something.
        for (const tsquery of plan?.levels ?? []) {
          const facets = yield* planned(sql, counted([...conditions, sql`search @@ ${tsquery}::tsquery`]))
          if (facets.types.length > 0) return facets
        }
        return answer([], true)
      })

      return MediaFacets.of({ of })
    })
  )
}
