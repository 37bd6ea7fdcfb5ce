import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"

import type { CurrentPrincipal } from "./CurrentPrincipal.ts"
import { ServiceUnavailable, Unauthenticated } from "./Problem.ts"

/** Lets in who shows a live access token or an API key (RFC 6750, 2.1) and says who it is. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: CurrentPrincipal }>()(
  "@joy/domain/Authorization",
  {
    requiredForClient: true,
    security: { bearer: HttpApiSecurity.bearer },
    // Every credential is looked up, and the database may be away.
    error: [Unauthenticated, ServiceUnavailable]
  }
) {}
