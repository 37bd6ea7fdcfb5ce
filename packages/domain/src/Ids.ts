import * as Schema from "effect/Schema"

/** UUIDv7 (RFC 9562, 5.7), made by the application: ids of one table sort by the time they were made. */
const Uuid = Schema.String.check(Schema.isUUID())

export const UserId = Uuid.pipe(Schema.brand("UserId"), Schema.annotate({ identifier: "UserId" }))
export type UserId = typeof UserId.Type

export const RoleId = Uuid.pipe(Schema.brand("RoleId"), Schema.annotate({ identifier: "RoleId" }))
export type RoleId = typeof RoleId.Type

/** One sign-in on one device; its refresh tokens form one family. */
export const SessionId = Uuid.pipe(Schema.brand("SessionId"), Schema.annotate({ identifier: "SessionId" }))
export type SessionId = typeof SessionId.Type

export const LinkedIdentityId = Uuid.pipe(
  Schema.brand("LinkedIdentityId"),
  Schema.annotate({ identifier: "LinkedIdentityId" })
)
export type LinkedIdentityId = typeof LinkedIdentityId.Type

export const ApiKeyId = Uuid.pipe(Schema.brand("ApiKeyId"), Schema.annotate({ identifier: "ApiKeyId" }))
export type ApiKeyId = typeof ApiKeyId.Type

export const SecurityEventId = Uuid.pipe(
  Schema.brand("SecurityEventId"),
  Schema.annotate({ identifier: "SecurityEventId" })
)
export type SecurityEventId = typeof SecurityEventId.Type

export const MediaItemId = Uuid.pipe(Schema.brand("MediaItemId"), Schema.annotate({ identifier: "MediaItemId" }))
export type MediaItemId = typeof MediaItemId.Type

export const ShareId = Uuid.pipe(Schema.brand("ShareId"), Schema.annotate({ identifier: "ShareId" }))
export type ShareId = typeof ShareId.Type

export const ScanId = Uuid.pipe(Schema.brand("ScanId"), Schema.annotate({ identifier: "ScanId" }))
export type ScanId = typeof ScanId.Type
