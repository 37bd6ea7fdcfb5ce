import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { SessionId, UserId } from "./Ids.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"
import { Session, SessionNotFound } from "./Session.ts"
import { UserNotFound } from "./User.ts"

/** Where a user is signed in. */
export class SessionsApi extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: { ...PageQuery, userId: Schema.optionalKey(UserId) },
      success: Page("SessionPage", Session),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(
      OpenApi.annotations({ summary: "One's own sessions; with sessions:read those of another user (userId)" })
    ),
    HttpApiEndpoint.delete("endAll", "/", {
      query: {
        userId: Schema.Union([UserId, Schema.Literal("all")]).annotate({
          description: "Whose; `all` for everybody's but the session that asks"
        })
      },
      success: HttpApiSchema.NoContent,
      error: [Forbidden, InvalidRequest, UserNotFound]
    }).annotateMerge(
      OpenApi.annotations({ summary: "End every session of a user, or of everybody; needs sessions:write" })
    ),
    HttpApiEndpoint.delete("end", "/:id", {
      params: { id: SessionId },
      success: HttpApiSchema.NoContent,
      error: [Forbidden, SessionNotFound]
    }).annotateMerge(OpenApi.annotations({ summary: "End a session: one's own, or any with sessions:write" }))
  )
  .middleware(Authorization)
  .prefix("/sessions")
  .annotateMerge(OpenApi.annotations({ title: "Sessions", description: "Where a user is signed in" })) {}
