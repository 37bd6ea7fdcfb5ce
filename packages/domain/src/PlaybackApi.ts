import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"

import { Authorization } from "./Authorization.ts"
import { MediaItemId } from "./Ids.ts"
import { ContentUnavailable, MediaItemNotFound } from "./MediaItem.ts"
import { ContentChanged, Grant, InvalidGrant, NothingToPlay, Ordinal, Playback } from "./Playback.ts"
import { Forbidden, PreconditionFailed, RangeNotSatisfiable, ServiceUnavailable } from "./Problem.ts"

/** What goes wrong with what a grant leads to. */
const playErrors = [
  InvalidGrant,
  MediaItemNotFound,
  ContentUnavailable,
  ContentChanged,
  PreconditionFailed,
  RangeNotSatisfiable,
  ServiceUnavailable
] as const

/** Playing items: how, and the URLs that players follow, whose path is the right to it. */
export class PlaybackApi extends HttpApiGroup.make("playback")
  .add(
    HttpApiEndpoint.post("prepare", "/media/:id/playback", {
      params: { id: MediaItemId },
      success: Playback,
      error: [MediaItemNotFound, ContentUnavailable, Forbidden]
    }).annotateMerge(OpenApi.annotations({ summary: "How to play an item: URLs for players, and where to go on" }))
  )
  .middleware(Authorization)
  .add(
    HttpApiEndpoint.get("content", "/play/:grant/content", {
      params: { grant: Grant },
      success: HttpApiSchema.StreamUint8Array(),
      error: playErrors
    }).annotateMerge(
      OpenApi.annotations({ summary: "The original, whole or a range of it (RFC 9110, 14); also by HEAD" })
    ),
    HttpApiEndpoint.get("storyboard", "/play/:grant/storyboard.vtt", {
      params: { grant: Grant },
      success: HttpApiSchema.StreamUint8Array({ contentType: "text/vtt" }),
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Small pictures for the time line, as a WebVTT thumbnails track" })
    ),
    HttpApiEndpoint.get("storyboardSheet", "/play/:grant/storyboard-:sheet.webp", {
      params: { grant: Grant, sheet: Ordinal },
      success: HttpApiSchema.StreamUint8Array({ contentType: "image/webp" }),
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(OpenApi.annotations({ summary: "A sheet of the storyboard" })),
    HttpApiEndpoint.get("subtitles", "/play/:grant/subtitles/:track.vtt", {
      params: { grant: Grant, track: Ordinal },
      success: HttpApiSchema.StreamUint8Array({ contentType: "text/vtt" }),
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(OpenApi.annotations({ summary: "A text track as WebVTT" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "Playback", description: "Playing items" })) {}
