import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"

import { assert, describe, it } from "@effect/vitest"
import * as Migrations from "@joy/server/Migrations"
import * as Backup from "@joy/server/transfer/Backup"
import * as Restore from "@joy/server/transfer/Restore"
import * as Target from "@joy/server/transfer/Target"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { folder, lived } from "./Lived.ts"

/** On a database that nothing was ever done with. */
const elsewhere = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(effect, Layer.fresh(TestDatabase.layerEmpty), { local: true })

const table = (name: string, column: string) => JSON.stringify({ kind: "table", name, columns: [column] })

const linesOf = (path: string) => gunzipSync(readFileSync(path)).toString().trimEnd().split("\n")

describe("A backup", () => {
  it.live("is the same again elsewhere, and goes on from there [X2]", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* Migrations.run
      yield* lived
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO events (name, data) VALUES ('media.ready', '{}')`
      const counts = yield* Backup.write(join(path, "first"))
      assert.deepInclude(counts, { users: 1, media_items: 2, sessions: 1, shares: 1, roles: 4 })
      yield* elsewhere(
        Effect.gen(function* () {
          const there = yield* SqlClient.SqlClient
          const options = { replace: false }
          assert.deepStrictEqual(yield* Restore.read(join(path, "first"), options), counts)
          yield* Backup.write(join(path, "second"))
          assert.strictEqual((yield* Effect.flip(Restore.read(join(path, "first"), options)))._tag, "TargetNotEmpty")
          yield* there`UPDATE users SET username = 'somebody else'`
          yield* Restore.read(join(path, "first"), { replace: true })
          yield* Backup.write(join(path, "third"))
          // Who watched the events of the other database is told to begin anew; triggers work again.
          assert.strictEqual((yield* there`SELECT 1 FROM events_pruned`).length, 1)
          assert.strictEqual((yield* there`SELECT 1 FROM events`).length, 0)
          const before = (yield* there`SELECT 1 FROM search_words`).length
          yield* there`
            INSERT INTO media_items (id, type, title, status, visibility, s3_key, etag, size_bytes)
            VALUES (gen_random_uuid(), 'video', 'aardvark', 'ready', 'shared', 'a.mp4', 'etag', 1)`
          assert.isAbove((yield* there`SELECT 1 FROM search_words`).length, before)
        })
      )
      const [, ...body] = linesOf(join(path, "first"))
      for (const name of ["second", "third"]) assert.deepStrictEqual(linesOf(join(path, name)).slice(1), body)
    }).pipe(Effect.provide(TestDatabase.layerEmpty), Effect.scoped)
  )

  it.live("that was damaged, cut, made up or written by a later joy changes nothing [X2]", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* Migrations.run
      yield* lived
      yield* Backup.write(join(path, "backup"))
      const lines = linesOf(join(path, "backup"))
      const edited = (change: (lines: Array<string>) => void) => {
        const copy = [...lines]
        change(copy)
        return `${copy.join("\n")}\n`
      }
      const users = lines.findIndex((line) => line.includes('"name":"users"'))
      const cases: ReadonlyArray<readonly [string, string, string]> = [
        ["nothing", "", "FileCut"],
        ["another file", "hello\n", "LineInvalid"],
        ["cut between lines", edited((copy) => copy.pop()), "FileCut"],
        ["cut within a line", lines.join("\n").slice(0, -20), "LineInvalid"],
        ["a row lost", edited((copy) => copy.splice(users + 1, 1)), "FileContradictory"],
        [
          "a table twice",
          edited((copy) => copy.splice(users, 0, copy[users] ?? "", copy[users + 1] ?? "")),
          "LineInvalid"
        ],
        ["a damaged row", edited((copy) => (copy[users + 1] = "[{]")), "FileContradictory"],
        [
          "a made-up table",
          edited((copy) => copy.splice(1, 0, table('x"; DROP TABLE users; --', "a"))),
          "FileContradictory"
        ],
        [
          "a made-up column",
          edited((copy) => copy.splice(1, 0, table("users", 'a" FROM users; --'))),
          "FileContradictory"
        ],
        [
          "a later migration",
          edited((copy) => (copy[0] = (copy[0] ?? "").replace(/"migration":\d+/, '"migration":9999'))),
          "FileNewer"
        ],
        [
          "a later format",
          edited((copy) => (copy[0] = (copy[0] ?? "").replace('"version":1', '"version":2'))),
          "FileNewer"
        ]
      ]
      yield* elsewhere(
        Effect.gen(function* () {
          const options = { replace: true }
          yield* Restore.read(join(path, "backup"), options)
          const sql = yield* SqlClient.SqlClient
          const names = sql`SELECT username FROM users`
          const before = yield* names
          for (const [name, content, tag] of cases) {
            writeFileSync(join(path, "bad"), gzipSync(content))
            const error = yield* Effect.flip(Effect.andThen(Restore.read(join(path, "bad"), options), Effect.die(name)))
            assert.strictEqual(error._tag, tag, `${name}: ${error.message}`)
            assert.deepStrictEqual(yield* names, before, name)
            assert.deepStrictEqual(yield* Target.contents, { users: 1, items: 2 }, name)
          }
        })
      )
    }).pipe(Effect.provide(TestDatabase.layerEmpty), Effect.scoped)
  )
})
