import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { MediaItemId, UserId } from "./Ids.ts"
import { MediaItem, Visibility } from "./MediaItem.ts"
import { Tag } from "./Tag.ts"
import { Timestamp } from "./Timestamp.ts"

/** What an item is called: 1 to 500 characters on one line. */
export const Title = Schema.Trim.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(500),
  Schema.isPattern(/^[^\p{Cc}\p{Cs}]+$/u, { message: "Expected a title without control characters" }),
  Schema.isPattern(/[^\p{DI}\s]/u, { message: "Expected a title that can be seen" })
).annotate({ identifier: "Title" })

export const Description = Schema.Trim.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(10_000),
  Schema.isPattern(/^[^\0\p{Cs}]+$/u, { message: "Expected a text without NUL" })
).annotate({ identifier: "Description" })

/** How many tags an item may have. */
export const maxTags = 100

const Tags = Schema.Array(Tag).check(Schema.isMaxLength(maxTags))

/** What is absent stays as it is. */
export const MediaEdit = Schema.Struct({
  title: Schema.optionalKey(Title),
  description: Schema.optionalKey(Schema.NullOr(Description)),
  /** All that it has from now on. */
  tags: Schema.optionalKey(Tags),
  visibility: Schema.optionalKey(Visibility),
  /** Whose it is from now on; `null`: the library's. Needs `media:write`. */
  ownerId: Schema.optionalKey(Schema.NullOr(UserId))
}).annotate({ identifier: "MediaEdit" })
export type MediaEdit = typeof MediaEdit.Type

/**
 * `If-Match` (RFC 9110, 13.1.1): versions of the item as entity tags, such as `"7"`, of which the item has to have one;
 * or `*`.
 */
export const IfMatch = Schema.String.check(
  Schema.isMaxLength(1024),
  Schema.isPattern(/^\s*(\*|(W\/)?"[^"]*"(\s*,\s*(W\/)?"[^"]*")*)\s*$/, { message: 'Expected versions such as "7"' })
).annotate({ identifier: "IfMatch" })

/** Whether the version is among those of `If-Match`. The comparison is strong: a weak tag is none of ours. */
export const isAmong = (ifMatch: string | undefined, version: number): boolean =>
  ifMatch === undefined || ifMatch.split(",").some((tag) => tag.trim() === "*" || tag.trim() === `"${version}"`)

const ids = { ids: Schema.Array(MediaItemId).check(Schema.isMinLength(1), Schema.isMaxLength(500)) }
const someTags = { tags: Tags.check(Schema.isMinLength(1)) }

/** One thing that is done to many items. */
export const BulkChange = Schema.Union([
  Schema.Struct({ ...ids, action: Schema.Literal("tag"), ...someTags }),
  Schema.Struct({ ...ids, action: Schema.Literal("untag"), ...someTags }),
  Schema.Struct({ ...ids, action: Schema.Literal("visibility"), visibility: Visibility }),
  /** `source`: the object is deleted too, when the item leaves the trash for good. */
  Schema.Struct({ ...ids, action: Schema.Literal("trash"), source: Schema.optionalKey(Schema.Literal("delete")) }),
  Schema.Struct({ ...ids, action: Schema.Literal("restore") })
]).annotate({ identifier: "BulkChange" })
export type BulkChange = typeof BulkChange.Type

/** `not-found` is also what the user may not see; `forbidden`, what they may see and not change. */
export const ChangeOutcome = Schema.Literals([
  "changed",
  "unchanged",
  "not-found",
  "forbidden",
  "too-many-tags"
]).annotate({ identifier: "ChangeOutcome" })
export type ChangeOutcome = typeof ChangeOutcome.Type

export const BulkResult = Schema.Struct({
  /** One for each id, in the order of the request. */
  results: Schema.Array(Schema.Struct({ id: MediaItemId, outcome: ChangeOutcome }))
}).annotate({ identifier: "BulkResult" })
export type BulkResult = typeof BulkResult.Type

export const TrashedItem = Schema.Struct({
  ...MediaItem.fields,
  deletedAt: Timestamp,
  /** Whether its object is deleted with it when it leaves the trash for good. */
  deletesSource: Schema.Boolean
}).annotate({ identifier: "TrashedItem" })
export type TrashedItem = typeof TrashedItem.Type

export class OwnerNotFound extends HttpApiError.Problem<OwnerNotFound>()("OwnerNotFound", {
  type: "urn:joy:user-not-found",
  status: 422,
  title: "There is no such user"
}) {}
