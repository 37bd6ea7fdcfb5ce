import { AuditNotes } from "@joy/domain/AuditNotes"
import { type CurrentPrincipal, type Principal, sessionIdOf } from "@joy/domain/CurrentPrincipal"
import { Events } from "@joy/domain/Events"
import * as Keyset from "@joy/domain/Keyset"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import type { Forbidden, InvalidRequest } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { Signer } from "@joy/domain/Signer"
import { TagCount, TagNotFound } from "@joy/domain/Tag"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { seenBy } from "./FacetCounts.ts"
import { decodeRows, withId } from "./ItemRows.ts"
import { visibleTo } from "./VisibleItems.ts"

/** How many items get another tag in one transaction, so that ingest never waits long. */
const batch = 2000

export class Tags extends Context.Service<
  Tags,
  {
    /** Tags by name, of what the principal may see. */
    readonly list: (
      query: PageQuery & { readonly q?: string }
    ) => Effect.Effect<Page<TagCount>, Forbidden | InvalidRequest, CurrentPrincipal>
    /**
     * Gives a tag another name, which may be that of another tag: then they are one. Some items at a time; done again, it
     * goes on where it was interrupted. Needs `media:write`.
     */
    readonly rename: (
      from: string,
      to: string,
      facts: RequestFacts
    ) => Effect.Effect<TagCount, Forbidden | TagNotFound, CurrentPrincipal>
  }
>()("@joy/catalog/Tags") {
  static readonly layer: Layer.Layer<Tags, never, AuditNotes | Events | Signer | SqlClient.SqlClient> = Layer.effect(
    Tags,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const notes = yield* AuditNotes
      const signer = yield* Signer
      const decode = decodeRows(TagCount)

      const list = Effect.fn("Tags.list")(function* (query: PageQuery & { readonly q?: string }) {
        const principal = yield* Policy.permission("media:read")
        const after = yield* Keyset.position(signer, "tags", Schema.Tuple([Schema.String]), query.cursor)
        const part = `%${(query.q ?? "").normalize("NFC").replace(/[\\%_]/g, "\\$&")}%`
        const rows = yield* decode(sql`
          SELECT value AS tag, sum(count)::integer AS count FROM ${seenBy(sql, principal)} AS counts
          WHERE facet = 'tag' AND value ILIKE ${part}
            AND ${after === null ? sql`TRUE` : sql`value > ${after[0]}::text COLLATE "C"`}
          GROUP BY value HAVING sum(count) > 0 ORDER BY value LIMIT ${Keyset.rowLimit(query)}::integer`)
        return Keyset.page(signer, "tags", query, rows, ({ tag }) => [tag])
      })

      const renameSome = Effect.fnUntraced(
        function* (from: string, to: string) {
          // The new name takes the place of the old one, and is there once.
          const renamed = yield* withId(sql`
            UPDATE media_items SET tags = ARRAY(
                SELECT CASE tag WHEN ${from} THEN ${to}::text ELSE tag END
                FROM unnest(tags) WITH ORDINALITY AS had (tag, place)
                WHERE tag <> ${from} OR NOT media_items.tags @> ARRAY[${to}::text]
                ORDER BY place
              ), version = version + 1, updated_at = now()
            WHERE id IN (
              SELECT id FROM media_items WHERE tags @> ARRAY[${from}::text] LIMIT ${batch}::integer FOR UPDATE
            ) RETURNING id`)
          yield* events.appendAll(renamed.map(({ id }) => ({ name: "media.updated", mediaId: id })))
          return renamed.length
        },
        sql.withTransaction,
        Effect.retry({ times: 5, while: (error) => isSqlError(error) && error.reason._tag === "DeadlockError" }),
        Effect.catchIf(isSqlError, Effect.die)
      )

      const count = (principal: Principal, tag: string) =>
        Effect.map(
          decode(sql`
            SELECT ${tag}::text AS tag, count(*)::integer AS count FROM media_items
            WHERE deleted_at IS NULL AND tags @> ARRAY[${tag}::text] AND ${visibleTo(sql, principal)}`),
          ([row]) => row ?? { tag, count: 0 }
        )

      const rename = Effect.fn("Tags.rename")(function* (oldName: string, newName: string, facts: RequestFacts) {
        const principal = yield* Policy.permission("media:write")
        const [from, to] = [oldName.normalize("NFC"), newName.normalize("NFC")]
        const [any] = yield* withId(sql`SELECT id FROM media_items WHERE tags @> ARRAY[${from}::text] LIMIT 1`)
        if (any === undefined) return yield* new TagNotFound({})
        if (from !== to) {
          yield* notes.append({
            action: "tag.renamed",
            actorId: principal.userId,
            subjectId: null,
            sessionId: sessionIdOf(principal),
            facts,
            detail: { from, to }
          })
          while ((yield* renameSome(from, to)) === batch);
        }
        return yield* count(principal, to)
      })

      return Tags.of({ list, rename })
    })
  )
}
