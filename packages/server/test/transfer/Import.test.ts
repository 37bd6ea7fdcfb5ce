import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

import { assert, describe, it } from "@effect/vitest"
import * as Export from "@joy/server/transfer/Export"
import * as Import from "@joy/server/transfer/Import"
import * as Target from "@joy/server/transfer/Target"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { folder, lived } from "./Lived.ts"

const elsewhere = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(effect, Layer.fresh(TestDatabase.layer), { local: true })

describe("An export", () => {
  it.live(
    "holds all that people made, nothing that proves who somebody is, and is the same again elsewhere [X1, X2]",
    () =>
      Effect.gen(function* () {
        const path = yield* folder
        yield* lived
        const counts = yield* Export.write(join(path, "first"))
        assert.deepStrictEqual(counts, {
          role: 4,
          user: 1,
          identity: 1,
          item: 2,
          purged: 1,
          progress: 1,
          favourite: 1,
          share: 1
        })
        const text = readFileSync(join(path, "first"), "utf8")
        for (const secret of ["a-hash-of", "a token", "192.0.2.77", "where it lies"]) assert.notInclude(text, secret)
        const after = yield* elsewhere(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            assert.deepStrictEqual(yield* Import.read(join(path, "first")), counts)
            yield* Export.write(join(path, "second"))
            const [user] = yield* sql<{ usernameKey: string; emailKey: string; passwordHash: string | null }>`
            SELECT username_key, email_key, password_hash FROM users`
            assert.deepStrictEqual(user, { usernameKey: "ada", emailKey: "ada@example.org", passwordHash: null })
            return (yield* Effect.flip(Import.read(join(path, "first"))))._tag
          })
        )
        assert.strictEqual(after, "TargetNotEmpty")
        const body = (name: string) =>
          // The ids of the roles that every database has are its own.
          readFileSync(join(path, name), "utf8")
            .split("\n")
            .slice(1)
            .filter((line) => !line.includes('"role"'))
        assert.deepStrictEqual(body("second"), body("first"))
      }).pipe(Effect.provide(TestDatabase.layer), Effect.scoped)
  )

  it.live(
    "that was damaged, cut, mixed up or written by a later joy changes nothing, and says what is wrong [X2]",
    () =>
      Effect.gen(function* () {
        const path = yield* folder
        yield* lived
        yield* Export.write(join(path, "export"))
        const text = readFileSync(join(path, "export"), "utf8")
        const lines = text.trimEnd().split("\n")
        const user = lines.findIndex((line) => line.includes('"kind" : "user"'))
        const edited = (change: (lines: Array<string>) => void) => {
          const copy = [...lines]
          change(copy)
          return `${copy.join("\n")}\n`
        }
        const again = lines[user] ?? ""
        const cases: ReadonlyArray<readonly [string, string | Uint8Array, string, RegExp]> = [
          ["nothing", "", "FileCut", /not whole/],
          ["no JSON", "hello\n", "LineInvalid", /line 1 is no JSON/],
          ["bytes", Buffer.from([0xff, 0xfe, 0, 1, 2]), "LineInvalid", /line 1/],
          ["other JSON", "[]\n", "LineInvalid", /line 1 does not begin an export/],
          ["cut within a line", text.slice(0, -200), "LineInvalid", /is no JSON/],
          ["cut between lines", edited((copy) => copy.pop()), "FileCut", /not whole/],
          ["a line lost", edited((copy) => copy.splice(-2, 1)), "FileCut", /more than there is/],
          ["a user lost", edited((copy) => copy.splice(user, 1)), "FileContradictory", /fit the rest/],
          ["a user twice", edited((copy) => copy.splice(user, 0, again)), "FileContradictory", /fit the rest/],
          [
            "in another order",
            edited((copy) => copy.splice(1, 0, ...copy.splice(-2, 1))),
            "LineInvalid",
            /comes too late/
          ],
          [
            "an unknown kind",
            edited((copy) => copy.splice(2, 0, '{"kind":"ship"}')),
            "LineInvalid",
            /line 3 is of no kind/
          ],
          ["a bad user", edited((copy) => (copy[user] = '{"kind":"user"}')), "LineInvalid", /is no user/],
          ["more after the end", edited((copy) => copy.push(again)), "LineInvalid", /after the end/],
          ["a later version", text.replace('"version":1', '"version":2'), "FileNewer", /later joy \(2/],
          ["a line without end", "x".repeat(20 * 1024 * 1024), "LineInvalid", /has no end/],
          ["cut gzip", gzipSync(text).subarray(0, 300), "FileFailed", /unexpected end/]
        ]
        yield* elsewhere(
          Effect.gen(function* () {
            for (const [name, content, tag, message] of cases) {
              writeFileSync(join(path, "bad"), content)
              const error = yield* Effect.flip(Import.read(join(path, "bad")))
              assert.strictEqual(error._tag, tag, `${name}: ${error.message}`)
              assert.match(error.message, message, name)
              assert.deepStrictEqual(yield* Target.contents, { users: 0, items: 0 }, name)
            }
            assert.strictEqual((yield* Effect.flip(Import.read(join(path, "not there"))))._tag, "FileFailed")
            writeFileSync(join(path, "good"), gzipSync(text))
            assert.strictEqual((yield* Import.read(join(path, "good")))["item"], 2)
          })
        )
      }).pipe(Effect.provide(TestDatabase.layer), Effect.scoped)
  )
})
