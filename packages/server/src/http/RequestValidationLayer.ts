import { InternalError, InvalidRequest } from "@joy/domain/Problem"
import { RequestValidation } from "@joy/domain/RequestValidation"
import * as Effect from "effect/Effect"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const segment = (part: PropertyKey | { readonly key: PropertyKey }) =>
  String(typeof part === "object" ? part.key : part)

/** Messages of schemas may quote what they found, which may be a password: what comes after "got" is left out. */
const withoutInput = (message: string) => message.replace(/,? (got|actual) [^]*$/i, "")

export const layer = HttpApiMiddleware.layerSchemaErrorTransform(RequestValidation, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") {
    return Effect.andThen(
      Effect.logError("An answer of ours does not fit the contract", error),
      Effect.orDie(HttpServerRespondable.toResponse(new InternalError({})))
    )
  }
  const issues = format(error.cause.issue).issues.map(({ message, path }) => ({
    path: (path ?? []).map(segment).join("."),
    message: withoutInput(message)
  }))
  return Effect.fail(new InvalidRequest({ issues: issues.slice(0, 20) }))
})
