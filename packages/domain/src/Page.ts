import * as Schema from "effect/Schema"

/** How many items a page has: 1 to 200. */
export const Limit = Schema.FiniteFromString.check(
  Schema.isInt(),
  Schema.isBetween({ minimum: 1, maximum: 200 })
).annotate({ identifier: "Limit", description: "How many items at most, 1 to 200, default 50" })

export const defaultLimit = 50

/** The `nextCursor` of the page before. Opaque: only the server that made it understands it. */
export const Cursor = Schema.String.check(Schema.isMaxLength(1024)).pipe(
  Schema.brand("Cursor"),
  Schema.annotate({ identifier: "Cursor", description: "The nextCursor of the page before" })
)
export type Cursor = typeof Cursor.Type

/** The query of every list. */
export const PageQuery = {
  limit: Schema.optionalKey(Limit),
  cursor: Schema.optionalKey(Cursor)
}
export interface PageQuery {
  readonly limit?: number
  readonly cursor?: Cursor
}

/** A page of a list by keyset: no offset, no total. */
export const Page = <const Name extends string, S extends Schema.Top>(name: Name, item: S) =>
  Schema.Struct({
    items: Schema.Array(item),
    /** `null` on the last page. */
    nextCursor: Schema.NullOr(Cursor)
  }).annotate({ identifier: name })
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly nextCursor: Cursor | null
}
