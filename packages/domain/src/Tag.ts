import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/** A word or some, by which items are found together: 1 to 100 characters on one line, as they were typed. */
export const Tag = Schema.Trim.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(100),
  Schema.isPattern(/^[^\p{Cc}\p{Cs}]+$/u, { message: "Expected a tag without control characters" }),
  Schema.isPattern(/[^\p{DI}\s]/u, { message: "Expected a tag that can be seen" })
).annotate({ identifier: "Tag" })

export const TagCount = Schema.Struct({
  tag: Schema.String,
  /** Of the items that the user may see. */
  count: Schema.Finite
}).annotate({ identifier: "TagCount" })
export type TagCount = typeof TagCount.Type

export class TagNotFound extends HttpApiError.Problem<TagNotFound>()("TagNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "No item has this tag"
}) {}
