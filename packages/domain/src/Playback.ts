import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { Timestamp } from "./Timestamp.ts"

/**
 * The right to play one item at one version of its object, as a part of the path: media elements can't send headers. It
 * opens what `/play/` leads to and nothing else, and holds no longer than the session, the API key or the link it is for.
 */
export const Grant = Schema.String.pipe(
  Schema.brand("Grant"),
  Schema.annotate({ identifier: "Grant", description: "From the URLs that POST /media/:id/playback gives" })
)
export type Grant = typeof Grant.Type

/** The number of a sheet, a track or a segment in a path. It has one spelling. */
export const Ordinal = Schema.String.check(Schema.isPattern(/^(0|[1-9]\d{0,8})$/)).annotate({
  identifier: "Ordinal",
  description: "A whole number from 0"
})

/**
 * `preparing`: it will be playable later; `preparedPercent` says how far it is. `unplayable`: no browser plays it, and nothing
 * can be made of it that one would; it may be fetched all the same.
 */
export const PlaybackStatus = Schema.Literals(["ready", "preparing", "unplayable"]).annotate({
  identifier: "PlaybackStatus"
})
export type PlaybackStatus = typeof PlaybackStatus.Type

/** How to play an item, with URLs that need no header until `grantExpiresAt`. Asking again gives new ones. */
export const Playback = Schema.Struct({
  status: PlaybackStatus,
  preparedPercent: Schema.Finite,
  grantExpiresAt: Timestamp,
  /** The original, or what was made of it for browsers. `direct`: browsers play it. */
  progressive: Schema.Struct({ url: Schema.String, mimeType: Schema.String, direct: Schema.Boolean }),
  hls: Schema.NullOr(Schema.Struct({ url: Schema.String })),
  /** A WebVTT thumbnails track. */
  storyboard: Schema.NullOr(Schema.Struct({ url: Schema.String })),
  subtitles: Schema.Array(
    Schema.Struct({
      /** BCP 47; `null` when nothing says it. */
      language: Schema.NullOr(Schema.String),
      label: Schema.String,
      url: Schema.String
    })
  ),
  /** Where the user stopped; `null` at the beginning and the end. */
  resumeAtSeconds: Schema.NullOr(Schema.Finite)
}).annotate({ identifier: "Playback" })
export type Playback = typeof Playback.Type

/** One answer whatever is wrong with it: the grant is all that the caller has. */
export class InvalidGrant extends HttpApiError.Problem<InvalidGrant>()("InvalidGrant", {
  type: "urn:joy:invalid-grant",
  status: 401,
  title: "This playback URL holds no longer: ask for the playback of the item again"
}) {}

export class ContentChanged extends HttpApiError.Problem<ContentChanged>()("ContentChanged", {
  type: "urn:joy:content-changed",
  status: 410,
  title: "The content was replaced: ask for the playback of the item again"
}) {}

export class NothingToPlay extends HttpApiError.Problem<NothingToPlay>()("NothingToPlay", {
  type: "urn:joy:not-found",
  status: 404,
  title: "The item has no such part"
}) {}
