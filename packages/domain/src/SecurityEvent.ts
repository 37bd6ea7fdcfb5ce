import * as Schema from "effect/Schema"

import { SecurityEventId, SessionId, UserId } from "./Ids.ts"
import { Timestamp } from "./Timestamp.ts"

/** Something that was written down because it matters who did it. Ids may be those of what is gone by now. */
export const SecurityEvent = Schema.Struct({
  id: SecurityEventId,
  /** Such as `login.failed`. More come with later versions. */
  action: Schema.String,
  /** Who did it, as far as that is known. */
  actorId: Schema.NullOr(UserId),
  /** Whom it was done to. */
  subjectId: Schema.NullOr(UserId),
  sessionId: Schema.NullOr(SessionId),
  ip: Schema.NullOr(Schema.String),
  userAgent: Schema.NullOr(Schema.String),
  detail: Schema.Record(Schema.String, Schema.Json),
  createdAt: Timestamp
}).annotate({ identifier: "SecurityEvent" })
export type SecurityEvent = typeof SecurityEvent.Type
