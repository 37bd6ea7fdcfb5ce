import { type Event, Events } from "@joy/domain/Events"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** Events in their table, which nobody listens to. */
export const layer = Layer.effect(
  Events,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const append = ({ name, ...data }: Event) =>
      Effect.orDie(Effect.asVoid(sql`INSERT INTO events (name, data) VALUES (${name}, ${JSON.stringify(data)}::jsonb)`))
    return Events.of({ append, appendAll: (events) => Effect.forEach(events, append, { discard: true }) })
  })
)
