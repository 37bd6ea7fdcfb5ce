import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"

import { ApiKeysApi } from "./ApiKeysApi.ts"
import { AuditApi } from "./AuditApi.ts"
import { AuthApi, IdentityApi } from "./AuthApi.ts"
import { EventsApi } from "./EventsApi.ts"
import { HealthApi } from "./HealthApi.ts"
import { IngestApi } from "./IngestApi.ts"
import { LinkedIdentitiesApi } from "./LinkedIdentitiesApi.ts"
import { MediaApi } from "./MediaApi.ts"
import { MediaChangesApi } from "./MediaChangesApi.ts"
import { OAuthApi } from "./OAuthApi.ts"
import { PlaybackApi } from "./PlaybackApi.ts"
import { ProgressApi } from "./ProgressApi.ts"
import { RequestValidation } from "./RequestValidation.ts"
import { RolesApi } from "./RolesApi.ts"
import { SessionsApi } from "./SessionsApi.ts"
import { SharesApi } from "./SharesApi.ts"
import { TagsApi } from "./TagsApi.ts"
import { UsersApi } from "./UsersApi.ts"

/** Every route there is. The server implements it, the client and `/openapi.json` are derived from it. */
export class Api extends HttpApi.make("joy")
  .add(AuthApi)
  .add(OAuthApi)
  .add(IdentityApi)
  .add(UsersApi)
  .add(LinkedIdentitiesApi)
  .add(RolesApi)
  .add(SessionsApi)
  .add(ApiKeysApi)
  .add(AuditApi)
  .add(MediaApi)
  .add(MediaChangesApi)
  .add(TagsApi)
  .add(SharesApi)
  .add(EventsApi)
  .add(PlaybackApi)
  .add(ProgressApi)
  .add(IngestApi)
  .add(HealthApi)
  .middleware(RequestValidation)
  .annotateMerge(
    OpenApi.annotations({
      title: "Joy Kunga Stream",
      version: "0.1.0",
      description: "A private, searchable, instantly playable library out of a bucket or a folder of media.",
      license: { name: "MIT" }
    })
  ) {}
