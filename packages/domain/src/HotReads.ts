import * as Context from "effect/Context"
import type * as SqlClient from "effect/sql/SqlClient"

/**
 * The client of what nearly every request reads: statements of many requests are on their way on one connection at
 * once, which halves what they cost the database. One that is slow holds up those behind it, and an interruption does
 * not end it there (`statement_timeout` does). So it is for single statements that find few rows by a key, and neither
 * write nor lock. Columns come by the names that the statement gives them.
 */
export class HotReads extends Context.Service<HotReads, SqlClient.SqlClient>()("@joy/domain/HotReads") {}
