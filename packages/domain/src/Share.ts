import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { ShareId, UserId } from "./Ids.ts"
import { MediaItem } from "./MediaItem.ts"
import { Playback } from "./Playback.ts"
import { Instant, Timestamp } from "./Timestamp.ts"

export const NewShare = Schema.Struct({
  /** Without it the link works until it is revoked. */
  expiresAt: Schema.optionalKey(Schema.NullOr(Instant))
}).annotate({ identifier: "NewShare" })
export type NewShare = typeof NewShare.Type

/** A link that opens one item without an account. */
export const Share = Schema.Struct({
  id: ShareId,
  /** `null` when their account is gone, and with it the link's worth. */
  createdBy: Schema.NullOr(UserId),
  expiresAt: Schema.NullOr(Timestamp),
  openedCount: Schema.Finite,
  lastOpenedAt: Schema.NullOr(Timestamp),
  createdAt: Timestamp
}).annotate({ identifier: "Share" })
export type Share = typeof Share.Type

/** A link that was just made: the only time that its address is shown. */
export const IssuedShare = Schema.Struct({
  ...Share.fields,
  url: Schema.RedactedFromValue(Schema.String)
}).annotate({ identifier: "IssuedShare" })
export type IssuedShare = typeof IssuedShare.Type

/** What a link shows of its item: what is needed to look at it, and nothing of where it lies and whose it is. */
export const SharedItem = Schema.Struct({
  type: MediaItem.fields.type,
  title: MediaItem.fields.title,
  description: MediaItem.fields.description,
  status: MediaItem.fields.status,
  durationSeconds: MediaItem.fields.durationSeconds,
  width: MediaItem.fields.width,
  height: MediaItem.fields.height,
  thumbnails: MediaItem.fields.thumbnails,
  thumbhash: MediaItem.fields.thumbhash
}).annotate({ identifier: "SharedItem" })
export type SharedItem = typeof SharedItem.Type

export const OpenedShare = Schema.Struct({
  item: SharedItem,
  /** How to play it; `null` while its object is not there. */
  playback: Schema.NullOr(Playback),
  /** When the link ends; `null` for never. */
  expiresAt: Schema.NullOr(Timestamp)
}).annotate({ identifier: "OpenedShare" })
export type OpenedShare = typeof OpenedShare.Type

export class ShareNotFound extends HttpApiError.Problem<ShareNotFound>()("ShareNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such link"
}) {}
