import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { UserId } from "./Ids.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest, ServiceUnavailable } from "./Problem.ts"
import { Text } from "./Text.ts"
import {
  AccountExists,
  DisplayName,
  Email,
  LastAdmin,
  NewPassword,
  RoleNotFound,
  User,
  Username,
  UserNotFound,
  WeakPassword
} from "./User.ts"

/** Accounts, for administrators and for their owners. */
export class UsersApi extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("me", "/me", { success: User, error: UserNotFound }).annotateMerge(
      OpenApi.annotations({ summary: "The account that is signed in" })
    ),
    HttpApiEndpoint.get("list", "/", {
      query: { ...PageQuery, q: Schema.optionalKey(Text(200)) },
      success: Page("UserPage", User),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "Accounts, the newest first; needs users:read" })),
    HttpApiEndpoint.post("create", "/", {
      payload: Schema.Struct({
        username: Username,
        email: Email,
        password: NewPassword,
        roles: Schema.optionalKey(Schema.Array(Text(64)).check(Schema.isMaxLength(32)))
      }),
      success: User.pipe(HttpApiSchema.status(201)),
      error: [Forbidden, AccountExists, WeakPassword, RoleNotFound, ServiceUnavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Make an account; needs users:write, and roles:write to give roles" })
    ),
    HttpApiEndpoint.get("byId", "/:id", {
      params: { id: UserId },
      success: User,
      error: UserNotFound
    }).annotateMerge(OpenApi.annotations({ summary: "One account: one's own, or any with users:read" })),
    HttpApiEndpoint.patch("update", "/:id", {
      params: { id: UserId },
      payload: Schema.Struct({
        displayName: Schema.optionalKey(Schema.NullOr(DisplayName)),
        email: Schema.optionalKey(Email),
        disabled: Schema.optionalKey(Schema.Boolean)
      }),
      success: User,
      error: [Forbidden, UserNotFound, AccountExists, LastAdmin]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Change an account: one's own, or any with users:write, which disabling needs" })
    ),
    HttpApiEndpoint.delete("remove", "/:id", {
      params: { id: UserId },
      success: HttpApiSchema.NoContent,
      error: [Forbidden, UserNotFound, LastAdmin]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Delete an account, one's own or any with users:write; its private media goes to the trash"
      })
    ),
    HttpApiEndpoint.put("setRoles", "/:id/roles", {
      params: { id: UserId },
      payload: Schema.Struct({ roles: Schema.Array(Text(64)).check(Schema.isMaxLength(32)) }),
      success: User,
      error: [Forbidden, UserNotFound, RoleNotFound, LastAdmin]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Say which roles a user has, from the next request on; needs roles:write, and all that is granted anew"
      })
    )
  )
  .middleware(Authorization)
  .prefix("/users")
  .annotateMerge(OpenApi.annotations({ title: "Users", description: "Accounts" })) {}
