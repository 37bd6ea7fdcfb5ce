import { type ChildProcess, spawn } from "node:child_process"
import { linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import { TestDatabase } from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { rows } from "../src/Rows.ts"
import { ScanJournal } from "../src/ScanJournal.ts"
import type { DaemonOptions } from "./RealDaemon.ts"
import { Library, scan, scanning, until } from "./World.ts"

const folders = 100
const perFolder = 200
const count = folders * perFolder
const pageSize = 50

/** A daemon in a process of its own. */
const daemon = Effect.fnUntraced(function* () {
  const { derivedRoot, root } = yield* Library
  const { url } = yield* TestDatabase
  const options: DaemonOptions = {
    databaseUrl: Redacted.value(url),
    root,
    derivedRoot,
    intervalMillis: 3_600_000,
    pageSize
  }
  return yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "runDaemon.ts"), JSON.stringify(options)], {
        stdio: "ignore"
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
})

const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

const Progress = Schema.Struct({ scanId: Schema.String, pages: Schema.Finite, listed: Schema.Finite })

/** What the journal says of the scan that runs. */
const progress = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* rows(Progress)(sql`
    SELECT scan_id, sum(pages)::float8 AS pages, sum(listed)::float8 AS listed FROM scan_ranges GROUP BY scan_id`)
  return found ?? null
})

describe("A scan of 20,000 files", () => {
  it.live(
    "is killed again and again, goes on at its checkpoints each time, and lists no page twice",
    () =>
      Effect.gen(function* () {
        const library = yield* Library
        const journal = yield* ScanJournal
        const sql = yield* SqlClient.SqlClient
        for (let folder = 0; folder < folders; folder++) {
          const path = join(library.root, String(folder).padStart(3, "0"))
          mkdirSync(path)
          writeFileSync(join(path, "0.mp4"), `film ${folder}`)
          for (let file = 1; file < perFolder; file++) linkSync(join(path, "0.mp4"), join(path, `${file}.mp4`))
        }
        assert.deepInclude(yield* scan(), { status: "finished", listed: count, new: count })
        yield* sql`UPDATE media_items SET status = 'ready'`
        yield* sql`DELETE FROM ingest_outbox`
        // Something to find in every part.
        for (let folder = 5; folder < folders; folder += 10) {
          const path = join(library.root, String(folder).padStart(3, "0"))
          rmSync(join(path, "7.mp4"))
          writeFileSync(join(path, "new.mp4"), `new in ${folder}`)
        }

        const scanIds = new Set<string>()
        const listed: Array<number> = [0]
        for (const [kill, share] of [
          ["SIGKILL", 0.2],
          ["SIGTERM", 0.4],
          ["SIGKILL", 0.6],
          ["SIGKILL", 0.8]
        ] as const) {
          const child = yield* daemon()
          const now = yield* until(progress, (found) => found !== null && found.listed >= count * share, "60 seconds")
          child.kill(kill)
          yield* ended(child)
          scanIds.add(now?.scanId ?? "")
          // What was committed until it was dead.
          const left = yield* progress
          assert.isNotNull(left, "killed in the middle of it")
          assert.isAtLeast(left.listed, listed.at(-1) ?? 0)
          listed.push(left.listed)
        }
        assert.strictEqual(scanIds.size, 1)
        const [id = ""] = scanIds
        const child = yield* daemon()
        const record = yield* until(
          rows(Schema.Struct({ status: Schema.String, listed: Schema.Finite }))(
            sql`SELECT status, listed FROM scans WHERE id = ${id}`
          ),
          ([found]) => found?.status !== "running",
          "60 seconds"
        )
        child.kill("SIGKILL")
        // Each page that had been listed again would have been counted again.
        assert.deepStrictEqual(record, [{ status: "finished", listed: count }])
        const [found] = yield* rows(
          Schema.Struct({ new: Schema.Finite, missing: Schema.Finite, items: Schema.Finite })
        )(sql`
          SELECT new, missing, (SELECT count(*)::float8 FROM media_items) AS items FROM scans WHERE id = ${id}`)
        assert.deepStrictEqual(found, { new: folders / 10, missing: folders / 10, items: count + folders / 10 })
        assert.isNull(yield* journal.running)
        assert.isNull(yield* progress)
      }).pipe(Effect.scoped, Effect.provide(scanning())),
    240_000
  )
})
