import { join } from "node:path"

import { migrations } from "@joy/migrations/Migrations"
import * as Database from "@joy/server/Database"
import * as EmbeddedPostgres from "@joy/server/postgres/EmbeddedPostgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"

import type { PostgresService } from "./TestServices.ts"

const template = "joy_template"

const migrate = Migrator.make({})({ loader: Migrator.fromRecord(migrations) })

/** The run's Postgres. Its template is migrated once; copying it takes a fraction of migrating again. */
export class PostgresTemplate extends Context.Service<PostgresTemplate, typeof PostgresService.Type>()(
  "@joy/testing/PostgresTemplate"
) {
  static readonly layer = (folder: string) =>
    Layer.effect(
      PostgresTemplate,
      Effect.gen(function* () {
        const server = yield* EmbeddedPostgres.start({
          dataDir: join(folder, "postgres"),
          durable: false,
          // A pool per test file, and whatever a test starts besides.
          settings: { max_connections: "200", max_wal_size: "1GB" }
        })
        const withDatabase = (name: string) => {
          const url = new URL(Redacted.value(server.url))
          url.pathname = `/${name}`
          return Redacted.make(url.href)
        }
        const adminUrl = withDatabase("postgres")
        yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE DATABASE ${sql(template)}`).pipe(
          Effect.provide(Database.layerFromUrl({ url: adminUrl }))
        )
        yield* migrate.pipe(Effect.provide(Database.layerFromUrl({ url: withDatabase(template) })))
        return { adminUrl: Redacted.value(adminUrl), template }
      })
    )
}
