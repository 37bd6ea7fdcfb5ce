import { ServerResponse } from "node:http"

import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { PreconditionFailed, RangeNotSatisfiable } from "@joy/domain/Problem"
import type { Original } from "@joy/playback/Originals"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

import * as FileSender from "./FileSender.ts"

/** The headers of a request that decide which bytes it gets. */
export const contentRequest = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers, method }) => ({
  headOnly: method === "HEAD",
  request: {
    range: headers["range"],
    ifRange: headers["if-range"],
    ifMatch: headers["if-match"],
    ifNoneMatch: headers["if-none-match"],
    ifModifiedSince: headers["if-modified-since"],
    ifUnmodifiedSince: headers["if-unmodified-since"]
  }
}))

const headersOf = ({ mimeType, object }: Original) => ({
  etag: `"${object.etag}"`,
  "last-modified": new Date(object.modifiedAt).toUTCString(),
  "accept-ranges": "bytes",
  // The URL names the item, not the version: ask again each time, and get a 304.
  "cache-control": "private, no-cache",
  vary: "Authorization",
  "content-type": mimeType
})

/** Answers with an original as it was decided (RFC 9110, 14 and 15). */
export const respond = Effect.fnUntraced(function* (original: Original) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const { body, decision, object } = original
  const headers = headersOf(original)
  const size = object.sizeBytes

  switch (decision._tag) {
    case "NotModified":
      return HttpServerResponse.empty({ status: 304, headers: { ...headers, "content-type": undefined } })
    case "PreconditionFailed":
      return yield* new PreconditionFailed({})
    case "NotSatisfiable":
      // RFC 9110, 15.5.17: with the length, so that the client can ask again.
      return HttpServerResponse.setHeader(
        yield* Effect.orDie(
          HttpServerRespondable.toResponse(new RangeNotSatisfiable({ detail: `The content has ${size} bytes` }))
        ),
        "content-range",
        `bytes */${size}`
      )
    case "Whole":
    case "Partial": {
      const [start, end] = decision._tag === "Partial" ? [decision.start, decision.end] : [0, size - 1]
      const status = decision._tag === "Partial" ? 206 : 200
      const complete = {
        ...headers,
        "content-length": String(end + 1 - start),
        ...(status === 206 ? { "content-range": `bytes ${start}-${end}/${size}` } : {})
      }
      if (body?._tag === "Stream") {
        return HttpServerResponse.stream(body.body.stream, {
          status,
          headers: complete,
          contentType: original.mimeType,
          contentLength: end + 1 - start
        })
      }
      // Written to Node's own response, past the adapter: see FileSender.
      const response = NodeHttpServerRequest.toServerResponse(request)
      if (!(response instanceof ServerResponse)) return yield* Effect.die(new Error("Only HTTP/1.1 is served"))
      response.writeHead(status, complete)
      if (body === null || size === 0) response.end()
      else yield* FileSender.send(response, { fd: body.file.fd, start, end })
      return HttpServerResponse.empty({ status })
    }
  }
})
