import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { SessionId } from "./Ids.ts"
import { Timestamp } from "./Timestamp.ts"
import { User } from "./User.ts"

/** The secret half of a session, `<session id>.<secret>`: exchanged for a new access token, once. */
export const RefreshToken = Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(256))).annotate({
  identifier: "RefreshToken"
})

/** What signing in, registering and refreshing answer (RFC 6749, 5.1, in camelCase). */
export const Tokens = Schema.Struct({
  user: User,
  sessionId: SessionId,
  accessToken: Schema.RedactedFromValue(Schema.String),
  tokenType: Schema.Literal("Bearer"),
  /** Seconds until the access token ends. */
  expiresIn: Schema.Finite,
  /** Not here but in a cookie for who asked for that with `X-Token-Transport: cookie`. */
  refreshToken: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  refreshExpiresAt: Timestamp
}).annotate({ identifier: "Tokens" })
export type Tokens = typeof Tokens.Type

export const Session = Schema.Struct({
  id: SessionId,
  createdAt: Timestamp,
  lastUsedAt: Timestamp,
  expiresAt: Timestamp,
  ip: Schema.NullOr(Schema.String),
  userAgent: Schema.NullOr(Schema.String),
  /** Whether it is the session that asks. */
  current: Schema.Boolean
}).annotate({ identifier: "Session" })
export type Session = typeof Session.Type

export class InvalidCredentials extends HttpApiError.Problem<InvalidCredentials>()("InvalidCredentials", {
  type: "urn:joy:invalid-credentials",
  status: 401,
  title: "The name or the password is wrong"
}) {}

export class InvalidRefreshToken extends HttpApiError.Problem<InvalidRefreshToken>()("InvalidRefreshToken", {
  type: "urn:joy:invalid-refresh-token",
  status: 401,
  title: "This session has ended"
}) {}

export class RefreshTokenReused extends HttpApiError.Problem<RefreshTokenReused>()("RefreshTokenReused", {
  type: "urn:joy:refresh-token-reused",
  status: 401,
  title: "This refresh token was used before; the session was ended"
}) {}

/** A page of somebody else's made the browser send the cookie. */
export class CrossSite extends HttpApiError.Problem<CrossSite>()("CrossSite", {
  type: "urn:joy:cross-site",
  status: 403,
  title: "This can't be done from another site"
}) {}

export class SessionNotFound extends HttpApiError.Problem<SessionNotFound>()("SessionNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such session"
}) {}
