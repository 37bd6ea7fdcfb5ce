import type { Principal } from "@joy/domain/CurrentPrincipal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

/** The numbers that triggers keep (`media_facet_counts`), with what changed since they were added up. */
export class FacetCounts extends Context.Service<
  FacetCounts,
  {
    /** Adds what changed to what was counted. What is read before and after is the same. */
    readonly fold: Effect.Effect<void>
  }
>()("@joy/catalog/FacetCounts") {
  static readonly layer: Layer.Layer<FacetCounts, never, SqlClient.SqlClient> = Layer.effect(
    FacetCounts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const fold = Effect.gen(function* () {
        yield* sql`
          WITH taken AS (DELETE FROM media_facet_changes RETURNING *)
          INSERT INTO media_facet_counts AS counts
          SELECT audience, type, status, facet, value, sum(count) FROM taken
          GROUP BY audience, type, status, facet, value HAVING sum(count) <> 0
          ORDER BY facet, value, audience, type, status
          ON CONFLICT (facet, value, audience, type, status) DO UPDATE SET count = counts.count + excluded.count`
        yield* sql`DELETE FROM media_facet_counts WHERE count = 0`
      }).pipe(sql.withTransaction, Effect.orDie, Effect.withSpan("FacetCounts.fold"))
      return FacetCounts.of({ fold })
    })
  )
}

/** Rows of counts, for the items that the principal may see. */
export const seenBy = (sql: SqlClient.SqlClient, principal: Principal): Statement.Fragment => {
  const audience = principal.permissions.has("media:write")
    ? sql`TRUE`
    : sql`audience IN ('shared', ${principal.userId})`
  return sql`(
    SELECT type, status, facet, value, count FROM media_facet_counts WHERE ${audience}
    UNION ALL SELECT type, status, facet, value, count FROM media_facet_changes WHERE ${audience}
  )`
}
