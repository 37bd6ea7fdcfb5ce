import * as PgClient from "@effect/sql-pg/PgClient"
import { HotReads } from "@joy/domain/HotReads"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as String from "effect/String"

import { registry } from "./postgres/Timestamptz.ts"

export interface DatabaseOptions {
  readonly url: Redacted.Redacted
  /** Connections the pool may hold; 10 when absent. */
  readonly maxConnections?: number | undefined
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string | undefined
}

/**
 * How every client of ours speaks with Postgres: snake_case there, camelCase here (names of columns, never what is
 * inside of JSON), and `timestamptz` as ISO 8601 text with microseconds.
 */
export const clientConfig = (options: DatabaseOptions): PgClient.PgPoolConfig => ({
  url: options.url,
  maxConnections: options.maxConnections,
  applicationName: options.applicationName ?? "joy",
  transformQueryNames: String.camelToSnake,
  transformResultNames: String.snakeToCamel,
  transformJson: false,
  types: registry
})

/** A process that stands still in the middle of a transaction loses it, and what it has locked is there for the others. */
const transactionPatience = "10s"

/** A pool that connects when it is first used. */
export const layerFromUrl = (
  options: DatabaseOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layer({
    ...clientConfig(options),
    startupParameters: { idle_in_transaction_session_timeout: transactionPatience }
  })

/** As many statements as requests may be under way share these connections; more of them would share less. */
const hotConnections = 4

/** Reads by key take less than a millisecond: whatever takes this long stands in the way of all others. */
const hotPatience = "2s"

/** The client of `HotReads`, beside the pool. */
export const layerHotReads = (options: Pick<DatabaseOptions, "url" | "applicationName">) =>
  Layer.effect(
    HotReads,
    PgClient.make({
      ...clientConfig({ ...options, maxConnections: hotConnections }),
      multiplex: true,
      startupParameters: { statement_timeout: hotPatience },
      transformResultNames: undefined
    })
  ).pipe(Layer.provide(Reactivity.layer))
