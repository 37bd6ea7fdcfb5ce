import * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"

import * as SharedRuns from "./SharedRuns.ts"

/**
 * How processes that answer from copies hear of what is over. Postgres delivers (NOTIFY) what was committed, to everybody
 * who listens, in one order, that of the commits; but a connection may be dead without a sign of it. So:
 *
 * - A process trusts its copies only for `trustMillis` after the moment that it sent a heartbeat which it has heard itself:
 *   at that moment it had missed nothing. The heartbeat first says in `session_listeners` how long that will be.
 * - Who ended something asks, once it is committed, all who are written down there whether they have heard, and is done
 *   when they have said so, or when `trustMillis` have passed: nobody trusts what they copied before by then. A process
 *   that is not written down yet begins with a heartbeat that comes after the end.
 *
 * That the clocks of two machines differ does no harm; they must run at about one speed.
 */

/** Messages are a kind, a colon, and more. */
const channel = "joy_sessions"
const alive = "alive:"
const question = "heard?:"
/** Answers are for those who ask at the moment. */
const answers = "joy_sessions_heard"

const trustMillis = 5_000
const heartbeatEvery = "2 seconds"
const lookAgainEvery = "250 millis"
/** What the database writes down is a little longer than what the process goes by. */
const slackMillis = 500

/**
 * Waits for work on a connection for as long as it may take. Interrupting a statement waits for the server; on a dead line
 * that would be for ever, so what takes too long is left to end in its scope.
 */
const patiently = <A, E, R>(work: Effect.Effect<A, E, R>, scope: Scope.Scope) =>
  Effect.flatMap(Effect.forkIn(work, scope), (fiber) => Effect.timeout(Fiber.join(fiber), trustMillis))

const millis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** The sending side. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const pg = yield* PgClient.PgClient
  const scope = yield* Effect.scope
  const share = yield* SharedRuns.make<string, void, never>()

  /** Announces when the current transaction commits. */
  const announce = (messages: ReadonlyArray<string>) =>
    sql`SELECT pg_notify(${channel}, message) FROM unnest(${messages}::text[]) AS message`

  const trusting = Effect.map(
    sql<{ readonly id: string }>`SELECT id FROM session_listeners WHERE trusts_until > clock_timestamp()`,
    (rows) => new Set(rows.map(({ id }) => id))
  )

  const ask = Effect.gen(function* () {
    const id = SecureRandom.uuidV7Unsafe()
    const heard = yield* pg.listen(answers)
    const missing = yield* trusting
    if (missing.size > 0) yield* announce([question + id])
    while (missing.size > 0) {
      const answer = yield* Effect.timeoutOption(Queue.take(heard), lookAgainEvery)
      if (Option.isSome(answer)) {
        const { payload } = answer.value
        if (payload.startsWith(`${id}:`)) missing.delete(payload.slice(id.length + 1))
      } else {
        // Who lost their line meanwhile has gone, and says nothing.
        const left = yield* trusting
        for (const who of missing) if (!left.has(who)) missing.delete(who)
      }
    }
  }).pipe(Effect.scoped)

  /** Waits until nobody answers any more from copies that are older than the call. */
  const heardByAll = share(
    "all",
    Effect.gen(function* () {
      const asking = yield* ask.pipe(
        // Whatever goes wrong, an end is not answered sooner for it.
        Effect.catchCause(Effect.fail),
        Effect.retry(Schedule.spaced(lookAgainEvery)),
        Effect.forkIn(scope)
      )
      yield* Effect.timeoutOption(Fiber.await(asking), trustMillis + slackMillis)
      yield* Effect.forkIn(Fiber.interrupt(asking), scope)
    })
  )

  return { sql, pg, announce, heardByAll }
})

/** The listening side as well: `hear` gets each message but those of this module. Ends with the scope. */
export const listen = Effect.fnUntraced(function* (
  { pg, sql }: Effect.Success<typeof make>,
  hear: (message: string) => Effect.Effect<void>
) {
  const clock = yield* Clock.Clock
  const outer = yield* Effect.scope
  let since: number | null = null
  let trustedUntil = Number.NEGATIVE_INFINITY
  let self: string | null = null

  /** So that nobody waits for us. Where it fails they do, for as long as we might have trusted. */
  const leave = (name: string) =>
    sql`DELETE FROM session_listeners WHERE id = ${name}`.pipe(
      Effect.interruptible,
      Effect.timeout("1 second"),
      Effect.ignoreCause
    )

  /** Listens until the line is lost. Each time under another name: who listens anew trusts nothing from before. */
  const attendIn = Effect.fnUntraced(function* (scope: Scope.Scope) {
    const queue = yield* patiently(Scope.provide(pg.listen(channel), scope), scope)
    // There was no leaving while the database was away.
    if (self !== null) yield* Effect.forkIn(leave(self), outer)
    const name = SecureRandom.uuidV7Unsafe()
    self = name

    const heartbeat = Effect.gen(function* () {
      const now = yield* millis
      yield* sql`
        WITH kept AS (
          INSERT INTO session_listeners (id, trusts_until)
          VALUES (${name}, clock_timestamp() + ${trustMillis + slackMillis}::float8 * interval '1 millisecond')
          ON CONFLICT (id) DO UPDATE SET trusts_until = excluded.trusts_until
          RETURNING id
        )
        SELECT pg_notify(${channel}, ${`${alive}${name}:${now}`}) FROM kept`
      return now
    })

    /** Fails when a heartbeat that was sent is not heard before the next one is due: the connection is dead. */
    const beat = Effect.gen(function* () {
      const sentAt = yield* Effect.orElseSucceed(patiently(heartbeat, scope), () => null)
      yield* Effect.sleep(heartbeatEvery)
      if (sentAt !== null && trustedUntil < sentAt + trustMillis) return yield* Effect.fail("Nothing is heard")
    })

    const take = Effect.fnUntraced(function* (message: string) {
      if (message.startsWith(question)) {
        const answer = `${message.slice(question.length)}:${name}`
        yield* Effect.forkIn(Effect.ignoreCause(sql`SELECT pg_notify(${answers}, ${answer})`), scope)
      } else if (message.startsWith(`${alive}${name}:`)) {
        trustedUntil = Number(message.slice(alive.length + name.length + 1)) + trustMillis
      } else yield* hear(message)
    })
    const hearing = Effect.flatMap(Queue.take(queue), ({ payload }) => take(payload))

    trustedUntil = Number.NEGATIVE_INFINITY
    const [now] = yield* sql<{ readonly millis: number }>`
      SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS millis`
    since = now?.millis ?? null
    return yield* Effect.onExit(Effect.raceFirst(Effect.forever(hearing), Effect.forever(beat)), (exit) => {
      since = null
      if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return leave(name)
      const lost = "Announcements of ended sessions are not heard; asking the database for each"
      return Effect.andThen(Effect.logWarning(lost, exit.cause), Effect.forkIn(leave(name), outer))
    })
  })
  const attend = Effect.gen(function* () {
    const scope = yield* Scope.fork(outer)
    // Closing it waits for the connection, which may be dead.
    return yield* Effect.onExit(attendIn(scope), (exit) => Effect.forkIn(Scope.close(scope, exit), outer))
  }).pipe(Effect.catchDefect(Effect.fail))

  // Those that were killed.
  yield* Effect.ignoreCause(sql`DELETE FROM session_listeners WHERE trusts_until < now() - interval '1 hour'`)
  yield* Effect.forkScoped(Effect.retry(attend, Schedule.spaced("1 second")))

  return {
    /** Since when by the database's clock (milliseconds) everything was heard; `null` while that is not certain. */
    hearsSince: () => (Number(clock.monotonicTimeNanosUnsafe()) / 1e6 < trustedUntil ? since : null)
  }
})
