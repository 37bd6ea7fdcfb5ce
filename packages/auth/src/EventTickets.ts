import { createHash, randomBytes } from "node:crypto"

import type { CurrentPrincipal, Principal } from "@joy/domain/CurrentPrincipal"
import type { EventTicket } from "@joy/domain/EventStream"
import { ApiKeyId, SessionId } from "@joy/domain/Ids"
import * as Policy from "@joy/domain/Policy"
import { type Forbidden, Unauthenticated } from "@joy/domain/Problem"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import { StandingPrincipals } from "./StandingPrincipals.ts"

/** Long enough to open a connection with. */
const validFor = "30 seconds"

const hash = (ticket: string): Uint8Array => createHash("sha256").update(ticket).digest()

const Row = Schema.Struct({ sessionId: Schema.NullOr(SessionId), apiKeyId: Schema.NullOr(ApiKeyId) })

const credentialOf = ({ apiKeyId, sessionId }: typeof Row.Type): Principal["credential"] | null => {
  if (sessionId !== null) return { kind: "session", sessionId }
  return apiKeyId === null ? null : { kind: "apiKey", apiKeyId }
}

/**
 * Tickets stand in URLs, so each opens one stream, once, within half a minute, at any server. The database has the
 * SHA-256 alone, and they go with the session or key that asked for them.
 */
export class EventTickets extends Context.Service<
  EventTickets,
  {
    readonly issue: Effect.Effect<EventTicket, Forbidden, CurrentPrincipal>
    /** Uses a ticket up, and gives who it stands for at this moment. */
    readonly redeem: (ticket: Redacted.Redacted) => Effect.Effect<Principal, Unauthenticated>
  }
>()("@joy/auth/EventTickets") {
  static readonly layerNoDeps: Layer.Layer<EventTickets, never, StandingPrincipals | SqlClient.SqlClient> =
    Layer.effect(
      EventTickets,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const standing = yield* StandingPrincipals

        const insert = SqlSchema.findOne({
          Request: Schema.Struct({ ticketHash: Schema.Uint8Array, ...Row.fields }),
          Result: Schema.Struct({ expiresAt: Timestamp }),
          // Nothing else takes the old ones away. There are never many.
          execute: ({ apiKeyId, sessionId, ticketHash }) => sql`
            WITH old AS (
              DELETE FROM event_tickets WHERE ticket_hash IN (
                SELECT ticket_hash FROM event_tickets WHERE expires_at < now() LIMIT 100 FOR UPDATE SKIP LOCKED
              )
            )
            INSERT INTO event_tickets (ticket_hash, session_id, api_key_id, expires_at)
            VALUES (${ticketHash}, ${sessionId}::uuid, ${apiKeyId}::uuid, now() + ${validFor}::text::interval)
            RETURNING expires_at`
        })
        const take = SqlSchema.findOneOption({
          Request: Schema.Uint8Array,
          Result: Row,
          execute: (ticketHash) => sql`
            DELETE FROM event_tickets WHERE ticket_hash = ${ticketHash} AND expires_at > now()
            RETURNING session_id, api_key_id`
        })

        const issue = Effect.gen(function* () {
          const { credential } = yield* Policy.permission("media:read")
          const ticket = randomBytes(32).toString("base64url")
          const { expiresAt } = yield* Effect.orDie(
            insert({
              ticketHash: hash(ticket),
              sessionId: credential.kind === "session" ? credential.sessionId : null,
              apiKeyId: credential.kind === "apiKey" ? credential.apiKeyId : null
            })
          )
          return { ticket: Redacted.make(ticket), expiresAt }
        }).pipe(Effect.withSpan("EventTickets.issue"))

        const redeem = Effect.fn("EventTickets.redeem")(function* (ticket: Redacted.Redacted) {
          const taken = Option.getOrNull(yield* Effect.orDie(take(hash(Redacted.value(ticket)))))
          const credential = taken === null ? null : credentialOf(taken)
          const principal = credential === null ? null : yield* standing.ofCredential(credential)
          return principal ?? (yield* new Unauthenticated({}))
        })

        return EventTickets.of({ issue, redeem })
      })
    )
}
