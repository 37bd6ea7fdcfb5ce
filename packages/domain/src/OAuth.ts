import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { Text } from "./Text.ts"

/** Who vouches for a sign-in. */
export const OAuthProvider = Schema.Literals(["google", "apple"]).annotate({ identifier: "OAuthProvider" })
export type OAuthProvider = typeof OAuthProvider.Type

const Secret = (maxLength: number) => Schema.RedactedFromValue(Text(maxLength))

/** What begins a sign-in. Both addresses must stand in `OAUTH_REDIRECT_URIS`, letter by letter. */
export const NewOAuthFlow = Schema.Struct({
  provider: OAuthProvider,
  /** Where the provider answers to: a page of the app, or, by form post, `/auth/oauth/callback` of this server. */
  redirectUri: Text(2048),
  /** Where the browser goes on after a form post. */
  returnTo: Schema.optionalKey(Text(2048))
}).annotate({ identifier: "NewOAuthFlow" })
export type NewOAuthFlow = typeof NewOAuthFlow.Type

/** A sign-in that was begun: it has ten minutes. */
export const OAuthFlow = Schema.Struct({
  /** Where to send the browser. */
  authorizationUrl: Schema.String,
  /** Comes back from the provider; the app compares it. */
  state: Schema.RedactedFromValue(Schema.String),
  /** Stays with who began: without it nothing that comes back is worth anything. */
  flowSecret: Schema.RedactedFromValue(Schema.String)
}).annotate({ identifier: "OAuthFlow" })
export type OAuthFlow = typeof OAuthFlow.Type

/** What the provider answered, shown by who began the flow. */
export const OAuthCallback = Schema.Struct({
  provider: OAuthProvider,
  code: Secret(4096),
  state: Secret(256),
  flowSecret: Secret(256),
  /** Apple's `user`, as it came: a name to show, and nothing else of it, is taken from there. */
  user: Schema.optionalKey(Schema.Json)
}).annotate({ identifier: "OAuthCallback" })
export type OAuthCallback = typeof OAuthCallback.Type

/** What the provider answered, as a form that the browser posts from the provider's page (`response_mode=form_post`). */
export const OAuthFormPost = Schema.Struct({
  state: Schema.optionalKey(Secret(256)),
  code: Schema.optionalKey(Secret(4096)),
  error: Schema.optionalKey(Text(256)),
  user: Schema.optionalKey(Text(16_384))
}).annotate({ identifier: "OAuthFormPost" })
export type OAuthFormPost = typeof OAuthFormPost.Type

/** The second half of a form post: the code that `returnTo` was given, shown by who began the flow. */
export const OAuthExchange = Schema.Struct({
  code: Secret(256),
  flowSecret: Secret(256)
}).annotate({ identifier: "OAuthExchange" })
export type OAuthExchange = typeof OAuthExchange.Type

export class ProviderNotConfigured extends HttpApiError.Problem<ProviderNotConfigured>()("ProviderNotConfigured", {
  type: "urn:joy:provider-not-configured",
  status: 404,
  title: "Nobody signs in by this provider here"
}) {}

export class RedirectNotAllowed extends HttpApiError.Problem<RedirectNotAllowed>()("RedirectNotAllowed", {
  type: "urn:joy:redirect-not-allowed",
  status: 400,
  title: "This address is not one that a sign-in may lead to"
}) {}

/** One answer for what was never begun, begun elsewhere or with another provider, used before, or is too old. */
export class InvalidState extends HttpApiError.Problem<InvalidState>()("InvalidState", {
  type: "urn:joy:invalid-state",
  status: 400,
  title: "This sign-in was not begun here, or is over: begin again"
}) {}

export class OAuthFailed extends HttpApiError.Problem<OAuthFailed>()("OAuthFailed", {
  type: "urn:joy:oauth-failed",
  status: 401,
  title: "The provider did not vouch for this sign-in: begin again"
}) {}

export class AccountLinkRequired extends HttpApiError.Problem<AccountLinkRequired>()("AccountLinkRequired", {
  type: "urn:joy:account-link-required",
  status: 409,
  title: "Another account has proven this e-mail address: sign in to it, then link this one"
}) {}
