import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { UserId } from "./Ids.ts"
import { Timestamp } from "./Timestamp.ts"

/**
 * A name to sign in with, as it was typed: 1 to 64 characters without control characters or `@` (so that it is never
 * mistaken for an address), not starting or ending with white space. Two names that look alike are one.
 */
export const Username = Schema.Trim.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(64),
  Schema.isPattern(/^[^\p{C}@]+$/u, { message: "Expected a name without control characters or @" }),
  Schema.isPattern(/[^\p{DI}\s]/u, { message: "Expected a name that can be seen" })
).pipe(Schema.brand("Username"), Schema.annotate({ identifier: "Username" }))
export type Username = typeof Username.Type

/** An e-mail address. Only its shape is checked here: it belongs to whoever proves it. */
export const Email = Schema.Trim.check(
  Schema.isMaxLength(254),
  Schema.isPattern(/^[^\s@\p{C}]+@[^\s@\p{C}]+$/u, { message: "Expected an e-mail address" })
).pipe(Schema.brand("Email"), Schema.annotate({ identifier: "Email" }))
export type Email = typeof Email.Type

/**
 * A new password. The length is counted in characters after NFC normalisation; bounds and the list of common ones are
 * checked by the service, which answers 422. The bound here only keeps a megabyte from being normalised.
 */
export const NewPassword = Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(4096))).annotate({
  identifier: "NewPassword"
})

/** How a user is called in what others see. */
export const DisplayName = Schema.Trim.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(100),
  Schema.isPattern(/^[^\p{C}]+$/u, { message: "Expected a name without control characters" })
).annotate({ identifier: "DisplayName" })

export const User = Schema.Struct({
  id: UserId,
  username: Username,
  email: Schema.NullOr(Email),
  emailVerified: Schema.Boolean,
  displayName: Schema.NullOr(Schema.String),
  roles: Schema.Array(Schema.String),
  disabled: Schema.Boolean,
  createdAt: Timestamp,
  updatedAt: Timestamp
}).annotate({ identifier: "User" })
export type User = typeof User.Type

export class AccountExists extends HttpApiError.Problem<AccountExists>()("AccountExists", {
  type: "urn:joy:account-exists",
  status: 409,
  title: "An account with this name or address exists already"
}) {}

export class WeakPassword extends HttpApiError.Problem<WeakPassword>()("WeakPassword", {
  type: "urn:joy:weak-password",
  status: 422,
  title: "This password is too easy to guess"
}) {}

export class RegistrationClosed extends HttpApiError.Problem<RegistrationClosed>()("RegistrationClosed", {
  type: "urn:joy:registration-closed",
  status: 403,
  title: "New accounts are made by an administrator here"
}) {}

/** Without an administrator nobody could make another one. */
export class LastAdmin extends HttpApiError.Problem<LastAdmin>()("LastAdmin", {
  type: "urn:joy:last-admin",
  status: 409,
  title: "This is the last administrator"
}) {}

export class UserNotFound extends HttpApiError.Problem<UserNotFound>()("UserNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such user"
}) {}

export class RoleNotFound extends HttpApiError.Problem<RoleNotFound>()("RoleNotFound", {
  type: "urn:joy:role-not-found",
  status: 422,
  title: "There is no such role"
}) {}
