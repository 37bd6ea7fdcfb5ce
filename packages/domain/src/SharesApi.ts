import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { MediaItemId, ShareId } from "./Ids.ts"
import { MediaItemNotFound } from "./MediaItem.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest, ServiceUnavailable } from "./Problem.ts"
import { RateLimited } from "./RateLimited.ts"
import { IssuedShare, NewShare, OpenedShare, Share, ShareNotFound } from "./Share.ts"

/** Links that open one item without an account. */
export class SharesApi extends HttpApiGroup.make("shares")
  .add(
    HttpApiEndpoint.post("create", "/media/:id/shares", {
      params: { id: MediaItemId },
      payload: NewShare,
      success: IssuedShare.pipe(HttpApiSchema.status(201)),
      error: [MediaItemNotFound, Forbidden, InvalidRequest]
    }).annotateMerge(
      OpenApi.annotations({ summary: "A link to the item for whoever has it; its address is shown this once" })
    ),
    HttpApiEndpoint.get("list", "/media/:id/shares", {
      params: { id: MediaItemId },
      query: PageQuery,
      success: Page("SharePage", Share),
      error: [MediaItemNotFound, Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "The links to the item that were not revoked, the newest first" })),
    HttpApiEndpoint.delete("revoke", "/media/:id/shares/:shareId", {
      params: { id: MediaItemId, shareId: ShareId },
      success: HttpApiSchema.NoContent,
      error: [MediaItemNotFound, ShareNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "Revoke a link: it opens nothing from then on" }))
  )
  .middleware(Authorization)
  .add(
    HttpApiEndpoint.get("open", "/shares/:token", {
      params: { token: Schema.String },
      success: OpenedShare,
      error: [ShareNotFound, ServiceUnavailable]
    })
      .annotateMerge(OpenApi.annotations({ summary: "What a link opens, for whoever has it" }))
      .middleware(RateLimited)
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Shares", description: "Links that open one item without an account" })
  ) {}
