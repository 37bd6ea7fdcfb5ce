import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"

import { Authorization } from "./Authorization.ts"
import { MediaItemId } from "./Ids.ts"
import { MediaItemNotFound } from "./MediaItem.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"
import { Progress, WatchedItem } from "./Progress.ts"

/** How far users are with items. */
export class ProgressApi extends HttpApiGroup.make("progress")
  .add(
    HttpApiEndpoint.put("put", "/media/:id/progress", {
      params: { id: MediaItemId },
      payload: Progress,
      success: HttpApiSchema.NoContent,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Keep where the user is in an item; a player may say it every few seconds" })
    ),
    HttpApiEndpoint.get("continueWatching", "/users/me/continue-watching", {
      query: PageQuery,
      success: Page("WatchedItemPage", WatchedItem),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(
      OpenApi.annotations({ summary: "What the user has begun with and not finished, the latest first" })
    )
  )
  .middleware(Authorization)
  .annotateMerge(OpenApi.annotations({ title: "Progress", description: "Going on where one stopped" })) {}
