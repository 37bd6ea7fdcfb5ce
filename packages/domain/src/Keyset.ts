import * as Effect from "effect/Effect"
import * as Encoding from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

import { Cursor, defaultLimit, type Page, type PageQuery } from "./Page.ts"
import { InvalidRequest } from "./Problem.ts"
import type { Signer } from "./Signer.ts"

/**
 * Pages by keyset. A cursor holds the sort values of the last item of a page, and the name of the list it belongs to;
 * it is signed, so that a cursor of another list, another sort, or somebody's own making is refused, not obeyed.
 */

const invalidCursor = new InvalidRequest({
  issues: [{ path: "cursor", message: "This is not a cursor of this list" }]
})

const parse = (text: string): unknown => Result.getOrUndefined(Result.try(() => JSON.parse(text) as unknown))

/** Reads the position out of a cursor of the list `list`; `null` without a cursor. */
export const position = <S extends Schema.Codec<unknown, unknown>>(
  signer: Signer["Service"],
  list: string,
  schema: S,
  cursor: Cursor | undefined
): Effect.Effect<S["Type"] | null, InvalidRequest> => {
  if (cursor === undefined) return Effect.succeed(null)
  const dot = cursor.lastIndexOf(".")
  const encoded = cursor.slice(0, dot)
  if (dot < 0 || !signer.verify("cursor", `${list}.${encoded}`, cursor.slice(dot + 1)))
    return Effect.fail(invalidCursor)
  const text = Result.getOrUndefined(Encoding.decodeString(encoded))
  return text === undefined
    ? Effect.fail(invalidCursor)
    : Schema.decodeUnknownEffect(schema)(parse(text)).pipe(Effect.mapError(() => invalidCursor))
}

/** How many rows to ask the database for: one more than the page has, to know whether another follows. */
export const rowLimit = (query: PageQuery): number => (query.limit ?? defaultLimit) + 1

/** Cuts what the database gave for `rowLimit` to a page. `positionOf` gives the sort values of an item. */
export const page = <A>(
  signer: Signer["Service"],
  list: string,
  query: PageQuery,
  rows: ReadonlyArray<A>,
  positionOf: (last: A) => unknown
): Page<A> => {
  const limit = query.limit ?? defaultLimit
  if (rows.length <= limit) return { items: rows, nextCursor: null }
  const items = rows.slice(0, limit)
  const encoded = Encoding.encode(JSON.stringify(positionOf(items[limit - 1] as A)))
  return { items, nextCursor: Cursor.make(`${encoded}.${signer.sign("cursor", `${list}.${encoded}`)}`) }
}
