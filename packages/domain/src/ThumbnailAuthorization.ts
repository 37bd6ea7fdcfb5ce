import * as Context from "effect/Context"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"

import type { Principal } from "./CurrentPrincipal.ts"
import { ServiceUnavailable, Unauthenticated } from "./Problem.ts"

/** Who asks for a thumbnail: a principal, or whoever holds a URL that was signed for the item at hand. */
export class ThumbnailViewer extends Context.Service<
  ThumbnailViewer,
  | { readonly _tag: "Principal"; readonly principal: Principal }
  /** `exp`: seconds since the epoch at which the URL runs out. Not verified yet: that takes the item. */
  | { readonly _tag: "Signature"; readonly exp: number; readonly sig: string }
>()("@joy/domain/ThumbnailViewer") {}

/** Image elements can't send headers: the signature in a thumbnail's URL stands for the right to see it. */
export class ThumbnailAuthorization extends HttpApiMiddleware.Service<
  ThumbnailAuthorization,
  { provides: ThumbnailViewer }
>()("@joy/domain/ThumbnailAuthorization", {
  requiredForClient: true,
  security: {
    bearer: HttpApiSecurity.bearer,
    signature: HttpApiSecurity.apiKey({ in: "query", key: "sig" })
  },
  error: [Unauthenticated, ServiceUnavailable]
}) {}
