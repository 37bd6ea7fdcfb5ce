import type { SessionId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"

/** How often a session that is in use is written down as used. */
const touchMillis = 60_000
/** How soon: a refresh token counts as arrived this long after the first use of its access token, at the latest. */
const flushEvery = "1 second"
const capacity = 100_000

/**
 * Writes down when sessions are used, in batches. `last_used_at > rotated_at` means that an access token which was
 * issued with the current refresh token has been used, so the client has that refresh token (see `Sessions.rotate`);
 * access tokens from before the rotation say nothing about it and are not written down.
 */
export class SessionUse extends Context.Service<
  SessionUse,
  {
    /** An access token that was issued at rotation `counter` of the session was used. */
    readonly seen: (sessionId: SessionId, counter: number, nowMillis: number) => void
    /** Writes what was seen since the last time. Happens every second, and at the end. */
    readonly flush: Effect.Effect<void>
  }
>()("@joy/auth/SessionUse") {
  static readonly layer: Layer.Layer<SessionUse, never, SqlClient.SqlClient> = Layer.effect(
    SessionUse,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const written = new Map<SessionId, { readonly counter: number; readonly at: number }>()
      let waiting = new Map<SessionId, number>()

      const seen = (sessionId: SessionId, counter: number, now: number) => {
        const last = written.get(sessionId)
        if (last !== undefined && last.counter >= counter && now - last.at < touchMillis) return
        written.delete(sessionId)
        written.set(sessionId, { counter, at: now })
        waiting.set(sessionId, counter)
        for (const [oldest, { at }] of written) {
          if (now - at < touchMillis && written.size <= capacity) break
          written.delete(oldest)
        }
      }

      const flush = Effect.suspend(() => {
        if (waiting.size === 0) return Effect.void
        const batch = waiting
        waiting = new Map()
        // Rows that are being rotated or ended are passed over: waiting for several rows could deadlock with who ends
        // all sessions of a user, and a rotation is a use itself.
        return sql`
          WITH used AS (
            SELECT s.id FROM sessions s
            JOIN unnest(${[...batch.keys()]}::uuid[], ${[...batch.values()]}::int[]) AS b (id, counter)
              ON b.id = s.id AND b.counter = s.counter
            WHERE s.revoked_at IS NULL
            FOR UPDATE OF s SKIP LOCKED
          )
          UPDATE sessions SET last_used_at = clock_timestamp() FROM used WHERE sessions.id = used.id`.pipe(
          Effect.catchCause((cause) => {
            for (const id of batch.keys()) written.delete(id)
            return Effect.logWarning("The use of sessions was not written down; their next use is", cause)
          })
        )
      }).pipe(Effect.asVoid)

      yield* Effect.addFinalizer(() => flush)
      yield* flush.pipe(Effect.repeat(Schedule.spaced(flushEvery)), Effect.forkScoped)
      return SessionUse.of({ seen, flush })
    })
  )
}
