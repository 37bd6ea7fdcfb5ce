import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** Where the text of a value is kept, on the value itself: a map of weak keys would cost every collection of garbage. */
const written = Symbol("written")

interface Written {
  [written]?: string
}

/** A value as JSON, written once. It must not change any more. */
export const textOf = (value: object & Written): string => (value[written] ??= JSON.stringify(value))

/** Answers with a value that does not change any more. */
export const response = (value: object): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(textOf(value), { contentType: "application/json" })
