import { execFileSync, spawn } from "node:child_process"
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { inject } from "vitest"

import type { Connection } from "../../src/postgres/EmbeddedPostgres.ts"
import * as EmbeddedPostgres from "../../src/postgres/EmbeddedPostgres.ts"
import * as PostgresProcess from "../../src/postgres/PostgresProcess.ts"

export const isRoot = process.getuid?.() === 0

/** A folder with a name that needs care, which another user may pass; removed with the scope. */
export const temporaryFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), "joy's pg ünï 数 "))
    chmodSync(folder, 0o711)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

let ready: string | undefined

/**
 * A folder with a database that was stopped in order: a copy of one that is made once (initdb takes the better part of a
 * second, a copy hardly any). Remembers no port, so tests that run beside each other don't meet.
 */
export const readyFolder = Effect.gen(function* () {
  if (ready === undefined) {
    const folder = join(inject("runFolder"), `ready-${process.pid}`)
    yield* Effect.scoped(EmbeddedPostgres.start({ dataDir: folder, durable: false }))
    rmSync(join(folder, "port"))
    ready = folder
  }
  const folder = join(yield* temporaryFolder, "database")
  // Node's own copy does not keep the owners.
  execFileSync("cp", ["-Rp", ready, folder])
  return folder
})

const Said = Schema.fromJsonString(
  Schema.Struct({
    pid: Schema.optionalKey(Schema.Int),
    port: Schema.optionalKey(Schema.Int),
    error: Schema.optionalKey(Schema.String),
    message: Schema.optionalKey(Schema.String)
  })
)
const decodeSaid = Schema.decodeUnknownSync(Said)

const ownerFile = fileURLToPath(new URL("owner.ts", import.meta.url))

export interface Owner {
  readonly pid: number
  /** Its first line: how the start went. */
  readonly said: Effect.Effect<typeof Said.Type>
  readonly kill: (name: NodeJS.Signals) => Effect.Effect<void>
}

/** Starts `owner.ts` on a folder. Killed with the scope if it still lives. */
export const owner = (
  folder: string,
  options: { readonly volatile?: boolean } = {}
): Effect.Effect<Owner, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Owner => {
      const child = spawn(process.execPath, [ownerFile, folder, options.volatile === true ? "volatile" : "durable"], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()))
      const said = new Promise<typeof Said.Type>((resolve) => {
        createInterface({ input: child.stdout }).on("line", (line) => {
          if (line.startsWith("{")) resolve(decodeSaid(line))
        })
      })
      return {
        pid: child.pid ?? 0,
        said: Effect.promise(() => said),
        kill: (name) =>
          Effect.promise(() => {
            child.kill(name)
            return ended
          })
      }
    }),
    (owner) => owner.kill("SIGKILL")
  )

/** Runs one statement on a connection of its own. */
export const query = (connection: Pick<Connection, "url">, sql: string) =>
  Effect.scoped(
    Effect.flatMap(PgConnection.make({ url: connection.url }), (session) =>
      Effect.map(session.query(sql), (result) => result.rows)
    )
  )

/** Polls until something holds; the test's own time limit is the deadline. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.andThen(Effect.sleep("10 millis"), until(holds))))

/** Whether a process has ended. One whose new parent has not asked for its status yet has, too. */
export const isGone = (pid: number) => () =>
  !PostgresProcess.isAlive(pid) ||
  (process.platform === "linux" && / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")))
