import { Client, Pool, type QueryResultRow, types as pgTypes } from "pg"

/**
 * pg at its best: every statement prepared once per connection, hot reads pipelined over a few connections, and a pool
 * of its own for writes, which must not hold up reads behind them. Times stay text, as joy's do.
 */
const pipelined = 4
const pooled = 20

/** `2026-11-22 16:31:00.1234+00` as `2026-11-22T16:31:00.123400Z`. */
const isoText = (text: string) => {
  const fraction = text.slice(19, -3)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}${fraction === "" ? ".000000" : fraction.padEnd(7, "0")}Z`
}

const timestamptz = 1184

const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === timestamptz && format !== "binary" ? isoText : pgTypes.getTypeParser(oid, format)
}

export type Query = <Row extends QueryResultRow>(
  text: string,
  values: ReadonlyArray<unknown>
) => Promise<ReadonlyArray<Row>>

export interface Database {
  /** One statement that reads and is quick. */
  readonly read: Query
  /** Anything else. */
  readonly write: Query
}

export const connect = async (connectionString: string): Promise<Database> => {
  const config = { connectionString, types, options: "-c TimeZone=UTC" }
  const clients = await Promise.all(
    Array.from({ length: pipelined }, async () => {
      const client = new Client({ ...config, pipeline: true })
      await client.connect()
      return client
    })
  )
  const pool = new Pool({ ...config, max: pooled, idleTimeoutMillis: 0 })

  const names = new Map<string, string>()
  const prepared = (text: string, values: ReadonlyArray<unknown>) => {
    let name = names.get(text)
    if (name === undefined) names.set(text, (name = `s${names.size}`))
    return { name, text, values: [...values] }
  }
  let turn = 0
  return {
    read: async (text, values) => {
      const client = clients[turn++ % pipelined]
      if (client === undefined) throw new Error("There is no connection")
      return (await client.query(prepared(text, values))).rows
    },
    write: async (text, values) => (await pool.query(prepared(text, values))).rows
  }
}
