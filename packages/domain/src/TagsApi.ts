import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"
import { Tag, TagCount, TagNotFound } from "./Tag.ts"
import { Text } from "./Text.ts"

/** The tags of the library. */
export class TagsApi extends HttpApiGroup.make("tags")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: { ...PageQuery, q: Schema.optionalKey(Text(100)).annotate({ description: "A part of the tag" }) },
      success: Page("TagPage", TagCount),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Tags by name, each with the number of items that the user may see" })
    ),
    HttpApiEndpoint.patch("rename", "/:tag", {
      params: { tag: Tag },
      payload: Schema.Struct({ name: Tag }),
      success: TagCount,
      error: [Forbidden, TagNotFound]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Rename a tag, which merges it with one that is called so; needs media:write" })
    )
  )
  .middleware(Authorization)
  .prefix("/tags")
  .annotateMerge(OpenApi.annotations({ title: "Tags", description: "Words by which items are found together" })) {}
