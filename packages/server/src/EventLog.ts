import { type Event, Events } from "@joy/domain/Events"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** What those who wait for events listen to. */
export const channel = "joy_events"

const dataOf = ({ name: _name, ...data }: Event) => JSON.stringify(data)

/** Keeps events in their table, inside the transaction of whoever appends, and wakes those who listen at its commit. */
export const layer = Layer.effect(
  Events,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient

    const appendAll = Effect.fn("Events.appendAll")(function* (events: ReadonlyArray<Event>) {
      if (events.length === 0) return
      // Ids are given in the order of the rows. Notifications of one transaction with one payload are folded into one.
      yield* sql`
        WITH told AS (
          INSERT INTO events (name, data)
          SELECT name, data::jsonb FROM unnest(
            ${events.map(({ name }) => name)}::text[],
            ${events.map(dataOf)}::text[]
          ) WITH ORDINALITY AS event (name, data, place) ORDER BY place
          RETURNING id
        )
        SELECT pg_notify(${channel}, '') FROM told LIMIT 1`
    }, Effect.orDie)

    return Events.of({ append: (event) => appendAll([event]), appendAll })
  })
)
