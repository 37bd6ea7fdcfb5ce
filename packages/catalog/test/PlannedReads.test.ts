import { assert, layer } from "@effect/vitest"
import { planned } from "@joy/catalog/PlannedReads"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { services } from "./TestCatalog.ts"

layer(services)("reads that may be slow", (it) => {
  it.effect("end after some seconds, as what may be asked again, and leave nothing behind on their connection", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const defect = yield* planned(sql, sql`SELECT pg_sleep(60)`).pipe(
        Effect.as(null),
        Effect.catchDefect((defect) => Effect.succeed(defect))
      )
      assert.isTrue(isSqlError(defect) && defect.isRetryable)
      const settings = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, at) => at),
        () => sql<{ timeout: string }>`SELECT current_setting('statement_timeout') AS timeout`,
        { concurrency: 20 }
      )
      assert.deepStrictEqual([...new Set(settings.flat().map(({ timeout }) => timeout))], ["0"])
    })
  )
})
