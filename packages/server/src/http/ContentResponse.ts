import { ServerResponse } from "node:http"

import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { PreconditionFailed, RangeNotSatisfiable } from "@joy/domain/Problem"
import type { Delivery, Wanted } from "@joy/playback/Delivery"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

import { CorsFields } from "./Cors.ts"
import * as FileSender from "./FileSender.ts"

/** The headers of a request that decide which bytes it gets. */
export const wanted = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers, method }): Wanted => ({
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

interface Options {
  readonly cacheControl: string
  readonly vary?: string | undefined
  /** Cuts the answer off when it fails. */
  readonly ended?: Effect.Effect<never, unknown> | undefined
}

const headersOf = ({ mimeType, ranges, version }: Delivery, { cacheControl, vary }: Options) => ({
  etag: `"${version.etag}"`,
  ...(version.modifiedAt === null ? {} : { "last-modified": new Date(version.modifiedAt).toUTCString() }),
  "accept-ranges": ranges,
  "cache-control": cacheControl,
  ...(vary === undefined ? {} : { vary }),
  "content-type": mimeType
})

/** Makes what answers with what was decided (RFC 9110, 14 and 15). */
export const responder = Effect.map(CorsFields, (cors) =>
  Effect.fnUntraced(function* (delivery: Delivery, options: Options) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { body, decision, version } = delivery
    const headers = headersOf(delivery, options)
    const size = version.sizeBytes

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
        const sent = {
          ...headers,
          "content-length": String(end + 1 - start),
          ...(status === 206 ? { "content-range": `bytes ${start}-${end}/${size}` } : {})
        }
        const contentType = delivery.mimeType
        if (body?._tag === "Bytes") {
          return HttpServerResponse.uint8Array(body.bytes, { status, headers: sent, contentType })
        }
        const response = NodeHttpServerRequest.toServerResponse(request)
        if (!(response instanceof ServerResponse)) return yield* Effect.die(new Error("Only HTTP/1.1 is served"))
        if (options.ended !== undefined && body !== null) {
          // There is nobody left to tell why. Both ways of sending take the closed connection for their end.
          const cutOff = Effect.sync(() => response.destroy())
          // A database that can't be asked is no reason to go on.
          const ended = Effect.catchCause(options.ended, (cause) =>
            Cause.hasDies(cause)
              ? Effect.logWarning("It could not be asked whether a grant still holds", cause)
              : Effect.void
          )
          yield* Effect.forkScoped(Effect.andThen(ended, cutOff))
        }
        if (body?._tag === "Stream") {
          const contentLength = end + 1 - start
          return HttpServerResponse.stream(body.stream, { status, headers: sent, contentType, contentLength })
        }
        // Written to Node's own response, past the adapter: see FileSender.
        const fields = cors.of(request.headers["origin"])
        const vary = [options.vary, fields["vary"]].filter((field) => field !== undefined)
        response.writeHead(status, { ...sent, ...fields, ...(vary.length === 0 ? {} : { vary: vary.join(", ") }) })
        if (body === null) response.end()
        else {
          const { end, file, head, start } = body
          if (head !== null) response.write(head)
          yield* FileSender.send(response, { fd: file.fd, start, end })
        }
        return HttpServerResponse.empty({ status })
      }
    }
  })
)
