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

/** Somebody else works on this database. */
export class IngestAlreadyRunning extends Schema.TaggedError<IngestAlreadyRunning>()("IngestAlreadyRunning", {}) {
  override get message() {
    return (
      "Another joy up or joy ingest works on this database, and a joy up suffers no other beside it. Stop it first, or " +
      "give this one another DATABASE_URL or DATA_DIR"
    )
  }
}

/** "joyinges" read as a number: the key of an advisory lock (PostgreSQL, 13.3.5) that nothing else of ours takes. */
const workKey = "7669482184166040947"
/** Held by everyone who is there, working or standing by; by a `joy up` alone. */
const presenceKey = "7669482184166040948"

/** How often one that stands by looks whether its turn has come. */
const standbyLook: Duration.Input = "500 millis"

/** How often the connection that holds the lock is asked whether it is alive. */
const heartbeat: Duration.Input = "2 seconds"

/**
 * The right to be the ingest of a database. It is a lock of a database session: a process that dies gives it back at
 * once, however it dies. When the database restarts, the lock is gone with the session and is taken again.
 */
export class IngestLock extends Context.Service<
  IngestLock,
  {
    /** Waits while the lock is not held. */
    readonly held: Effect.Effect<void>
    /** Waits while it is. */
    readonly lost: Effect.Effect<void>
  }
>()("@joy/ingest/IngestLock") {
  static readonly layer: Layer.Layer<IngestLock, IngestAlreadyRunning, SqlClient.SqlClient | IngestConfig> =
    Layer.effect(
      IngestLock,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { standsBy, takeover } = yield* IngestConfig
        const held = yield* Latch.make(false)
        const lost = yield* Latch.make(true)
        const isHeld = Effect.andThen(lost.close, held.open)
        const isLost = Effect.andThen(held.close, lost.open)

        const lock = Effect.fnUntraced(function* () {
          const connection = yield* Effect.orDie(sql.reserve)
          const attempt = Effect.fnUntraced(function* (suffix: string, key: string) {
            const [row] = yield* Effect.orDie(
              connection.executeValues(`SELECT pg_try_advisory_lock${suffix}(${key})`, [])
            )
            if (row?.[0] !== true) return false
            // The connection goes back to the pool, where the lock would stay with it.
            yield* Effect.addFinalizer(() =>
              Effect.ignore(connection.executeValues(`SELECT pg_advisory_unlock${suffix}(${key})`, []))
            )
            return true
          })
          if (!(yield* attempt(standsBy ? "_shared" : "", presenceKey))) return yield* new IngestAlreadyRunning()
          const works = attempt("", workKey)
          if (yield* works) return connection
          if (!standsBy) return yield* new IngestAlreadyRunning()
          yield* Effect.logInfo("Another joy ingest works on this database: standing by")
          yield* Effect.repeat(works, { until: (held) => held, schedule: Schedule.spaced(standbyLook) })
          yield* Effect.logInfo("Taking over")
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

        // One that was just killed is gone when Postgres notices its closed connection, which takes it a moment.
        let current = yield* opened().pipe(
          Effect.retry({
            schedule: Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: takeover })),
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

        return IngestLock.of({ held: held.await, lost: lost.await })
      })
    )
}
