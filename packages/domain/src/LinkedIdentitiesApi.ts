import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"

import { Authorization } from "./Authorization.ts"
import { LinkedIdentityId } from "./Ids.ts"
import { LastSignIn, LinkedIdentity, LinkedIdentityNotFound } from "./LinkedIdentity.ts"
import { Page, PageQuery } from "./Page.ts"
import { Forbidden, InvalidRequest } from "./Problem.ts"

/** Which identities at providers sign in to the account. They are added by `/auth/oauth/link`. */
export class LinkedIdentitiesApi extends HttpApiGroup.make("linkedIdentities")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: PageQuery,
      success: Page("LinkedIdentityPage", LinkedIdentity),
      error: InvalidRequest
    }).annotateMerge(OpenApi.annotations({ summary: "One's own identities at providers, the newest first" })),
    HttpApiEndpoint.delete("remove", "/:id", {
      params: { id: LinkedIdentityId },
      success: HttpApiSchema.NoContent,
      error: [Forbidden, LinkedIdentityNotFound, LastSignIn]
    }).annotateMerge(OpenApi.annotations({ summary: "Let an identity sign in no more; the last way to sign in stays" }))
  )
  .middleware(Authorization)
  .prefix("/users/me/identities")
  .annotateMerge(OpenApi.annotations({ title: "Linked identities", description: "Who signs in by a provider" })) {}
