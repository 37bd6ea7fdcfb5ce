import type { SessionId, UserId } from "@joy/domain/Ids"
import type { Timestamp } from "@joy/domain/Timestamp"
import type { User } from "@joy/domain/User"
import type * as Redacted from "effect/Redacted"

import type { TokenSubject } from "./AccessTokens.ts"

/** A session with the refresh token that is current now: what signing in and refreshing give. */
export interface OpenSession extends TokenSubject {
  readonly userId: UserId
  readonly sessionId: SessionId
  /** The number of the refresh token. */
  readonly counter: number
  readonly refreshToken: Redacted.Redacted
  /** When the refresh token stops working if it is not used. */
  readonly refreshExpiresAt: Timestamp
  /** Whose it is, where that was read along with it. */
  readonly user?: User
}
