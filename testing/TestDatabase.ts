import { randomBytes } from "node:crypto"

import type * as PgClient from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import type { HotReads } from "@joy/domain/HotReads"
import type { DatabaseOptions } from "@joy/server/Database"
import * as Database from "@joy/server/Database"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"

import * as TestServices from "./TestServices.ts"

/**
 * A database of its own for every layer, dropped with it: a copy of one that has all migrations. The pool's is set up
 * like production's. A layer is built once per `layer(...)` block, so the tests of a block share its rows.
 */
export class TestDatabase extends Context.Service<
  TestDatabase,
  {
    readonly name: string
    /** For what connects by itself, such as a `joy` started by a test. */
    readonly url: Redacted.Redacted
  }
>()("@joy/testing/TestDatabase") {}

const make = Effect.fnUntraced(function* (template: string | null) {
  const service = yield* TestServices.postgres
  const admin = yield* PgConnection.make({ url: Redacted.make(service.adminUrl), applicationName: "joy test" })
  const name = `test_${randomBytes(8).toString("hex")}`
  // Copying files beats copying pages through the log for a database this small, when nothing is synced.
  yield* Effect.acquireRelease(
    admin.query(`CREATE DATABASE "${name}" TEMPLATE "${template ?? service.template}" STRATEGY file_copy`),
    () => Effect.ignore(admin.query(`DROP DATABASE "${name}" WITH (FORCE)`))
  )
  const url = new URL(service.adminUrl)
  url.pathname = `/${name}`
  return { name, url: Redacted.make(url.href) }
}, Effect.orDie)

type Options = Omit<DatabaseOptions, "url">

const layerFrom = (
  template: string | null,
  options: Options
): Layer.Layer<TestDatabase | PgClient.PgClient | SqlClient.SqlClient | HotReads> =>
  Layer.unwrap(
    Effect.map(TestDatabase, ({ url }) =>
      Layer.orDie(
        Layer.merge(Database.layerFromUrl({ maxConnections: 5, ...options, url }), Database.layerHotReads({ url }))
      )
    )
  ).pipe(Layer.provideMerge(Layer.effect(TestDatabase, make(template))))

/** A fresh database with all migrations. */
export const layer = layerFrom(null, {})

/** As `layer`, with another pool. */
export const layerWith = (options: Options) => layerFrom(null, options)

/** A fresh database with nothing in it. */
export const layerEmpty = layerFrom("template0", {})
