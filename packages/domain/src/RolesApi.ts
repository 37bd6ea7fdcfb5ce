import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"

import { Authorization } from "./Authorization.ts"
import { RoleId } from "./Ids.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"
import { NewRole, Role, RoleBuiltIn, RoleExists, RoleInUse, UnknownRole } from "./Role.ts"

/** Named sets of permissions. Nobody puts into one what they don't hold. */
export class RolesApi extends HttpApiGroup.make("roles")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: PageQuery,
      success: Page("RolePage", Role),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "Roles by name; needs roles:read" })),
    HttpApiEndpoint.post("create", "/", {
      payload: NewRole,
      success: Role.pipe(HttpApiSchema.status(201)),
      error: [Forbidden, RoleExists]
    }).annotateMerge(OpenApi.annotations({ summary: "Make a role; needs roles:write" })),
    HttpApiEndpoint.put("replace", "/:id", {
      params: { id: RoleId },
      payload: NewRole,
      success: Role,
      error: [Forbidden, UnknownRole, RoleBuiltIn, RoleExists]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change a role for everybody who has it, from their next request; needs roles:write"
      })
    ),
    HttpApiEndpoint.delete("remove", "/:id", {
      params: { id: RoleId },
      success: HttpApiSchema.NoContent,
      error: [Forbidden, UnknownRole, RoleBuiltIn, RoleInUse]
    }).annotateMerge(OpenApi.annotations({ summary: "Delete a role that nobody has; needs roles:write" }))
  )
  .middleware(Authorization)
  .prefix("/roles")
  .annotateMerge(OpenApi.annotations({ title: "Roles", description: "Named sets of permissions" })) {}
