import { assert, describe, it, layer } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import * as TestDatabase from "@joy/testing/TestDatabase"
import { TestRedis } from "@joy/testing/TestRedis"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

describe("TestDatabase", () => {
  layer(TestDatabase.layer)("with all migrations", (it) => {
    it.effect("has their tables", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ readonly tables: number }>`
          SELECT count(*)::int AS tables FROM information_schema.tables WHERE table_schema = 'public'`
        assert.isAbove(rows[0]?.tables ?? 0, 1)
      })
    )

    it.effect("keeps rows between the tests of a block", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE kept (some_name int)`
        yield* sql`INSERT INTO kept ${sql.insert({ someName: 1 })}`
      })
    )

    it.effect("speaks camelCase here and snake_case there", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SELECT * FROM kept`, [{ someName: 1 }])
      })
    )
  })

  layer(TestDatabase.layer)("another block", (it) => {
    it.effect("has another database", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql`SELECT to_regclass('kept')::text AS kept`
        assert.deepStrictEqual(rows, [{ kept: null }])
      })
    )
  })

  it.effect("an empty one has no tables", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { name } = yield* TestDatabase.TestDatabase
      const rows = yield* sql<{ readonly tables: number; readonly name: string }>`
        SELECT count(*)::int AS tables, current_database()::text AS name
        FROM information_schema.tables WHERE table_schema = 'public'`
      assert.deepStrictEqual(rows, [{ tables: 0, name }])
    }).pipe(Effect.provide(TestDatabase.layerEmpty))
  )
})

describeWith(["redis"], "TestRedis", () => {
  it.effect("gives every layer a database of its own", () =>
    Effect.gen(function* () {
      const url = Effect.map(TestRedis, ({ url }) => Redacted.value(url))
      const first = yield* Effect.provide(url, TestRedis.layer)
      const second = yield* Effect.provide(url, TestRedis.layer, { local: true })
      assert.match(first, /^redis:\/\//)
      assert.notStrictEqual(first, second)
    })
  )
})
