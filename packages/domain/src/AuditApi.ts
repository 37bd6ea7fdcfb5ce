import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { UserId } from "./Ids.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"
import { SecurityEvent } from "./SecurityEvent.ts"
import { Text } from "./Text.ts"

/** What happened to accounts, sessions, roles and keys. */
export class AuditApi extends HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: {
        ...PageQuery,
        userId: Schema.optionalKey(UserId).annotate({ description: "Who did it, or whom it was done to" }),
        action: Schema.optionalKey(Text(64))
      },
      success: Page("SecurityEventPage", SecurityEvent),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "Security events, the newest first; needs audit:read" }))
  )
  .middleware(Authorization)
  .prefix("/audit")
  .annotateMerge(OpenApi.annotations({ title: "Audit", description: "Security events" })) {}
