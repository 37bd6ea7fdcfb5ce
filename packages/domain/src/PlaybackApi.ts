import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

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

const playlist = HttpApiSchema.StreamUint8Array({ contentType: "application/vnd.apple.mpegurl" })
const fragments = HttpApiSchema.StreamUint8Array({ contentType: ["video/mp4", "audio/mp4"] })

/** Playing items: how, and the URLs that players follow, whose path is the right to it. */
export class PlaybackApi extends HttpApiGroup.make("playback")
  .add(
    HttpApiEndpoint.post("prepare", "/media/:id/playback", {
      params: { id: MediaItemId },
      success: Playback,
      error: [MediaItemNotFound, ContentUnavailable, Forbidden, ServiceUnavailable]
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
    HttpApiEndpoint.get("rendition", "/play/:grant/rendition.mp4", {
      params: { grant: Grant },
      success: HttpApiSchema.StreamUint8Array({ contentType: ["video/mp4", "audio/mp4"] }),
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(
      OpenApi.annotations({ summary: "What was made of an original that browsers don't play, as `content` is sent" })
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
    }).annotateMerge(OpenApi.annotations({ summary: "A text track as WebVTT" })),
    HttpApiEndpoint.get("hlsMain", "/play/:grant/hls/main.m3u8", {
      params: { grant: Grant },
      success: playlist,
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(OpenApi.annotations({ summary: "The multivariant playlist of HLS (RFC 8216, 4.3.4)" })),
    HttpApiEndpoint.get("hlsPlaylist", "/play/:grant/hls/:rendition/index.m3u8", {
      params: { grant: Grant, rendition: Schema.String },
      success: playlist,
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(
      OpenApi.annotations({ summary: "The media playlist of a rendition, complete from the beginning" })
    ),
    HttpApiEndpoint.get("hlsInit", "/play/:grant/hls/:rendition/init.mp4", {
      params: { grant: Grant, rendition: Schema.String },
      success: fragments,
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(OpenApi.annotations({ summary: "What every segment of a rendition begins with" })),
    HttpApiEndpoint.get("hlsSegment", "/play/:grant/hls/:rendition/:segment.m4s", {
      params: { grant: Grant, rendition: Schema.String, segment: Ordinal },
      success: fragments,
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(OpenApi.annotations({ summary: "A segment of a rendition" })),
    HttpApiEndpoint.get("hlsPackedSegment", "/play/:grant/hls/:rendition/:segment.mp3", {
      params: { grant: Grant, rendition: Schema.String, segment: Ordinal },
      success: HttpApiSchema.StreamUint8Array({ contentType: "audio/mpeg" }),
      error: [...playErrors, NothingToPlay]
    }).annotateMerge(OpenApi.annotations({ summary: "A segment of packed audio (RFC 8216, 3.4)" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "Playback", description: "Playing items" })) {}
