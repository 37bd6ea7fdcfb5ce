import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"

import { Authorization } from "./Authorization.ts"
import { EventsAuthorization } from "./EventsAuthorization.ts"
import { EventPosition, EventsExpired, EventTicket, WatchedEvent } from "./EventStream.ts"
import { Forbidden } from "./Problem.ts"
import { RateLimited } from "./RateLimited.ts"

/** What happens in the library, while it happens. */
export class EventsApi extends HttpApiGroup.make("events")
  .add(
    HttpApiEndpoint.post("ticket", "/tickets", {
      success: EventTicket.pipe(HttpApiSchema.status(201)),
      error: Forbidden
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "A ticket for one stream, good for half a minute, because EventSource can't sign in"
        })
      )
      .middleware(Authorization)
  )
  .add(
    HttpApiEndpoint.get("watch", "/", {
      headers: { "last-event-id": Schema.optionalKey(EventPosition) },
      query: { lastEventId: Schema.optionalKey(EventPosition) },
      success: HttpApiSchema.StreamSse({ events: WatchedEvent }),
      error: [Forbidden, EventsExpired]
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "What happens from now on, or since an event that was seen (Server-Sent Events)",
          description:
            "Events come in the order of their ids, each once, and only those of what the user may see at that moment. " +
            "`Last-Event-ID`, or `lastEventId` for who can't send headers, goes on after that event, at any server and " +
            "after restarts; 410 when what followed is not kept any more. Every 15 s comes an id without an event, to go " +
            "on from. The stream ends with the session, and when what the user may do has changed: open it again."
        })
      )
      .middleware(RateLimited)
      .middleware(EventsAuthorization)
  )
  .prefix("/events")
  .annotateMerge(OpenApi.annotations({ title: "Events", description: "What happens in the library" })) {}
