import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"

import { NotFound, Unauthenticated } from "./Problem.ts"

/**
 * Lets in the object store that knows the secret it was given (`INGEST_EVENTS_SECRET`), as a bearer token, or as the
 * password of a URL for those that can send nothing else. Where there is no secret there is no route.
 */
export class StoreAuthorization extends HttpApiMiddleware.Service<StoreAuthorization>()(
  "@joy/domain/StoreAuthorization",
  {
    security: { bearer: HttpApiSecurity.bearer, basic: HttpApiSecurity.basic },
    error: [Unauthenticated, NotFound]
  }
) {}
