import {
  InternalError,
  ServiceUnavailable,
  MethodNotAllowed,
  NotFound,
  PayloadTooLarge,
  UnsupportedMediaType
} from "@joy/domain/Problem"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

import { isDatabaseAway } from "./DatabaseAway.ts"
import { DenialNotes } from "./DenialNotes.ts"
import * as RouteTable from "./RouteTable.ts"

/**
 * The last word on every answer: whatever the router, a decoder or a defect left without a problem document gets one.
 * Nothing of a cause reaches the client; it goes to the log, beside the request's id.
 */

const { methods: allowedMethods } = RouteTable.make([
  { method: "GET", path: "/openapi.json" },
  { method: "GET", path: "/docs" }
])

const problem = (value: HttpServerRespondable.Respondable) => Effect.orDie(HttpServerRespondable.toResponse(value))

const notFound = (request: HttpServerRequest.HttpServerRequest) => {
  const allowed = allowedMethods(request.url)
  const allow = allowed.join(", ")
  if (request.method === "OPTIONS" && allowed.length > 0) {
    return Effect.succeed(HttpServerResponse.empty({ status: 204, headers: { allow } }))
  }
  // A path may fit and still not be found: a part of it is longer than the router takes.
  return allowed.length === 0 || allowed.includes(request.method)
    ? problem(new NotFound({}))
    : Effect.map(problem(new MethodNotAllowed({})), HttpServerResponse.setHeader("allow", allow))
}

/** A failure that left the router. An interruption is passed on: the client has gone, or the server stops. */
const ofCause = <E>(request: HttpServerRequest.HttpServerRequest, cause: Cause.Cause<E>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
  return Effect.flatMap(HttpServerError.causeResponse(cause), ([response]) => {
    if (response.status === 404) return notFound(request)
    if (response.status < 500) return ofResponse(response)
    if (cause.reasons.some((reason) => Cause.isDieReason(reason) && isDatabaseAway(reason.defect))) {
      return Effect.andThen(
        Effect.logWarning("A request could not be answered: the database is away"),
        Effect.map(problem(new ServiceUnavailable({ retryAfterSeconds: 2 })), withHeaders)
      )
    }
    return Effect.andThen(
      Effect.logError("A request failed for a reason that was not foreseen", cause),
      problem(new InternalError({}))
    )
  })
}

const isProblem = (response: HttpServerResponse.HttpServerResponse) =>
  (response.headers["content-type"] ?? "").startsWith("application/problem+json")

const decodeRetry = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ retryAfterSeconds: Schema.Finite }))
)

/** The headers that go with a status: what a client reads without looking into the body. */
const withHeaders = (response: HttpServerResponse.HttpServerResponse) => {
  // RFC 9110, 11.6.1: a 401 names the scheme.
  if (response.status === 401) return HttpServerResponse.setHeader(response, "www-authenticate", "Bearer")
  if ((response.status !== 429 && response.status !== 503) || response.body._tag !== "Uint8Array") return response
  return Option.match(decodeRetry(new TextDecoder().decode(response.body.body)), {
    onNone: () => response,
    onSome: ({ retryAfterSeconds }) =>
      HttpServerResponse.setHeader(response, "retry-after", String(Math.ceil(retryAfterSeconds)))
  })
}

/** An answer of the router or of a decoder, which knows only statuses. */
const ofResponse = (response: HttpServerResponse.HttpServerResponse) => {
  if (response.status < 400) return Effect.succeed(response)
  if (isProblem(response)) {
    return Effect.succeed(withHeaders(response))
  }
  if (response.status === 413) return problem(new PayloadTooLarge({}))
  if (response.status === 415) return problem(new UnsupportedMediaType({}))
  return Effect.succeed(response)
}

export const layer = HttpRouter.middleware(
  Effect.map(
    DenialNotes,
    ({ note }) =>
      (handled) =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
          Effect.matchCauseEffect(handled, {
            onFailure: (cause) => ofCause(request, cause),
            onSuccess: (response) =>
              response.status === 403 ? Effect.andThen(note(request), ofResponse(response)) : ofResponse(response)
          })
        )
  ),
  { global: true }
)
