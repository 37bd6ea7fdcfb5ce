import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { RoleId } from "./Ids.ts"
import { Permission } from "./Permission.ts"
import { Timestamp } from "./Timestamp.ts"

/** What a role is called: 1 to 64 characters without control characters. Two that differ in case alone are one. */
export const RoleName = Schema.Trim.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(64),
  Schema.isPattern(/^[^\p{C}]+$/u, { message: "Expected a name without control characters" })
).annotate({ identifier: "RoleName" })

export const Role = Schema.Struct({
  id: RoleId,
  name: Schema.String,
  /** Written out: `admin` has every permission there is. */
  permissions: Schema.Array(Permission),
  /** Built-in roles stay as they are. */
  builtIn: Schema.Boolean,
  createdAt: Timestamp,
  updatedAt: Timestamp
}).annotate({ identifier: "Role" })
export type Role = typeof Role.Type

/** What makes a role. */
export const NewRole = Schema.Struct({
  name: RoleName,
  permissions: Schema.Array(Permission).check(Schema.isMaxLength(64))
}).annotate({ identifier: "NewRole" })
export type NewRole = typeof NewRole.Type

export class UnknownRole extends HttpApiError.Problem<UnknownRole>()("UnknownRole", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such role"
}) {}

export class RoleExists extends HttpApiError.Problem<RoleExists>()("RoleExists", {
  type: "urn:joy:role-exists",
  status: 409,
  title: "A role of this name exists already"
}) {}

export class RoleBuiltIn extends HttpApiError.Problem<RoleBuiltIn>()("RoleBuiltIn", {
  type: "urn:joy:role-built-in",
  status: 409,
  title: "A built-in role stays as it is"
}) {}

export class RoleInUse extends HttpApiError.Problem<RoleInUse>()("RoleInUse", {
  type: "urn:joy:role-in-use",
  status: 409,
  title: "Somebody has this role"
}) {}
