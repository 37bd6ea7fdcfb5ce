import { MediaFacets } from "@joy/catalog/MediaFacets"
import { MediaItems } from "@joy/catalog/MediaItems"
import { Api } from "@joy/domain/Api"
import { ThumbnailViewer } from "@joy/domain/ThumbnailAuthorization"
import { Failures } from "@joy/ingest/Failures"
import { Scans } from "@joy/ingest/Scans"
import { Originals } from "@joy/playback/Originals"
import { ThumbnailImages } from "@joy/playback/ThumbnailImages"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

import * as ContentResponse from "./ContentResponse.ts"
import * as JsonTexts from "./JsonTexts.ts"

const acceptsWebp = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
  /image\/(webp|\*)|\*\/\*/.test(headers["accept"] ?? "*/*")
)

export const MediaHandlers = HttpApiBuilder.group(
  Api,
  "media",
  Effect.fn(function* (handlers) {
    const items = yield* MediaItems
    const facets = yield* MediaFacets
    const originals = yield* Originals
    const thumbnails = yield* ThumbnailImages
    const scans = yield* Scans
    const failures = yield* Failures
    const respond = yield* ContentResponse.responder

    // What is asked for most is written as it is: a test holds it against the contract, so no answer has to be.
    return handlers.handleAll({
      list: ({ query }) => Effect.map(items.list(query), JsonTexts.page),
      byId: ({ params }) => Effect.map(items.byId(params.id), JsonTexts.response),
      facets: ({ query }) => facets.of(query),
      failures: ({ query }) => items.failures(query),
      retry: ({ params }) => failures.retry(params.id),
      retryFailures: () => Effect.map(failures.retryAll(), (retried) => ({ retried })),
      refresh: ({ query }) =>
        Effect.map(scans.refresh({ acceptMissing: query.acceptMissing === "1" }), (scanId) => ({ scanId })),
      scan: ({ params }) => scans.byId(params.scanId),

      content: Effect.fnUntraced(function* ({ params }) {
        const original = yield* originals.open(params.id, yield* ContentResponse.wanted)
        // The URL names the item, not the version: ask again each time, and get a 304.
        return yield* respond(original, { cacheControl: "private, no-cache", vary: "Authorization" })
      }),

      thumbnail: Effect.fnUntraced(function* ({ params, query }) {
        const viewer = yield* ThumbnailViewer
        const format = (yield* acceptsWebp) ? "webp" : "jpeg"
        const { body, mimeType } = yield* thumbnails.open(params.id, viewer, {
          width: Number(query.width ?? 640),
          format
        })
        return HttpServerResponse.stream(body.stream, {
          contentType: mimeType,
          contentLength: body.object.sizeBytes,
          headers: {
            etag: `"${body.object.etag}"`,
            vary: "Accept",
            // A signed URL names the content version and stays the same for an hour.
            "cache-control": viewer._tag === "Signature" ? "private, max-age=3600, immutable" : "private, no-cache"
          }
        })
      })
    })
  })
)
