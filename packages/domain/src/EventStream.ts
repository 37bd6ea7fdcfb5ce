import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { ScanProgress } from "./Events.ts"
import { MediaItemId, ScanId } from "./Ids.ts"
import { Timestamp } from "./Timestamp.ts"

const isPosition = (text: string) => {
  const [, transactionId = "", id = ""] = /^(\d{1,20})-(\d{1,19})$/.exec(text) ?? []
  return id !== "" && BigInt(transactionId) < 1n << 64n && BigInt(id) < 1n << 63n
}

/** A place in the order of all events, as their `id` says it. */
export const EventPosition = Schema.String.check(
  Schema.makeFilter(isPosition, { expected: "the id of an event" })
).pipe(
  Schema.brand("EventPosition"),
  Schema.annotate({ identifier: "EventPosition", description: "The id of the last event that was seen" })
)
export type EventPosition = typeof EventPosition.Type

const watched = <const Name extends string, S extends Schema.Codec<unknown, unknown>>(event: Name, data: S) =>
  Schema.Struct({ id: EventPosition, event: Schema.Literal(event), data: Schema.fromJsonString(data) })

const ofItem = Schema.Struct({ mediaId: MediaItemId })

/** What is told to those who watch. What an item or a scan is like now is asked for by its id. */
export const WatchedEvent = Schema.Union([
  watched("media.ready", ofItem),
  watched("media.failed", ofItem),
  watched("media.updated", ofItem),
  watched("scan.progress", ScanProgress),
  watched("scan.finished", Schema.Struct({ scanId: ScanId }))
]).annotate({ identifier: "WatchedEvent" })
export type WatchedEvent = typeof WatchedEvent.Type

/** For one stream of who asked for it, because `EventSource` can't send headers. */
export const EventTicket = Schema.Struct({
  ticket: Schema.RedactedFromValue(Schema.String),
  expiresAt: Timestamp
}).annotate({ identifier: "EventTicket" })
export type EventTicket = typeof EventTicket.Type

/** What came after the given event is not all there any more: ask for everything anew, and watch from now on. */
export class EventsExpired extends HttpApiError.Problem<EventsExpired>()("EventsExpired", {
  type: "urn:joy:events-expired",
  status: 410,
  title: "The events after this one are not kept any more"
}) {}
