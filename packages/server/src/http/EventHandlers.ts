import { EventTickets } from "@joy/auth/EventTickets"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

import { EventStreams } from "../events/EventStreams.ts"

export const EventHandlers = HttpApiBuilder.group(
  Api,
  "events",
  Effect.fn(function* (handlers) {
    const streams = yield* EventStreams
    const tickets = yield* EventTickets
    return handlers.handleAll({
      ticket: () => tickets.issue,
      watch: ({ headers, query }) =>
        Effect.map(streams.open(headers["last-event-id"] ?? query.lastEventId), (body) =>
          HttpServerResponse.raw(body, {
            contentType: "text/event-stream",
            // nginx would keep what is said until there is more of it.
            headers: { "x-accel-buffering": "no" }
          })
        )
    })
  })
)
