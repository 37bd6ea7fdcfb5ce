import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { MediaItemId } from "./Ids.ts"
import { BulkChange, BulkResult, IfMatch, MediaEdit, OwnerNotFound, TrashedItem } from "./MediaChange.ts"
import { MediaItemDetail, MediaItemNotFound } from "./MediaItem.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest, PreconditionFailed } from "./Problem.ts"

const byId = { id: MediaItemId }

/** What people do with items: they are their owner's to change, and those of all for who has media:write. */
export class MediaChangesApi extends HttpApiGroup.make("mediaChanges")
  .add(
    HttpApiEndpoint.get("trash", "/trash", {
      query: PageQuery,
      success: Page("TrashPage", TrashedItem),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(
      OpenApi.annotations({ summary: "What the user has in the trash, or all that is there with media:write" })
    ),
    HttpApiEndpoint.post("bulk", "/bulk", {
      payload: BulkChange,
      success: BulkResult,
      error: Forbidden
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Tag, untag, show, hide, trash or restore up to 500 items; says of each how it went"
      })
    ),
    HttpApiEndpoint.patch("edit", "/:id", {
      params: byId,
      headers: { "if-match": Schema.optionalKey(IfMatch) },
      payload: MediaEdit,
      success: MediaItemDetail,
      error: [MediaItemNotFound, Forbidden, PreconditionFailed, OwnerNotFound]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Change what people say of an item, if it still has the version of If-Match" })
    ),
    HttpApiEndpoint.delete("remove", "/:id", {
      params: byId,
      query: { source: Schema.optionalKey(Schema.Literal("delete")) },
      success: HttpApiSchema.NoContent,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({
        summary:
          "Put an item into the trash; with source=delete its object is deleted too, when the item leaves the trash for good"
      })
    ),
    HttpApiEndpoint.post("restore", "/:id/restore", {
      params: byId,
      success: HttpApiSchema.NoContent,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "Take an item out of the trash" })),
    HttpApiEndpoint.put("favour", "/:id/favourite", {
      params: byId,
      success: HttpApiSchema.NoContent,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "Make an item a favourite of the user's" })),
    HttpApiEndpoint.delete("unfavour", "/:id/favourite", {
      params: byId,
      success: HttpApiSchema.NoContent,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "An item is no favourite of the user's any more" }))
  )
  .middleware(Authorization)
  .prefix("/media")
  .annotateMerge(OpenApi.annotations({ title: "Changes of media", description: "Editing, trash, favourites" })) {}
