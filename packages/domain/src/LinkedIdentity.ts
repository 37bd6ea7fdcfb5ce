import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { LinkedIdentityId } from "./Ids.ts"
import { OAuthProvider } from "./OAuth.ts"
import { Timestamp } from "./Timestamp.ts"

/** Somebody at a provider whose sign-in there is a sign-in here. */
export const LinkedIdentity = Schema.Struct({
  id: LinkedIdentityId,
  provider: OAuthProvider,
  /** As the provider told it last. Not what the identity is known by. */
  email: Schema.NullOr(Schema.String),
  createdAt: Timestamp
}).annotate({ identifier: "LinkedIdentity" })
export type LinkedIdentity = typeof LinkedIdentity.Type

export class IdentityInUse extends HttpApiError.Problem<IdentityInUse>()("IdentityInUse", {
  type: "urn:joy:identity-in-use",
  status: 409,
  title: "This identity belongs to another account"
}) {}

/** Without it nobody could sign in to the account any more. */
export class LastSignIn extends HttpApiError.Problem<LastSignIn>()("LastSignIn", {
  type: "urn:joy:last-sign-in",
  status: 409,
  title: "This is the last way to sign in to this account"
}) {}

export class LinkedIdentityNotFound extends HttpApiError.Problem<LinkedIdentityNotFound>()("LinkedIdentityNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such identity"
}) {}
