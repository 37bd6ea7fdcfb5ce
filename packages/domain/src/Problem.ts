import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The errors that any route may answer, as problem documents (RFC 9457). What belongs to one context stands beside its
 * schemas. `type` is `urn:joy:<kebab-name>` and never changes once released: clients branch on it.
 */

/** A part of the request that did not decode: where it stands and what is wrong with it. */
export const Issue = Schema.Struct({
  path: Schema.String,
  message: Schema.String
}).annotate({ identifier: "Issue" })

export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()(
  "InvalidRequest",
  { type: "urn:joy:invalid-request", status: 400, title: "The request is not valid" },
  { issues: Schema.optionalKey(Schema.Array(Issue)) }
) {}

export class Unauthenticated extends HttpApiError.Problem<Unauthenticated>()("Unauthenticated", {
  type: "urn:joy:unauthenticated",
  status: 401,
  title: "Sign in first"
}) {}

export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", {
  type: "urn:joy:forbidden",
  status: 403,
  title: "You are not allowed to do this"
}) {}

export class NotFound extends HttpApiError.Problem<NotFound>()("NotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is nothing here"
}) {}

export class MethodNotAllowed extends HttpApiError.Problem<MethodNotAllowed>()("MethodNotAllowed", {
  type: "urn:joy:method-not-allowed",
  status: 405,
  title: "This address does not know this method"
}) {}

export class PreconditionFailed extends HttpApiError.Problem<PreconditionFailed>()("PreconditionFailed", {
  type: "urn:joy:precondition-failed",
  status: 412,
  title: "It was changed meanwhile"
}) {}

export class PayloadTooLarge extends HttpApiError.Problem<PayloadTooLarge>()("PayloadTooLarge", {
  type: "urn:joy:payload-too-large",
  status: 413,
  title: "The request body is too large"
}) {}

export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()("UnsupportedMediaType", {
  type: "urn:joy:unsupported-media-type",
  status: 415,
  title: "The request body has a type that this address does not take"
}) {}

export class RangeNotSatisfiable extends HttpApiError.Problem<RangeNotSatisfiable>()("RangeNotSatisfiable", {
  type: "urn:joy:range-not-satisfiable",
  status: 416,
  title: "The range lies outside the content"
}) {}

export class TooManyRequests extends HttpApiError.Problem<TooManyRequests>()(
  "TooManyRequests",
  { type: "urn:joy:too-many-requests", status: 429, title: "Too many requests" },
  { retryAfterSeconds: Schema.Finite }
) {}

export class InternalError extends HttpApiError.Problem<InternalError>()("InternalError", {
  type: "urn:joy:internal-error",
  status: 500,
  title: "Something went wrong on our side"
}) {}

export class ServiceUnavailable extends HttpApiError.Problem<ServiceUnavailable>()(
  "ServiceUnavailable",
  { type: "urn:joy:service-unavailable", status: 503, title: "The service is not available at the moment" },
  { retryAfterSeconds: Schema.optionalKey(Schema.Finite) }
) {}
