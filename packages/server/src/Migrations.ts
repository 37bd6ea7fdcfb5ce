import { migrations, newest } from "@joy/migrations/Migrations"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"

const table = "joy_migrations"

export { newest }

/** The database was migrated by a newer version of the program: this one would damage what it doesn't know. */
export class DatabaseNewer extends Schema.TaggedError<DatabaseNewer>()("DatabaseNewer", {
  found: Schema.Finite,
  known: Schema.Finite
}) {
  override get message() {
    return (
      `The database is at migration ${this.found}, this version knows up to ${this.known}: ` +
      "it belongs to a newer version of joy. Upgrade, or use another database."
    )
  }
}

/** The database lacks migrations, and this command does not run them. */
export class DatabaseBehind extends Schema.TaggedError<DatabaseBehind>()("DatabaseBehind", {
  found: Schema.Finite,
  needed: Schema.Finite
}) {
  override get message() {
    return `The database is at migration ${this.found} and needs ${this.needed}: run "joy migrate" first.`
  }
}

/** The number of the newest migration that the database has; 0 for an empty database. */
export const current = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [exists] = yield* sql<{ exists: boolean }>`SELECT to_regclass(${table}) IS NOT NULL AS exists`
  if (exists?.exists !== true) return 0
  const [row] = yield* sql<{ latest: number | null }>`SELECT max(migration_id)::int AS latest FROM ${sql(table)}`
  return row?.latest ?? 0
})

const refuseNewer = (found: number) =>
  found > newest ? Effect.fail(new DatabaseNewer({ found, known: newest })) : Effect.void

/** Brings the database to the newest migration, all pending ones in one transaction. Gives those that it ran. */
export const run = Effect.gen(function* () {
  yield* Effect.flatMap(current, refuseNewer)
  return yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table })
})

/** Brings an empty database to where another one was. */
export const runUpTo = (last: number) => {
  const some = Object.fromEntries(Object.entries(migrations).filter(([name]) => Number.parseInt(name, 10) <= last))
  return Effect.asVoid(Migrator.make({})({ loader: Migrator.fromRecord(some), table }))
}

/** Fails unless the database is just where this version needs it. */
export const requireCurrent = Effect.gen(function* () {
  const found = yield* current
  yield* refuseNewer(found)
  if (found < newest) return yield* new DatabaseBehind({ found, needed: newest })
})
