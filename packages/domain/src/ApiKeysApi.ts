import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"

import { ApiKey, ApiKeyNotFound, IssuedApiKey, NewApiKey } from "./ApiKey.ts"
import { Authorization } from "./Authorization.ts"
import { ApiKeyId } from "./Ids.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"

/** Keys for programs. They are managed by who is signed in, never by another key. */
export class ApiKeysApi extends HttpApiGroup.make("apiKeys")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: PageQuery,
      success: Page("ApiKeyPage", ApiKey),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(OpenApi.annotations({ summary: "One's own API keys, the newest first" })),
    HttpApiEndpoint.post("create", "/", {
      payload: NewApiKey,
      success: IssuedApiKey.pipe(HttpApiSchema.status(201)),
      error: [Forbidden, InvalidRequest]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Make an API key of what one may do oneself; it is shown this once" })
    ),
    HttpApiEndpoint.delete("revoke", "/:id", {
      params: { id: ApiKeyId },
      success: HttpApiSchema.NoContent,
      error: [Forbidden, ApiKeyNotFound]
    }).annotateMerge(OpenApi.annotations({ summary: "Revoke one of one's API keys" }))
  )
  .middleware(Authorization)
  .prefix("/api-keys")
  .annotateMerge(OpenApi.annotations({ title: "API keys", description: "Keys for programs" })) {}
