import { existsSync } from "node:fs"
import * as Path from "node:path"

import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { Configuration } from "../config/Configuration.ts"
import * as Database from "../Database.ts"
import * as EmbeddedPostgres from "../postgres/EmbeddedPostgres.ts"
import * as Progress from "../Progress.ts"

/** The database can't be used, for a reason that only a person can mend. */
export class DatabaseUnreachable extends Schema.TaggedError<DatabaseUnreachable>()("DatabaseUnreachable", {
  where: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `The database at ${this.where} can't be reached: ${this.reason}`
  }
}

/** No `DATABASE_URL` is set, and no `joy up` runs whose database could be used. */
export class DatabaseMissing extends Schema.TaggedError<DatabaseMissing>()("DatabaseMissing", {
  dataDir: Schema.String
}) {
  override get message() {
    return `There is no database: set DATABASE_URL, or start "joy up" on ${this.dataDir} first.`
  }
}

/** The embedded database ended although nobody asked it to. */
export class DatabaseLost extends Schema.TaggedError<DatabaseLost>()("DatabaseLost", { detail: Schema.String }) {
  override get message() {
    return `The database ended by itself (${this.detail}), and joy with it. Nothing is lost: start again.`
  }
}

/** Where the folder of the embedded database is. */
export const folder = (dataDir: string) => Path.join(dataDir, "postgres")

const withoutPassword = (url: Redacted.Redacted) => {
  const parsed = URL.parse(Redacted.value(url))
  return parsed === null ? "DATABASE_URL" : `${parsed.host}${parsed.pathname}`
}

/** Opens the pool and asks it something, so that a wrong URL is told at the start and not by the first request. */
const connected = (url: Redacted.Redacted, applicationName: string) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const context = yield* Layer.build(
        Layer.merge(
          Database.layerFromUrl({ url, applicationName, maxConnections: 20 }),
          Database.layerHotReads({ url, applicationName })
        )
      )
      yield* Context.get(context, SqlClient.SqlClient)`SELECT 1`.pipe(Effect.timeout("10 seconds"))
      return context
    }).pipe(
      Effect.mapError((error) => {
        const reason = error._tag === "SqlError" ? error.reason.message : "it does not answer"
        return new DatabaseUnreachable({ where: withoutPassword(url), reason })
      })
    )
  )

/**
 * The database of a process that owns its data folder: the one of `DATABASE_URL`, else one of its own. When that ends by
 * itself `lost` fails: without its database the process is worth nothing, and the next start recovers.
 */
export const owned = (lost: Deferred.Deferred<never, DatabaseLost>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { dataDir, databaseUrl } = yield* Configuration
      if (databaseUrl !== null) return connected(databaseUrl, "joy")
      yield* Progress.step("Starting the database")
      const postgres = yield* EmbeddedPostgres.start({ dataDir: folder(dataDir) })
      yield* Effect.forkScoped(
        Effect.flatMap(postgres.exit, ({ code, signal }) =>
          Deferred.fail(lost, new DatabaseLost({ detail: signal === null ? `exit code ${code}` : signal }))
        )
      )
      return connected(postgres.url, "joy")
    })
  )

/**
 * The database for a command that runs once, beside others or alone: as `found`; where no `joy up` runs, the embedded one is
 * started for as long as the command takes. `make`: also where there is none yet.
 */
export const borrowed = (options: { readonly make: boolean; readonly applicationName: string }) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { dataDir, databaseUrl } = yield* Configuration
      if (databaseUrl !== null) return connected(databaseUrl, options.applicationName)
      const place = folder(dataDir)
      const running = yield* EmbeddedPostgres.discover(place)
      if (Option.isSome(running)) return connected(running.value.url, options.applicationName)
      if (!options.make && !existsSync(Path.join(place, "data"))) return yield* new DatabaseMissing({ dataDir })
      const postgres = yield* EmbeddedPostgres.start({ dataDir: place })
      return connected(postgres.url, options.applicationName)
    })
  )

/** The database of a process beside others: the one of `DATABASE_URL`, else that of the `joy up` on the same folder. */
export const found = Layer.unwrap(
  Effect.gen(function* () {
    const { dataDir, databaseUrl } = yield* Configuration
    if (databaseUrl !== null) return connected(databaseUrl, "joy")
    const running = yield* EmbeddedPostgres.discover(folder(dataDir))
    if (Option.isNone(running)) return yield* new DatabaseMissing({ dataDir })
    return connected(running.value.url, "joy")
  })
)
