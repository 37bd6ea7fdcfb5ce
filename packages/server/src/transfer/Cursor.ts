import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

const rowsAtOnce = 1000

/** Everything in it is read as it is at one moment, whatever others write meanwhile. It holds nobody up. */
export const atOneMoment = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY`
        yield* sql`SET LOCAL TimeZone = 'UTC'`
        return yield* effect
      })
    )
  )

/** Gives each `line` of a query, in little memory. Belongs in a transaction. Says how many there were. */
export const each = Effect.fnUntraced(function* <E, R>(
  query: string,
  use: (line: string) => Effect.Effect<void, E, R>
): Effect.fn.Return<number, E | SqlError, R | SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(`DECLARE joy_lines NO SCROLL CURSOR FOR ${query}`)
  let count = 0
  while (true) {
    const rows = yield* sql.unsafe<{ readonly line: string }>(`FETCH ${rowsAtOnce} FROM joy_lines`)
    for (const { line } of rows) yield* use(line)
    count += rows.length
    if (rows.length < rowsAtOnce) break
  }
  yield* sql`CLOSE joy_lines`
  return count
})
