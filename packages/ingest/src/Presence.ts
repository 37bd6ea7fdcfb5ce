import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"

import { IngestConfig } from "./IngestConfig.ts"
import { rows } from "./Rows.ts"

/** Somebody else works on this database. */
export class IngestAlreadyRunning extends Schema.TaggedError<IngestAlreadyRunning>()("IngestAlreadyRunning", {
  /** Whether it was a `joy ingest` that found a `joy up`. */
  shared: Schema.Boolean
}) {
  override get message() {
    return this.shared
      ? "A joy up works on this database and suffers no joy ingest beside it. Stop it first (joy serve is the API alone), " +
          "or give this one another DATABASE_URL or DATA_DIR"
      : "Another joy up or joy ingest works on this database, and a joy up suffers no other beside it. Stop it first, or " +
          "give this one another DATABASE_URL or DATA_DIR"
  }
}

/** "joyinget" read as a number: the key of an advisory lock (PostgreSQL, 13.3.5) that nothing else of ours takes. */
const presenceKey = "7669482184166040948"
/** "runn" read as a number: with the number of a runner, the key of the lock that says that it lives. */
export const runnerLocks = 1920298606

/** One that was just killed is gone when Postgres notices its closed connection, which takes it a moment. */
const lingering: Duration.Input = "3 seconds"

/** How often the connection that holds the locks is asked whether it is alive. */
const heartbeat: Duration.Input = "2 seconds"

/**
 * The right to be an ingest of a database: of all, shared by the processes of a cluster; of one alone. It is a lock of a
 * database session: a process that dies gives it back at once, however it dies. When the database restarts, the lock is
 * gone with the session and is taken again.
 */
export class Presence extends Context.Service<
  Presence,
  {
    /** Tells this process from others that are or were there. While it lives, it holds a lock of this number. */
    readonly runnerId: number
    /** Waits while the lock is not held. */
    readonly held: Effect.Effect<void>
    /** Waits while it is. */
    readonly lost: Effect.Effect<void>
  }
>()("@joy/ingest/Presence") {
  static readonly layer: Layer.Layer<Presence, IngestAlreadyRunning, SqlClient.SqlClient | IngestConfig> = Layer.effect(
    Presence,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { shared } = yield* IngestConfig
      const held = yield* Latch.make(false)
      const lost = yield* Latch.make(true)
      const isHeld = Effect.andThen(lost.close, held.open)
      const isLost = Effect.andThen(held.close, lost.open)
      const [next] = yield* rows(Schema.Struct({ id: Schema.Finite }))(
        sql`SELECT nextval('ingest_runner_ids')::float8 AS id`
      )
      const runnerId = next?.id ?? (yield* Effect.die(new Error("A sequence gave no number")))

      const lock = Effect.fnUntraced(function* () {
        const connection = yield* Effect.orDie(sql.reserve)
        const attempt = Effect.fnUntraced(function* (suffix: string, key: string) {
          const [row] = yield* Effect.orDie(
            connection.executeValues(`SELECT pg_try_advisory_lock${suffix}(${key})`, [])
          )
          if (row?.[0] !== true) return yield* new IngestAlreadyRunning({ shared })
          // The connection goes back to the pool, where the lock would stay with it.
          yield* Effect.addFinalizer(() =>
            Effect.ignore(connection.executeValues(`SELECT pg_advisory_unlock${suffix}(${key})`, []))
          )
        })
        yield* attempt(shared ? "_shared" : "", presenceKey)
        yield* attempt("", `${runnerLocks}, ${runnerId}`)
        return connection
      })

      const opened = Effect.fnUntraced(function* () {
        const scope = yield* Scope.make()
        const connection = yield* lock().pipe(
          Scope.provide(scope),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        return { connection, scope }
      })

      let current = yield* opened().pipe(
        Effect.retry({
          schedule: Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: lingering })),
          while: (error) => error._tag === "IngestAlreadyRunning"
        })
      )
      yield* Effect.addFinalizer((exit) => Effect.suspend(() => Scope.close(current.scope, exit)))
      yield* isHeld

      const watch = Effect.suspend(() => current.connection.executeValues("SELECT 1", [])).pipe(
        Effect.delay(heartbeat),
        Effect.forever,
        Effect.ignore
      )
      const regain = Effect.gen(function* () {
        yield* isLost
        yield* Effect.logWarning("Ingest lost its connection to the database and pauses")
        yield* Scope.close(current.scope, Exit.void)
        current = yield* opened().pipe(
          Effect.sandbox,
          Effect.tapError((cause) => Effect.logDebug("Ingest can't take its lock yet", cause)),
          Effect.retry(Schedule.spaced("1 second")),
          Effect.orDie
        )
        yield* isHeld
        yield* Effect.logInfo("Ingest goes on")
      })
      yield* Effect.andThen(watch, regain).pipe(Effect.forever, Effect.forkScoped)

      return Presence.of({ runnerId, held: held.await, lost: lost.await })
    })
  )
}
