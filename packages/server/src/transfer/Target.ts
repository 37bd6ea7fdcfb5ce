import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

import { FileContradictory } from "./TransferError.ts"

/** A name as SQL has it, whatever is in it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** What the database does not take, as opposed to that it does not answer. */
const isContradiction = (error: unknown): error is SqlError =>
  isSqlError(error) && ["UniqueViolation", "ConstraintError", "UnknownError"].includes(error.reason._tag)

type Counts = Readonly<Record<string, number>>

/** Whether as much was found as is told of. */
export const isSame = (found: Counts, told: Counts): boolean =>
  [...new Set([...Object.keys(found), ...Object.keys(told)])].every((name) => (found[name] ?? 0) === (told[name] ?? 0))

/** All of it is done, or nothing. */
export const whole = <A, E, R>(path: string, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.catchIf(sql.withTransaction(effect), isContradiction, (error) =>
      Effect.fail(new FileContradictory({ path, reason: `something does not fit the rest (${error.reason.message})` }))
    )
  )

/** What there is in a database that is to be filled. One that was never migrated is empty. */
export const contents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [there] = yield* sql<{ readonly exists: boolean }>`
    SELECT to_regclass('users') IS NOT NULL AND to_regclass('media_items') IS NOT NULL AS exists`
  if (there?.exists !== true) return { users: 0, items: 0 }
  const [counts] = yield* sql<{ readonly users: number; readonly items: number }>`
    SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM media_items) AS items`
  return counts ?? { users: 0, items: 0 }
})

/**
 * Ids of events count transactions, those of another database too: whoever watched that one can't go on here, and is told
 * so.
 */
export const forgetWatchers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO events_pruned (transaction_id, id) VALUES (pg_current_xact_id(), ${2n ** 63n - 1n}::bigint)
    ON CONFLICT (single) DO UPDATE SET transaction_id = excluded.transaction_id, id = excluded.id`
})
