import type * as PgClient from "@effect/sql-pg/PgClient"
import { SessionId, UserId } from "@joy/domain/Ids"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"

import * as Announcements from "./Announcements.ts"
import { AuthConfig } from "./AuthConfig.ts"
import { clockTolerance } from "./KeyFile.ts"
import { entryTtlMillis, SessionIndex } from "./SessionIndex.ts"

/** A message is a kind and an id. */
const ended = "ended:"
const changed = "changed:"

const isSessionId = Schema.is(SessionId)
const isUserId = Schema.is(UserId)

const make = Effect.gen(function* () {
  const announcements = yield* Announcements.make
  const { announce, heardByAll, sql } = announcements
  const index = yield* SessionIndex
  const { accessTokenTtl } = yield* AuthConfig
  const tokenMillis = Duration.toMillis(accessTokenTtl) + Duration.toMillis(clockTolerance)
  const keepMillis = Math.max(tokenMillis, 2 * entryTtlMillis)
  const endedUntil = new Map<SessionId, number>()
  const changedUntil = new Map<UserId, number>()

  /** Adds to a map whose oldest entries stand first, and drops those that have run out. */
  const remember = <K>(map: Map<K, number>, keys: ReadonlyArray<K>) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      for (const key of keys) {
        map.delete(key)
        map.set(key, now + keepMillis)
      }
      for (const [oldest, until] of map) {
        if (until > now) break
        map.delete(oldest)
      }
    })

  const end = Effect.fn("Revocations.end")(function* (ids: ReadonlyArray<SessionId>) {
    if (ids.length > 0) yield* announce(ids.map((id) => ended + id))
    yield* sql.afterCommit(
      Effect.andThen(
        remember(endedUntil, ids),
        Effect.all([index.end(ids), heardByAll], { concurrency: "unbounded", discard: true })
      )
    )
  }, Effect.orDie)

  const change = Effect.fn("Revocations.change")(function* (userIds: ReadonlyArray<UserId>) {
    if (userIds.length > 0) yield* announce(userIds.map((id) => changed + id))
    yield* sql.afterCommit(Effect.andThen(remember(changedUntil, userIds), heardByAll))
  }, Effect.orDie)

  const service = (hearsSince: () => number | null) =>
    Revocations.of({
      end,
      change,
      hasEnded: (id) => endedUntil.has(id),
      hasChanged: (userId) => changedUntil.has(userId),
      hearsSince
    })

  const hear = (message: string) => {
    const id = message.slice(message.indexOf(":") + 1)
    if (message.startsWith(ended) && isSessionId(id)) return remember(endedUntil, [id])
    if (message.startsWith(changed) && isUserId(id)) return remember(changedUntil, [id])
    return Effect.void
  }

  return { announcements, hear, service }
})

/**
 * Who must not be believed in any more. Postgres tells every process (NOTIFY, sent when the transaction commits), and
 * each keeps the ids as long as an access token or an index entry from before could be shown to it.
 */
export class Revocations extends Context.Service<
  Revocations,
  {
    /**
     * Announces in the current transaction that sessions have ended. Once it is committed and done, no process takes them
     * for live, nor any that were announced before: also call it without ids where somebody else was first.
     */
    readonly end: (ids: ReadonlyArray<SessionId>) => Effect.Effect<void>
    /** As `end`, for what users may do. */
    readonly change: (userIds: ReadonlyArray<UserId>) => Effect.Effect<void>
    /** Whether the session is known to have ended. */
    readonly hasEnded: (id: SessionId) => boolean
    /** Whether index entries of the user may be out of date. */
    readonly hasChanged: (userId: UserId) => boolean
    /**
     * Since when by the database's clock (milliseconds) all announcements were heard. What was read from the database after
     * that, by whomever, holds unless its end or change was announced here. `null` while that is not certain, when only
     * the database can be believed.
     */
    readonly hearsSince: () => number | null
  }
>()("@joy/auth/Revocations") {
  /** Announces, but hears nothing: the database is asked for everything. For tools that run once. */
  static readonly layerAnnounceOnly: Layer.Layer<
    Revocations,
    never,
    AuthConfig | SessionIndex | SqlClient.SqlClient | PgClient.PgClient
  > = Layer.effect(
    Revocations,
    Effect.map(make, ({ service }) => service(() => null))
  )

  /** Announces and listens, on a connection of its own. */
  static readonly layer: Layer.Layer<
    Revocations,
    never,
    AuthConfig | SessionIndex | SqlClient.SqlClient | PgClient.PgClient
  > = Layer.effect(
    Revocations,
    Effect.gen(function* () {
      const { announcements, hear, service } = yield* make
      const { hearsSince } = yield* Announcements.listen(announcements, hear)
      return service(hearsSince)
    })
  )
}
