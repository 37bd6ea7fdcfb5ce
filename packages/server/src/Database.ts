import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Layer from "effect/Layer"
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
  /**
   * Puts the statements of many fibers on one connection: for hot single-statement reads only, since interrupting
   * one does not cancel it in the server.
   */
  readonly multiplex?: boolean | undefined
  /** Session defaults such as `statement_timeout`. */
  readonly startupParameters?: Readonly<Record<string, string>> | undefined
}

/**
 * How every client of ours speaks with Postgres: snake_case there, camelCase here (names of columns, never what is
 * inside of JSON), and `timestamptz` as ISO 8601 text with microseconds.
 */
export const clientConfig = (options: DatabaseOptions): PgClient.PgPoolConfig => ({
  url: options.url,
  maxConnections: options.maxConnections,
  applicationName: options.applicationName ?? "joy",
  multiplex: options.multiplex,
  startupParameters: options.startupParameters,
  transformQueryNames: String.camelToSnake,
  transformResultNames: String.snakeToCamel,
  transformJson: false,
  types: registry
})

/** A pool that connects when it is first used. */
export const layerFromUrl = (
  options: DatabaseOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> => PgClient.layer(clientConfig(options))
