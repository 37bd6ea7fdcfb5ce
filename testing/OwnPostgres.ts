import { join } from "node:path"

import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Database from "@joy/server/Database"
import * as EmbeddedPostgres from "@joy/server/postgres/EmbeddedPostgres"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"

import * as Joy from "./Joy.ts"
import { TestDatabase } from "./TestDatabase.ts"

/** A Postgres of somebody's own, which can be restarted without anybody else noticing. Nothing is in it. */
export class OwnPostgres extends Context.Service<
  OwnPostgres,
  {
    /** Stops it, which ends every connection, and starts it again where it was. */
    readonly restart: Effect.Effect<void>
  }
>()("@joy/testing/OwnPostgres") {
  static readonly layer: Layer.Layer<OwnPostgres | TestDatabase | PgClient.PgClient | SqlClient.SqlClient> =
    Layer.unwrap(
      Effect.gen(function* () {
        const folder = yield* Joy.folder
        const start = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const server = yield* EmbeddedPostgres.start({ dataDir: join(folder, "postgres"), durable: false }).pipe(
            Scope.provide(scope)
          )
          return { scope, server }
        })
        let { scope, server } = yield* start
        yield* Effect.addFinalizer(() => Effect.suspend(() => Scope.close(scope, Exit.void)))
        const { url } = server
        const restart = Effect.gen(function* () {
          yield* Scope.close(scope, Exit.void)
          ;({ scope, server } = yield* start)
        })
        return Database.layerFromUrl({ url, maxConnections: 5 }).pipe(
          Layer.provideMerge(
            Layer.merge(
              Layer.succeed(TestDatabase, { name: server.database, url }),
              Layer.succeed(OwnPostgres, { restart: Effect.orDie(restart) })
            )
          )
        )
      })
    ).pipe(Layer.orDie)
}
