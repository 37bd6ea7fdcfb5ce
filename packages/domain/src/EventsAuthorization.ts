import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"

import type { CurrentPrincipal } from "./CurrentPrincipal.ts"
import { ServiceUnavailable, Unauthenticated } from "./Problem.ts"

/** As `Authorization`; or by a ticket in the URL, which is used up by that. */
export class EventsAuthorization extends HttpApiMiddleware.Service<
  EventsAuthorization,
  { provides: CurrentPrincipal }
>()("@joy/domain/EventsAuthorization", {
  requiredForClient: true,
  security: {
    bearer: HttpApiSecurity.bearer,
    ticket: HttpApiSecurity.apiKey({ in: "query", key: "ticket" })
  },
  error: [Unauthenticated, ServiceUnavailable]
}) {}
