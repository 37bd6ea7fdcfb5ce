import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Events are watched by many, from where they were. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // The last event that was deleted for its age, by the order that events are read in. Who has seen less comes too late.
  yield* sql`
    CREATE TABLE events_pruned (
      single boolean PRIMARY KEY DEFAULT true CHECK (single),
      transaction_id xid8 NOT NULL,
      id bigint NOT NULL
    )`

  yield* sql`
    CREATE TABLE event_tickets (
      ticket_hash bytea PRIMARY KEY,
      session_id uuid REFERENCES sessions ON DELETE CASCADE,
      api_key_id uuid REFERENCES api_keys ON DELETE CASCADE,
      expires_at timestamptz NOT NULL,
      CHECK ((session_id IS NULL) <> (api_key_id IS NULL))
    )`
  // Sessions and keys are deleted by the thousand, and ask here.
  yield* sql`CREATE INDEX event_tickets_session ON event_tickets (session_id)`
  yield* sql`CREATE INDEX event_tickets_api_key ON event_tickets (api_key_id)`
  yield* sql`CREATE INDEX event_tickets_expiry ON event_tickets (expires_at)`
})
