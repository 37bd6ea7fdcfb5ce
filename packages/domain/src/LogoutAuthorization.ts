import * as Context from "effect/Context"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import type * as Redacted from "effect/Redacted"

import type { Principal } from "./CurrentPrincipal.ts"
import { ServiceUnavailable, Unauthenticated } from "./Problem.ts"
import { CrossSite } from "./Session.ts"

/** Who signs out: a principal, or a browser by its refresh cookie. */
export class Leaving extends Context.Service<
  Leaving,
  | { readonly _tag: "Principal"; readonly principal: Principal }
  /** Not verified yet: whoever ends the session does. */
  | { readonly _tag: "Cookie"; readonly refreshToken: Redacted.Redacted }
>()("@joy/domain/Leaving") {}

/** A browser can sign out also when its access token has run out. */
export class LogoutAuthorization extends HttpApiMiddleware.Service<LogoutAuthorization, { provides: Leaving }>()(
  "@joy/domain/LogoutAuthorization",
  {
    requiredForClient: true,
    security: {
      bearer: HttpApiSecurity.bearer,
      // `__Host-joy-refresh` where the public URL is https.
      cookie: HttpApiSecurity.apiKey({ in: "cookie", key: "joy-refresh" })
    },
    error: [Unauthenticated, ServiceUnavailable, CrossSite]
  }
) {}
