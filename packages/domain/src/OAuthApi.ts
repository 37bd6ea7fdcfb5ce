import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { IdentityInUse, LinkedIdentity } from "./LinkedIdentity.ts"
import {
  AccountLinkRequired,
  InvalidState,
  NewOAuthFlow,
  OAuthCallback,
  OAuthExchange,
  OAuthFailed,
  OAuthFlow,
  OAuthFormPost,
  ProviderNotConfigured,
  RedirectNotAllowed
} from "./OAuth.ts"
import { Forbidden, ServiceUnavailable } from "./Problem.ts"
import { RateLimited } from "./RateLimited.ts"
import { Tokens } from "./Session.ts"
import { RegistrationClosed } from "./User.ts"

/** What signing in by a provider may answer. */
const signInErrors = [InvalidState, OAuthFailed, RegistrationClosed, AccountLinkRequired, ServiceUnavailable] as const

/** The answer to a browser that the provider's page made post a form. */
const SeeOther = HttpApiSchema.WithHeaders(HttpApiSchema.Empty(303), { location: Schema.String })

/** Signing in by a provider. */
export class OAuthApi extends HttpApiGroup.make("oauth")
  .add(
    HttpApiEndpoint.post("link", "/link", {
      payload: OAuthCallback,
      success: LinkedIdentity,
      error: [Forbidden, InvalidState, OAuthFailed, IdentityInUse]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Let an identity at a provider sign in to this account",
        description: "As the callback; after a form post, `code` is the code that `returnTo` was given."
      })
    )
  )
  .middleware(Authorization)
  .add(
    HttpApiEndpoint.post("authorize", "/authorize", {
      payload: NewOAuthFlow,
      success: OAuthFlow,
      error: [ProviderNotConfigured, RedirectNotAllowed, ServiceUnavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Begin a sign-in by a provider" })),
    HttpApiEndpoint.post("callback", "/callback", {
      payload: [OAuthCallback, OAuthFormPost.pipe(HttpApiSchema.asFormUrlEncoded())],
      success: [Tokens, SeeOther],
      error: [...signInErrors]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Sign in with what the provider answered",
        description:
          "As JSON, from the app that began the flow: tokens. As the form that a provider's page makes the browser post: " +
          "303 to the flow's `returnTo` with `?code=`, good for two minutes, or `?error=`, which is `access-denied` or " +
          "`oauth-failed`. The form signs nobody in and makes no account; what shows the code to `/exchange` or `/link` " +
          "together with the flow's secret does."
      })
    ),
    HttpApiEndpoint.post("exchange", "/exchange", {
      payload: OAuthExchange,
      success: Tokens,
      error: [...signInErrors]
    }).annotateMerge(OpenApi.annotations({ summary: "Sign in with the code that a form post led to" }))
  )
  .middleware(RateLimited)
  .prefix("/auth/oauth")
  .annotateMerge(OpenApi.annotations({ title: "OAuth", description: "Signing in by Google and Apple" })) {}
