import type { Page } from "@joy/domain/Page"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** Where the text of a value is kept, on the value itself: a map of weak keys would cost every collection of garbage. */
const written = Symbol("written")

interface Written {
  readonly [written]?: string
}

/** A value as JSON, written once. It must not change any more; a copy of it may be another value. */
export const textOf = (value: object & Written): string => {
  const known = value[written]
  if (known !== undefined) return known
  const text = JSON.stringify(value)
  Object.defineProperty(value, written, { value: text, enumerable: false })
  return text
}

/** Answers with a page of values that don't change any more. */
export const page = ({ items, nextCursor }: Page<object>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`{"items":[${items.map(textOf).join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`, {
    contentType: "application/json"
  })

/** Answers with a value that does not change any more. */
export const response = (value: object): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(textOf(value), { contentType: "application/json" })
