import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { Facets } from "./Facets.ts"
import { MediaItemId, ScanId } from "./Ids.ts"
import {
  ContentUnavailable,
  MediaItem,
  MediaItemDetail,
  MediaItemNotFound,
  MediaSort,
  MediaStatus,
  MediaType,
  ThumbnailNotFound
} from "./MediaItem.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest, PreconditionFailed, RangeNotSatisfiable, ServiceUnavailable } from "./Problem.ts"
import { Scan, ScanNotFound } from "./Scan.ts"
import { Text } from "./Text.ts"
import { ThumbnailAuthorization } from "./ThumbnailAuthorization.ts"

const byId = { id: MediaItemId }

/** Every filter narrows, all may be combined. */
const filters = {
  type: Schema.optionalKey(MediaType),
  status: Schema.optionalKey(MediaStatus),
  q: Schema.optionalKey(Text(200)),
  tag: Schema.optionalKey(Text(100)),
  owner: Schema.optionalKey(Schema.Literal("me")),
  favourite: Schema.optionalKey(Schema.Literal("1"))
}
export const MediaFilters = Schema.Struct(filters)
export type MediaFilters = typeof MediaFilters.Type

/** The query of `GET /media`. Without a sort what was looked for is sorted by relevance, and anything else by time. */
export const MediaListQuery = Schema.Struct({
  ...PageQuery,
  ...filters,
  sort: Schema.optionalKey(MediaSort)
})
export type MediaListQuery = typeof MediaListQuery.Type

const contentErrors = [
  MediaItemNotFound,
  ContentUnavailable,
  PreconditionFailed,
  RangeNotSatisfiable,
  ServiceUnavailable
] as const

/** The library: its items, their content and thumbnails, and the scans that keep it true. */
export class MediaApi extends HttpApiGroup.make("media")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: MediaListQuery,
      success: Page("MediaPage", MediaItem),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "The items that the user may see" })),
    HttpApiEndpoint.get("facets", "/facets", {
      query: MediaFilters,
      success: Facets,
      error: Forbidden
    }).annotateMerge(
      OpenApi.annotations({
        summary: "How many there are of each type, tag, year and codec, of what the list would have"
      })
    ),
    HttpApiEndpoint.post("refresh", "/refresh", {
      query: { acceptMissing: Schema.optionalKey(Schema.Literal("1")) },
      success: Schema.Struct({ scanId: ScanId }).pipe(HttpApiSchema.status(202)),
      error: Forbidden
    }).annotateMerge(
      OpenApi.annotations({ summary: "Scan the store now; a scan that runs already is returned, not doubled" })
    ),
    HttpApiEndpoint.get("scan", "/refresh/:scanId", {
      params: { scanId: ScanId },
      success: Scan,
      error: [ScanNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "How far a scan is" })),
    HttpApiEndpoint.get("failures", "/failures", {
      query: PageQuery,
      success: Page("MediaFailurePage", MediaItem),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "The items that failed, at which step and why" })),
    HttpApiEndpoint.post("retryFailures", "/failures/retry", {
      success: Schema.Struct({ retried: Schema.Finite }).pipe(HttpApiSchema.status(202)),
      error: Forbidden
    }).annotateMerge(OpenApi.annotations({ summary: "Try every failed item again" })),
    HttpApiEndpoint.post("retry", "/:id/retry", {
      params: byId,
      success: HttpApiSchema.Accepted,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "Try a failed item again" })),
    HttpApiEndpoint.get("byId", "/:id", {
      params: byId,
      success: MediaItemDetail,
      error: [MediaItemNotFound, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "One item with its streams, chapters and renditions" })),
    HttpApiEndpoint.get("content", "/:id/content", {
      params: byId,
      success: HttpApiSchema.StreamUint8Array(),
      error: [...contentErrors, Forbidden]
    }).annotateMerge(
      OpenApi.annotations({ summary: "The original, whole or a range of it (RFC 9110, 14); also by HEAD" })
    )
  )
  .middleware(Authorization)
  .add(
    HttpApiEndpoint.get("thumbnail", "/:id/thumbnail", {
      params: byId,
      query: {
        width: Schema.optionalKey(Schema.Literals(["320", "640", "1280"])),
        exp: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^\d{1,12}$/)))
      },
      success: HttpApiSchema.StreamUint8Array({ contentType: ["image/webp", "image/jpeg"] }),
      error: [MediaItemNotFound, ThumbnailNotFound, Forbidden, ServiceUnavailable]
    })
      .annotateMerge(
        OpenApi.annotations({ summary: "A picture of the item, WebP or JPEG by Accept; the nearest width there is" })
      )
      .middleware(ThumbnailAuthorization)
  )
  .prefix("/media")
  .annotateMerge(OpenApi.annotations({ title: "Media", description: "The library" })) {}
