import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"

import type { CurrentPrincipal } from "./CurrentPrincipal.ts"
import { Unauthenticated } from "./Problem.ts"

/** Lets in who shows a live access token or an API key (RFC 6750, 2.1) and says who it is. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: CurrentPrincipal }>()(
  "@joy/domain/Authorization",
  {
    requiredForClient: true,
    security: { bearer: HttpApiSecurity.bearer },
    error: Unauthenticated
  }
) {}
