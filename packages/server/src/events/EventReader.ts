import { ItemAudiences } from "@joy/catalog/ItemAudiences"
import { isVisibleTo } from "@joy/catalog/VisibleItems"
import type { Principal } from "@joy/domain/CurrentPrincipal"
import { EventsExpired } from "@joy/domain/EventStream"
import type { MediaItemId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { format, type Position } from "./Position.ts"

/** Events that one read gives at most. What a slow client makes a server keep is about as much. */
const pageSize = 500

/** A row of `events`, beside what is true of all of them at that moment. Typed by the driver: it is not decoded. */
interface Row {
  readonly xmin: bigint
  readonly isOpen: boolean
  readonly isExpired: boolean
  readonly transactionId: bigint | null
  readonly id: bigint | null
  readonly name: string | null
  readonly mediaId: MediaItemId | null
  readonly data: string | null
}

/** An event as it goes to those who may see it. */
export interface ToldEvent {
  readonly position: Position
  /** As Server-Sent Events have it. */
  readonly text: string
  readonly isFor: (principal: Principal) => boolean
}

export interface EventPage {
  readonly events: ReadonlyArray<ToldEvent>
  /** Where the next page begins. */
  readonly position: Position
  readonly isFull: boolean
  /** Whether there are events that are committed and yet can't be told: an older transaction is still at work. */
  readonly isHeldBack: boolean
}

/** Reads events in the one order that does not change any more: that of transactions, up to the oldest that is at work. */
export class EventReader extends Context.Service<
  EventReader,
  {
    /** Where somebody begins who wants to hear what happens from now on. */
    readonly now: Effect.Effect<Position>
    /** What comes after a position. Fails when it may lack what was there once, or when the position is none of ours. */
    readonly after: (position: Position) => Effect.Effect<EventPage, EventsExpired>
  }
>()("@joy/server/EventReader") {
  static readonly layer: Layer.Layer<EventReader, never, ItemAudiences | SqlClient.SqlClient> = Layer.effect(
    EventReader,
    Effect.gen(function* () {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const audiences = yield* ItemAudiences

      const now = sql<{ readonly xmin: bigint }>`
        SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8 AS xmin`.pipe(
        Effect.map(([row]) => ({ transactionId: row?.xmin ?? 0n, id: 0n })),
        Effect.orDie
      )

      // A position beyond all transactions is of another database, or of this one before it was restored.
      const read = (position: Position) => sql<Row>`
        SELECT pg_snapshot_xmin(snapshot)::text::int8 AS xmin,
          EXISTS (SELECT FROM events WHERE transaction_id >= pg_snapshot_xmin(snapshot)) AS "isOpen",
          after > pg_snapshot_xmax(snapshot) OR EXISTS (
            SELECT FROM events_pruned WHERE (transaction_id, id) > (after, ${position.id}::int8)
          ) AS "isExpired",
          event.transaction_id::text::int8 AS "transactionId", event.id, event.name,
          (event.data->>'mediaId')::uuid AS "mediaId", event.data::text AS data
        FROM (SELECT pg_current_snapshot(), ${String(position.transactionId)}::text::xid8) AS at (snapshot, after)
        LEFT JOIN LATERAL (
          SELECT transaction_id, id, name, data FROM events
          WHERE (transaction_id, id) > (after, ${position.id}::int8) AND transaction_id < pg_snapshot_xmin(snapshot)
            AND (starts_with(name, 'media.') OR starts_with(name, 'scan.'))
          ORDER BY transaction_id, id LIMIT ${pageSize}::int
        ) AS event ON true
        ORDER BY event.transaction_id, event.id`

      const after = Effect.fn("EventReader.after")(function* (position: Position) {
        const rows = yield* Effect.orDie(read(position))
        const [first] = rows
        if (first === undefined) return yield* Effect.die(new Error("The events were not read"))
        if (first.isExpired) return yield* new EventsExpired({})
        const itemIds = rows.flatMap(({ mediaId }) => (mediaId === null ? [] : [mediaId]))
        // Read after the events: who lost sight of an item by now hears nothing of it.
        const audienceOf = itemIds.length === 0 ? undefined : yield* audiences.of([...new Set(itemIds)])
        const events = rows.flatMap(({ data, id, mediaId, name, transactionId }): ReadonlyArray<ToldEvent> => {
          if (transactionId === null || id === null) return []
          const own = { transactionId, id }
          return [
            {
              position: own,
              text: `id: ${format(own)}\nevent: ${name}\ndata: ${data}\n\n`,
              isFor:
                mediaId === null
                  ? ({ permissions }) => permissions.has("media:refresh")
                  : (principal) => isVisibleTo(audienceOf?.get(mediaId), principal)
            }
          ]
        })
        const isFull = events.length === pageSize
        return {
          events,
          position: (isFull ? events.at(-1)?.position : undefined) ?? { transactionId: first.xmin, id: 0n },
          isFull,
          isHeldBack: first.isOpen
        }
      })

      return EventReader.of({ now, after })
    })
  )
}
