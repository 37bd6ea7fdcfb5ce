import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"

import { TooManyRequests } from "./Problem.ts"

/** Marks the routes that are limited. Their answers say what is left in `RateLimit` and `RateLimit-Policy`. */
export class RateLimited extends HttpApiMiddleware.Service<RateLimited>()("@joy/domain/RateLimited", {
  error: TooManyRequests
}) {}
