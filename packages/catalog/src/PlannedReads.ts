import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

/** Nobody waits longer for a list. */
const patience = "5s"

/**
 * Reads of what few or many items may have: a plan that was made for another word would be slow for this one. Each
 * statement has an end. Whatever the database says against them is a defect.
 */
export const planned = <A, E>(sql: SqlClient.SqlClient, reads: Effect.Effect<A, E | SqlError>) =>
  sql`
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
      set_config('statement_timeout', ${patience}, true)`.pipe(
    Effect.andThen(reads),
    sql.withTransaction,
    Effect.catchIf(isSqlError, Effect.die)
  )
