import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

const isRoot = process.getuid?.() === 0

/** Runs a command that has to refuse. One that doesn't within half a minute is stopped, and shows here as such. */
const refused = Effect.fnUntraced(function* (
  command: string,
  options: { readonly env: Joy.Environment; readonly cwd: string; readonly input?: string }
) {
  const ended = yield* Effect.scoped(
    Effect.flatMap(Joy.start(command.split(" "), options), (joy) =>
      Effect.timeoutOrElse(joy.ended, {
        duration: "30 seconds",
        orElse: () => Effect.die(new Error(`joy ${command} did not refuse: ${joy.stderr()}\n${joy.stdout()}`))
      })
    )
  )
  const said = `joy ${command}: ${ended.stderr}\n${ended.stdout}`
  assert.isNull(ended.signal, said)
  assert.strictEqual(ended.code, 1, said)
  assert.match(ended.stderr, /^joy: \S/, said)
  assert.isAtMost(ended.stderr.trim().split("\n").length, 8, said)
  // One message, for a person: no trace, no name of a class, no cause inside of a cause.
  for (const text of [ended.stderr, ended.stdout]) {
    assert.notMatch(text, /\n\s+at |node_modules|\[cause\]|Error:|\{"_tag"|undefined|\[object/, said)
  }
  return ended.stderr
})

/** Puts a small file system there until the scope closes. False in a container that may not. */
const mountTmpfs = (folder: string, options: string) =>
  Effect.acquireRelease(
    Effect.try(() => execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "ignore" })).pipe(
      Effect.map(() => true),
      Effect.orElseSucceed(() => false)
    ),
    (mounted) => Effect.sync(() => mounted && execFileSync("umount", ["-l", folder]))
  )

/** A library that somebody named, with nothing in it: no samples are made. */
const library = (folder: string) => {
  const path = join(folder, "library")
  mkdirSync(path, { recursive: true })
  return path
}

const twice = { concurrency: 2 } as const

describe("joy refuses, with one clear message and nothing damaged,", () => {
  layer(JoyUp.JoyUp.layer(), { excludeTestServices: true })("beside a joy up", (it) => {
    const stillAnswers = Effect.gen(function* () {
      const { account, request } = yield* JoyUp.JoyUp
      assert.strictEqual((yield* request("/health")).status, 200)
      yield* account(`after-${performance.now()}`)
    })

    it.effect("a second joy up on its folder", () =>
      Effect.gen(function* () {
        const { dataDir, folder, joy } = yield* JoyUp.JoyUp
        const message = yield* refused("up", { env: JoyUp.defaults(folder), cwd: folder })
        assert.include(message, dataDir)
        assert.include(message, `in use by process ${joy.pid}`)
        yield* stillAnswers
      })
    )

    it.effect("a joy ingest on its database", () =>
      Effect.gen(function* () {
        const { folder } = yield* JoyUp.JoyUp
        const message = yield* refused("ingest", { env: JoyUp.defaults(folder), cwd: folder })
        assert.match(message, /A joy up works on this database and suffers no joy ingest beside it/)
        yield* stillAnswers
      })
    )

    it.effect("a port that is in use, and leaves no Postgres behind", () =>
      Effect.gen(function* () {
        const { address } = yield* JoyUp.JoyUp
        const folder = yield* Joy.folder
        const { port } = new URL(address)
        const message = yield* refused("up", { env: { ...JoyUp.defaults(folder), PORT: port }, cwd: folder })
        assert.match(message, new RegExp(`Port ${port} .*in use`))
        yield* Joy.nothingLeft(join(folder, "data"))
        yield* stillAnswers
      })
    )

    it.effect("an administrator whose name, address or password can't be", () =>
      Effect.gen(function* () {
        const { folder } = yield* JoyUp.JoyUp
        const env = JoyUp.defaults(folder)
        for (const [args, input] of [
          ["--username admin --email another@example.org", "a tolerable phrase 42\n"],
          ["--username fresh --email nonsense", "a tolerable phrase 42\n"],
          ["--username a@b --email a@example.org", "a tolerable phrase 42\n"],
          ["--username fresh --email a@example.org", "short\n"],
          ["--username fresh --email a@example.org", ""]
        ] as const) {
          yield* refused(`admin create ${args} --password-stdin`, { env, cwd: folder, input })
        }
        yield* refused("admin reset-password --username nobody --password-stdin", {
          env,
          cwd: folder,
          input: "a tolerable phrase 42\n"
        })
        yield* stillAnswers
      })
    )
  })

  it.live("a data folder that can't be written", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const file = join(folder, "data")
      writeFileSync(file, "a file stands here")
      const message = yield* refused("up", { env: JoyUp.defaults(folder), cwd: folder })
      assert.include(message, file)

      const readOnly = join(folder, "read-only")
      mkdirSync(readOnly)
      if (!isRoot) chmodSync(readOnly, 0o555)
      else if (!(yield* mountTmpfs(readOnly, "ro,mode=755"))) return
      for (const dataDir of [readOnly, join(readOnly, "below")]) {
        const env = { ...JoyUp.defaults(folder), DATA_DIR: dataDir }
        const message = yield* refused("up", { env, cwd: folder })
        assert.include(message, readOnly)
        assert.match(message, /read-only|permission|written/i)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a disk without space", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const full = join(folder, "full")
      mkdirSync(full)
      // Only root may make a file system that is as small as this; elsewhere there is nothing to try it on.
      if (!isRoot || !(yield* mountTmpfs(full, "size=20m,mode=755"))) return
      const env = { ...JoyUp.defaults(folder), DATA_DIR: join(full, "data") }
      const message = yield* refused("up", { env, cwd: folder })
      assert.match(message, /no space/i)
      assert.include(message, full)
      yield* Joy.nothingLeft(full)
      // With space it needs no help.
      execFileSync("mount", ["-o", "remount,size=400m", full])
      const running = yield* JoyUp.up(folder, { DATA_DIR: join(full, "data"), MEDIA_DIR: library(folder) })
      assert.isString((yield* running.signIn("admin", running.password ?? "")).token)
      yield* running.joy.stop("SIGTERM")
    }).pipe(Effect.scoped)
  )

  it.live("an environment with bad values, all of them at once [E7]", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const env = {
        ...JoyUp.defaults(folder),
        PORT: "80800",
        LOG_LEVEL: "loud",
        ACCESS_TOKEN_TTL: "15 minutes",
        DATABASE_URL: "mysql://root:hunter2@localhost/joy",
        TRUSTED_PROXIES: "10.0.0.0/99",
        INGEST_CONCURRENCY: "0",
        REGISTRATION: "maybe"
      }
      const messages = yield* Effect.forEach(
        ["up", "serve", "ingest", "migrate"],
        (command) => refused(command, { env, cwd: folder }),
        twice
      )
      for (const message of messages) {
        for (const name of Object.keys(env).filter((name) => name !== "DATA_DIR" && name !== "INGEST_INTERVAL")) {
          assert.include(message, name)
        }
        assert.include(message, '"loud"')
        assert.notInclude(message, "hunter2")
      }
      // Nothing was begun.
      assert.deepStrictEqual(readdirSync(folder), [])
    })
  )

  it.live("no database at all", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const env = JoyUp.defaults(folder)
      const commands = ["serve", "ingest", "migrate", "admin create --username a --email a@b --password-stdin"]
      const messages = yield* Effect.forEach(
        commands,
        (command) => refused(command, { env, cwd: folder, input: "a tolerable phrase 42\n" }),
        twice
      )
      for (const message of messages) assert.match(message, /DATABASE_URL|joy up|keys/)
    })
  )

  it.live("a library that holds what is made from it", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      // Thumbnails would be media of their own, and have thumbnails, which would be media…
      for (const env of [
        { MEDIA_DIR: folder },
        { MEDIA_DIR: join(folder, "data") },
        { MEDIA_DIR: join(folder, "library"), DERIVED_DIR: join(folder, "library/derived") },
        { MEDIA_DIR: join(folder, "library"), DERIVED_DIR: join(folder, "library") }
      ]) {
        const message = yield* refused("up", { env: { ...JoyUp.defaults(folder), ...env }, cwd: folder })
        assert.match(message, /DERIVED_DIR|MEDIA_DIR/)
      }
    }).pipe(Effect.scoped)
  )

  layer(TestDatabase.layerEmpty, { excludeTestServices: true })("a database that", (it) => {
    const environment = Effect.gen(function* () {
      const folder = yield* Joy.folder
      const { url } = yield* TestDatabase.TestDatabase
      const env = { ...JoyUp.defaults(folder), DATABASE_URL: Redacted.value(url) }
      yield* Joy.run(["keys", "init"], { env, cwd: folder })
      return { env, folder, url: new URL(Redacted.value(url)) }
    })
    const everything = ["up", "serve", "ingest", "admin create --username a --email a@example.org --password-stdin"]
    const input = "a tolerable phrase 42\n"

    it.effect("can't be reached, or doesn't let it in", () =>
      Effect.gen(function* () {
        const { env, folder, url } = yield* environment
        const closed = new URL(url)
        closed.port = "1"
        const unknown = new URL(url)
        unknown.pathname = "/no_such_database"
        const stranger = new URL(url)
        stranger.password = "hunter2hunter2"
        const nowhere = new URL(url)
        nowhere.hostname = "no-such-host.invalid"
        yield* Effect.forEach(
          [closed, unknown, stranger, nowhere],
          Effect.fnUntraced(function* (wrong) {
            for (const command of ["up", "migrate"]) {
              const message = yield* refused(command, { env: { ...env, DATABASE_URL: wrong.href }, cwd: folder })
              assert.include(message, wrong.host)
              assert.match(message, /database/i)
              assert.notInclude(message, "hunter2")
              assert.notInclude(message, url.password)
            }
          }),
          twice
        )
      })
    )

    it.effect("another joy up works on, and leaves that one alone", () =>
      Effect.gen(function* () {
        const folders = yield* Effect.all([Joy.folder, Joy.folder])
        const admin = new URL(Redacted.value((yield* TestDatabase.TestDatabase).url))
        const [first, second] = folders.map((folder) => ({
          folder,
          env: { DATABASE_URL: admin.href, MEDIA_DIR: library(folder) }
        }))
        if (first === undefined || second === undefined) return
        const running = yield* JoyUp.up(first.folder, first.env)
        const message = yield* refused("up", {
          env: { ...JoyUp.defaults(second.folder), ...second.env },
          cwd: second.folder
        })
        assert.match(message, /another|already/)
        assert.strictEqual((yield* running.request("/health")).status, 200)
        assert.isString((yield* running.signIn("admin", running.password ?? "")).token)
        yield* running.joy.stop("SIGTERM")
        const sql = yield* SqlClient.SqlClient
        yield* sql`DROP SCHEMA public CASCADE`
        yield* sql`CREATE SCHEMA public`
      })
    )

    it.effect("was never migrated", () =>
      Effect.gen(function* () {
        const { env, folder } = yield* environment
        const commands = everything.filter((command) => command !== "up")
        const messages = yield* Effect.forEach(
          commands,
          (command) => refused(command, { env, cwd: folder, input }),
          twice
        )
        for (const message of messages) assert.match(message, /joy migrate/)
        const sql = yield* SqlClient.SqlClient
        const [count] = yield* sql<{ tables: number }>`
          SELECT count(*)::int AS tables FROM information_schema.tables WHERE table_schema = 'public'`
        assert.strictEqual(count?.tables, 0)
      })
    )

    it.effect("is newer than the code, and is left as it is", () =>
      Effect.gen(function* () {
        const { env, folder } = yield* environment
        const sql = yield* SqlClient.SqlClient
        const migrated = yield* Joy.run(["migrate"], { env, cwd: folder })
        assert.strictEqual(migrated.code, 0, migrated.stderr)
        yield* sql`INSERT INTO joy_migrations (migration_id, name) VALUES (9999, 'of_the_future')`
        const messages = yield* Effect.forEach(
          [...everything, "migrate"],
          (command) => refused(command, { env, cwd: folder, input }),
          twice
        )
        for (const message of messages) assert.match(message, /newer/)
        assert.deepStrictEqual(yield* sql`SELECT 1 FROM users`, [])
        yield* sql`DELETE FROM joy_migrations WHERE migration_id = 9999`
      })
    )

    it.effect("it has no keys for", () =>
      Effect.gen(function* () {
        const { env, folder } = yield* environment
        const missing = join(folder, "no-keys.json")
        const message = yield* refused("serve", { env: { ...env, AUTH_KEYS_FILE: missing }, cwd: folder })
        assert.include(message, missing)
        assert.match(message, /joy keys init/)
        const broken = join(folder, "broken-keys.json")
        writeFileSync(broken, '{"signing":[]}')
        assert.include(yield* refused("serve", { env: { ...env, AUTH_KEYS_FILE: broken }, cwd: folder }), broken)
        const again = yield* refused("keys init", { env: { ...env, AUTH_KEYS_FILE: broken }, cwd: folder })
        assert.include(again, broken)
      })
    )
  })
})
