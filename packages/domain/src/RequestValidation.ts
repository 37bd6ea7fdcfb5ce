import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"

import { InternalError, InvalidRequest } from "./Problem.ts"

/** Turns what does not decode into `InvalidRequest` with its issues. On every route. */
export class RequestValidation extends HttpApiMiddleware.Service<RequestValidation>()("@joy/domain/RequestValidation", {
  error: [InvalidRequest, InternalError]
}) {}
