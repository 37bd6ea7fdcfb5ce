import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"

/** How long a session that has ended stays, for who wants to know what became of it. */
const sessionsFor = "30 days"
/** How long the audit log goes back: a year, and what it takes to look at one. */
const auditFor = "400 days"

/** Rows of one statement: no transaction is long, and whoever signs in meanwhile waits for none. */
const batch = 2000

/** Keeps the tables of accounts from growing for ever. */
export class Housekeeping extends Context.Service<
  Housekeeping,
  {
    /** Deletes what is old. Any number of processes may do it at once. */
    readonly tidy: Effect.Effect<void>
  }
>()("@joy/auth/Housekeeping") {
  static readonly layer: Layer.Layer<Housekeeping, never, SqlClient.SqlClient> = Layer.effect(
    Housekeeping,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const sessions = sql`
        DELETE FROM sessions WHERE id IN (
          SELECT id FROM sessions
          WHERE expires_at < now() - ${sessionsFor}::text::interval
            OR revoked_at < now() - ${sessionsFor}::text::interval
          LIMIT ${batch}::int FOR UPDATE SKIP LOCKED
        ) RETURNING id`
      const audit = sql`
        DELETE FROM audit_log WHERE id IN (
          SELECT id FROM audit_log WHERE created_at < now() - ${auditFor}::text::interval
          LIMIT ${batch}::int FOR UPDATE SKIP LOCKED
        ) RETURNING id`
      const flows = sql`
        DELETE FROM oauth_flows WHERE id IN (
          SELECT id FROM oauth_flows WHERE expires_at < now() LIMIT ${batch}::int FOR UPDATE SKIP LOCKED
        ) RETURNING id`

      const tidy = Effect.forEach(
        [sessions, audit, flows],
        (deletion) => Effect.repeat(deletion, { while: (rows) => rows.length === batch }),
        { discard: true }
      ).pipe(Effect.orDie, Effect.withSpan("Housekeeping.tidy"))

      return Housekeeping.of({ tidy })
    })
  )

  /** Does it every hour, beginning some time after the start. */
  static readonly layerHourly: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effectDiscard(
    Effect.gen(function* () {
      const { tidy } = yield* Housekeeping
      yield* tidy.pipe(
        Effect.catchCause((cause) =>
          Effect.logWarning("Old sessions, audit entries and sign-ins by a provider were not deleted", cause)
        ),
        Effect.schedule(Schedule.jittered(Schedule.spaced("1 hour"))),
        Effect.forkScoped
      )
    })
  ).pipe(Layer.provide(Housekeeping.layer))
}
