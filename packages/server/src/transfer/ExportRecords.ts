import { MediaItemId, RoleId, ShareId, UserId } from "@joy/domain/Ids"
import { MediaType, Visibility } from "@joy/domain/MediaItem"
import * as Schema from "effect/Schema"

/** What the lines of an export say. A new field is optional, or the format gets a new version. */

/** The version of the format. */
export const formatVersion = 1

export const Header = Schema.Struct({
  kind: Schema.Literal("joy-export"),
  version: Schema.Int,
  /** The version of joy that wrote it. */
  program: Schema.String,
  createdAt: Schema.String
})

const Time = Schema.String
const OptionalTime = Schema.NullOr(Time)

export const Role = Schema.Struct({
  kind: Schema.Literal("role"),
  id: RoleId,
  name: Schema.String,
  permissions: Schema.Array(Schema.String)
})

/** An account, without anything that proves who somebody is: no password, session or API key. */
export const User = Schema.Struct({
  kind: Schema.Literal("user"),
  id: UserId,
  username: Schema.String,
  email: Schema.NullOr(Schema.String),
  emailVerified: Schema.Boolean,
  displayName: Schema.NullOr(Schema.String),
  roles: Schema.Array(Schema.String),
  disabledAt: OptionalTime,
  createdAt: Time
})

/** A sign-in by a provider. */
export const Identity = Schema.Struct({
  kind: Schema.Literal("identity"),
  id: Schema.String,
  userId: UserId,
  provider: Schema.String,
  issuer: Schema.String,
  subject: Schema.String,
  email: Schema.NullOr(Schema.String),
  createdAt: Time
})

/** What people say of an item. What its object says is found out again. */
export const Item = Schema.Struct({
  kind: Schema.Literal("item"),
  id: MediaItemId,
  key: Schema.String,
  etag: Schema.String,
  sizeBytes: Schema.Int,
  type: MediaType,
  title: Schema.String,
  titleEdited: Schema.Boolean,
  description: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  ownerId: Schema.NullOr(UserId),
  visibility: Visibility,
  createdAt: Time,
  /** When it was put into the trash. */
  deletedAt: OptionalTime,
  /** Whether its object goes too when it leaves the trash for good. */
  deleteSource: Schema.Boolean
})

/** An object whose item left the trash for good, and that is in the store still. */
export const Purged = Schema.Struct({
  kind: Schema.Literal("purged"),
  key: Schema.String,
  etag: Schema.String,
  sizeBytes: Schema.Int,
  purgedAt: Time
})

export const Progress = Schema.Struct({
  kind: Schema.Literal("progress"),
  userId: UserId,
  itemId: MediaItemId,
  positionSeconds: Schema.Finite,
  finished: Schema.Boolean,
  updatedAt: Time
})

export const Favourite = Schema.Struct({
  kind: Schema.Literal("favourite"),
  userId: UserId,
  itemId: MediaItemId,
  createdAt: Time
})

/** A link. Of its token there is the SHA-256, from which nobody makes the token, and by which the link goes on to work. */
export const Share = Schema.Struct({
  kind: Schema.Literal("share"),
  id: ShareId,
  itemId: MediaItemId,
  createdBy: Schema.NullOr(UserId),
  tokenHash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  visibility: Visibility,
  ownerId: Schema.NullOr(UserId),
  openedCount: Schema.Int,
  lastOpenedAt: OptionalTime,
  expiresAt: OptionalTime,
  revokedAt: OptionalTime,
  createdAt: Time
})

export const End = Schema.Struct({
  kind: Schema.Literal("end"),
  counts: Schema.Record(Schema.String, Schema.Int)
})
