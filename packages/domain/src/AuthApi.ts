import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { SessionId, UserId } from "./Ids.ts"
import { LogoutAuthorization } from "./LogoutAuthorization.ts"
import { Permission } from "./Permission.ts"
import { Forbidden, InvalidRequest, ServiceUnavailable } from "./Problem.ts"
import { RateLimited } from "./RateLimited.ts"
import {
  CrossSite,
  InvalidCredentials,
  InvalidRefreshToken,
  RefreshToken,
  RefreshTokenReused,
  Tokens
} from "./Session.ts"
import { Text } from "./Text.ts"
import { AccountExists, Email, NewPassword, RegistrationClosed, Username, WeakPassword } from "./User.ts"

/** A password as it is typed at sign-in. No rule but the bound: what was once accepted must stay usable. */
const Password = Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(4096)))

const cookieTransport =
  "With the header `X-Token-Transport: cookie` the refresh token is in an HttpOnly cookie instead of the answer."

/** Signing in and out. */
export class AuthApi extends HttpApiGroup.make("auth")
  .add(
    HttpApiEndpoint.post("logoutAll", "/logout-all", {
      success: HttpApiSchema.NoContent,
      error: Forbidden
    }).annotateMerge(OpenApi.annotations({ summary: "End every session of the user, this one too" })),
    HttpApiEndpoint.post("changePassword", "/password", {
      payload: Schema.Struct({ currentPassword: Password, newPassword: NewPassword }),
      success: HttpApiSchema.NoContent,
      error: [Forbidden, InvalidCredentials, WeakPassword, ServiceUnavailable]
    })
      .annotateMerge(OpenApi.annotations({ summary: "Change one's password; every other session ends" }))
      .middleware(RateLimited)
  )
  .middleware(Authorization)
  .add(
    HttpApiEndpoint.post("logout", "/logout", {
      success: HttpApiSchema.NoContent,
      error: [Forbidden, InvalidRefreshToken]
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "End this session: the bearer's, or that of the refresh cookie, which is cleared"
        })
      )
      .middleware(LogoutAuthorization)
  )
  .add(
    HttpApiEndpoint.post("register", "/register", {
      payload: Schema.Struct({ username: Username, email: Email, password: NewPassword }),
      success: Tokens.pipe(HttpApiSchema.status(201)),
      error: [RegistrationClosed, AccountExists, WeakPassword, ServiceUnavailable]
    })
      .annotateMerge(OpenApi.annotations({ summary: "Make an account and sign in", description: cookieTransport }))
      .middleware(RateLimited),
    HttpApiEndpoint.post("login", "/login", {
      payload: Schema.Struct({
        identifier: Text(254).annotate({
          description: "A username or an e-mail address"
        }),
        password: Password
      }),
      success: Tokens,
      error: [InvalidCredentials, ServiceUnavailable]
    })
      .annotateMerge(OpenApi.annotations({ summary: "Sign in", description: cookieTransport }))
      .middleware(RateLimited),
    HttpApiEndpoint.post("refresh", "/refresh", {
      payload: [Schema.Struct({ refreshToken: Schema.optionalKey(RefreshToken) }), Schema.Null],
      success: Tokens,
      error: [InvalidRequest, CrossSite, InvalidRefreshToken, RefreshTokenReused, ServiceUnavailable]
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Exchange a refresh token, of the body or the cookie, for new tokens",
          description: `${cookieTransport} What came by the cookie goes back by it.`
        })
      )
      .middleware(RateLimited)
  )
  .prefix("/auth")
  .annotateMerge(OpenApi.annotations({ title: "Auth", description: "Signing in and out" })) {}

/** Keys for other services, and a route to try a token on. */
export class IdentityApi extends HttpApiGroup.make("identity")
  .add(
    HttpApiEndpoint.get("protected", "/protected", {
      success: Schema.Struct({
        userId: UserId,
        /** `null` for an API key. */
        sessionId: Schema.NullOr(SessionId),
        permissions: Schema.Array(Permission)
      }).annotate({ identifier: "Protected" })
    }).annotateMerge(OpenApi.annotations({ summary: "Say who the token stands for" }))
  )
  .middleware(Authorization)
  .add(
    HttpApiEndpoint.get("jwks", "/.well-known/jwks.json", {
      success: Schema.Struct({ keys: Schema.Array(Schema.Record(Schema.String, Schema.String)) }).annotate({
        identifier: "JsonWebKeySet"
      })
    }).annotateMerge(OpenApi.annotations({ summary: "The public keys of access tokens (RFC 7517, 5)" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "Identity", description: "Who a token stands for" })) {}
