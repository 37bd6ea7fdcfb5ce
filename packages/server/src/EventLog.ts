import { type Event, Events } from "@joy/domain/Events"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** Keeps events in their table, inside the transaction of whoever appends, and wakes those who listen at its commit. */
export const layer = Layer.effect(
  Events,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return Events.of({
      append: Effect.fn("Events.append")(function* ({ name, ...data }: Event) {
        yield* sql`INSERT INTO events (name, data) VALUES (${name}, ${JSON.stringify(data)}::jsonb)`
        // Notifications of one transaction with the same payload are folded into one.
        yield* sql`SELECT pg_notify('joy_events', '')`
      }, Effect.orDie)
    })
  })
)
