import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** Where processes ring for each other (NOTIFY). A message is the name of the bell. */
export const channel = "joy_ingest"
export type BellName = "scanner" | "looker" | "dispatcher"

/**
 * Rings the bells of whichever process works (see `Bells`), when the transaction around it commits. What they tell of
 * stands in the database: a bell that nobody hears costs no more than the next look.
 */
export class Signals extends Context.Service<
  Signals,
  {
    /** Somebody wants a scan now. */
    readonly wakeScanner: Effect.Effect<void>
    /** A store said that something changed. */
    readonly wakeLooker: Effect.Effect<void>
    /** There is new work in the outbox, or room for it. */
    readonly wakeDispatcher: Effect.Effect<void>
  }
>()("@joy/ingest/Signals") {
  static readonly layer: Layer.Layer<Signals, never, SqlClient.SqlClient> = Layer.effect(
    Signals,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Notifications of one transaction with the same payload are folded into one.
      const ring = (bell: BellName) => Effect.orDie(Effect.asVoid(sql`SELECT pg_notify(${channel}, ${bell})`))
      return Signals.of({
        wakeScanner: ring("scanner"),
        wakeLooker: ring("looker"),
        wakeDispatcher: ring("dispatcher")
      })
    })
  )
}
