import * as PgClient from "@effect/sql-pg/PgClient"
import { SessionId, UserId } from "@joy/domain/Ids"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { AuthConfig } from "./AuthConfig.ts"
import { clockTolerance } from "./KeyFile.ts"
import { entryTtlMillis, SessionIndex } from "./SessionIndex.ts"

/** Where processes tell each other. A message is a kind, a colon, and an id. */
const channel = "joy_sessions"
const ended = "ended:"
const changed = "changed:"
const heartbeat = "alive:"

/** A silent connection may be a dead one: everyone announces that they live, and who hears nothing connects anew. */
const heartbeatEvery = "5 seconds"
const silenceIsDeath = "15 seconds"

const isSessionId = Schema.is(SessionId)
const isUserId = Schema.is(UserId)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const index = yield* SessionIndex
  const { accessTokenTtl } = yield* AuthConfig
  const tokenMillis = Duration.toMillis(accessTokenTtl) + Duration.toMillis(clockTolerance)
  const keepMillis = Math.max(tokenMillis, 2 * entryTtlMillis)
  const state: { listening: { epoch: number; sinceMillis: number } | null; epoch: number } = {
    listening: null,
    epoch: 0
  }
  const endedUntil = new Map<SessionId, number>()
  const changedUntil = new Map<UserId, number>()

  /** Adds to a map whose oldest entries stand first, and drops those that have run out. */
  const remember = <K>(map: Map<K, number>, key: K, now: number) => {
    map.delete(key)
    map.set(key, now + keepMillis)
    for (const [oldest, until] of map) {
      if (until > now) break
      map.delete(oldest)
    }
  }

  const announce = (messages: ReadonlyArray<string>) =>
    sql`SELECT pg_notify(${channel}, message) FROM unnest(${messages}::text[]) AS message`.pipe(Effect.orDie)

  const service = Revocations.of({
    end: Effect.fn("Revocations.end")(function* (ids: ReadonlyArray<SessionId>) {
      if (ids.length === 0) return
      yield* announce(ids.map((id) => ended + id))
      yield* sql.afterCommit(
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          for (const id of ids) remember(endedUntil, id, now)
          return index.end(ids)
        })
      )
    }),
    change: Effect.fn("Revocations.change")(function* (userIds: ReadonlyArray<UserId>) {
      if (userIds.length === 0) return
      yield* announce(userIds.map((id) => changed + id))
      yield* sql.afterCommit(
        Effect.map(Clock.currentTimeMillis, (now) => {
          for (const id of userIds) remember(changedUntil, id, now)
        })
      )
    }),
    hasEnded: (id) => endedUntil.has(id),
    hasChanged: (userId) => changedUntil.has(userId),
    listening: () => state.listening
  })

  const hear = (payload: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const id = payload.slice(payload.indexOf(":") + 1)
      if (payload.startsWith(ended) && isSessionId(id)) remember(endedUntil, id, now)
      if (payload.startsWith(changed) && isUserId(id)) remember(changedUntil, id, now)
    })

  return { service, state, hear, announce }
})

/**
 * Who must not be believed in any more. Postgres tells every process (NOTIFY, sent when the transaction commits), and
 * each keeps the ids as long as an access token or an index entry from before could be shown to it.
 */
export class Revocations extends Context.Service<
  Revocations,
  {
    /** Announces in the current transaction that sessions have ended; after it, nobody here takes them for live. */
    readonly end: (ids: ReadonlyArray<SessionId>) => Effect.Effect<void>
    /** Announces in the current transaction that what users may do has changed. */
    readonly change: (userIds: ReadonlyArray<UserId>) => Effect.Effect<void>
    /** Whether the session is known to have ended. */
    readonly hasEnded: (id: SessionId) => boolean
    /** Whether index entries of the user may be out of date. */
    readonly hasChanged: (userId: UserId) => boolean
    /**
     * The epoch while announcements are heard, and since when (milliseconds); `null` while they are not, when only the
     * database can be believed. What was copied in an earlier epoch may have missed an announcement.
     */
    readonly listening: () => { readonly epoch: number; readonly sinceMillis: number } | null
  }
>()("@joy/auth/Revocations") {
  /** Announces, but hears nothing: the database is asked for everything. For tools that run once. */
  static readonly layerAnnounceOnly: Layer.Layer<Revocations, never, AuthConfig | SessionIndex | SqlClient.SqlClient> =
    Layer.effect(
      Revocations,
      Effect.map(make, ({ service }) => service)
    )

  /** Announces and listens, on a connection of its own. */
  static readonly layer: Layer.Layer<
    Revocations,
    never,
    AuthConfig | SessionIndex | SqlClient.SqlClient | PgClient.PgClient
  > = Layer.effect(
    Revocations,
    Effect.gen(function* () {
      const pg = yield* PgClient.PgClient
      const { announce, hear, service, state } = yield* make

      const listen = Effect.gen(function* () {
        const queue = yield* pg.listen(channel)
        state.listening = { epoch: ++state.epoch, sinceMillis: yield* Clock.currentTimeMillis }
        return yield* Queue.take(queue).pipe(
          Effect.timeout(silenceIsDeath),
          Effect.flatMap(({ payload }) => hear(payload)),
          Effect.forever
        )
      }).pipe(
        Effect.scoped,
        Effect.catchDefect(Effect.fail),
        Effect.ensuring(
          Effect.sync(() => {
            state.listening = null
          })
        ),
        Effect.tapCause((cause) =>
          Effect.logWarning("Announcements of ended sessions are not heard; asking the database for each", cause)
        )
      )
      yield* listen.pipe(
        Effect.retry(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])),
        Effect.forkScoped
      )
      yield* announce([heartbeat]).pipe(
        Effect.ignoreCause,
        Effect.repeat(Schedule.spaced(heartbeatEvery)),
        Effect.forkScoped
      )
      return service
    })
  )
}
