import { writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it, layer } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Runs a command that has to succeed, and gives what it printed. */
const works = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: Joy.StartOptions) {
  const ended = yield* Joy.run(args, options)
  assert.strictEqual(ended.code, 0, `joy ${args.join(" ")}: ${ended.stderr}${ended.stdout}`)
  assert.strictEqual(ended.stderr, "", `joy ${args.join(" ")}`)
  return ended.stdout
})

const KeySet = Schema.Struct({ keys: Schema.Array(Schema.Struct({ kid: Schema.String })) })

const commands = [
  [],
  ["up"],
  ["serve"],
  ["ingest"],
  ["ingest", "status"],
  ["ingest", "rebuild"],
  ["migrate"],
  ["admin"],
  ["admin", "create"],
  ["admin", "reset-password"],
  ["keys"],
  ["keys", "init"],
  ["keys", "rotate"],
  ["doctor"],
  ["openapi"],
  ["export"],
  ["import"],
  ["backup"],
  ["restore"]
]

describe("the joy command", () => {
  it.live("explains itself and each of its commands", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      // Help is for those whose configuration is broken, too.
      const options = { env: { DATA_DIR: join(folder, "data"), PORT: "nonsense" }, cwd: folder }
      const helps = yield* Effect.forEach(
        commands,
        (command) => Effect.map(works([...command, "--help"], options), (help) => ({ command, help })),
        { concurrency: 2 }
      )
      for (const { command, help } of helps) {
        assert.match(help, /usage/i, command.join(" "))
        assert.include(help, ["joy", ...command].join(" "))
      }
      const [top] = helps
      for (const name of [
        "up",
        "serve",
        "ingest",
        "migrate",
        "admin",
        "keys",
        "doctor",
        "openapi",
        "export",
        "import",
        "backup",
        "restore"
      ]) {
        assert.match(top?.help ?? "", new RegExp(`^\\s+${name}\\s+\\S`, "m"))
      }
      assert.match(yield* works(["--version"], options), /\d+\.\d+\.\d+/)
      const unknown = yield* Joy.run(["fly"], options)
      assert.notStrictEqual(unknown.code, 0)
      assert.include(unknown.stderr + unknown.stdout, "fly")
      const incomplete = yield* Joy.run(["admin", "create", "--password-stdin"], options)
      assert.notStrictEqual(incomplete.code, 0)
      assert.include(incomplete.stderr + incomplete.stdout, "username")
    }).pipe(Effect.scoped)
  )

  it.live("makes keys once, and stages the next ones", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const file = join(folder, "somewhere", "keys.json")
      const options = { env: { DATA_DIR: join(folder, "data"), AUTH_KEYS_FILE: file }, cwd: folder }
      assert.include(yield* works(["keys", "init"], options), file)
      const again = yield* Joy.run(["keys", "init"], options)
      assert.notInclude(again.stdout, "Made")
      assert.include(again.stdout + again.stderr, file)
      assert.match(yield* works(["keys", "rotate"], options), /signs from \d{4}-\d\d-\d\dT/)
    }).pipe(Effect.scoped)
  )

  it.live("doctor says of everything that is wrong what to do about it", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const { code, stderr, stdout } = yield* Joy.run(["doctor"], {
        env: {
          ...JoyUp.defaults(folder),
          DATABASE_URL: "postgres://joy:hunter2@127.0.0.1:1/joy",
          REDIS_URL: "redis://127.0.0.1:1",
          MEDIA_DIR: join(folder, "no-such-folder"),
          FFMPEG_PATH: join(folder, "no-such-program")
        },
        cwd: folder
      })
      assert.strictEqual(code, 1)
      assert.match(stdout, /^✓ configuration$/m)
      for (const name of ["database", "redis", "ffmpeg", "keys"]) {
        assert.match(stdout, new RegExp(`^✗ ${name}: .{10,}`, "m"), stdout)
      }
      assert.match(stderr, /things need attention/)
      assert.notMatch(stdout + stderr, /hunter2|\n\s+at |node_modules|\[object/)
    }).pipe(Effect.scoped)
  )

  layer(JoyUp.JoyUp.layer({}, { library: "samples" }), { excludeTestServices: true })(
    "beside a running joy up",
    (it) => {
      const beside = Effect.map(JoyUp.JoyUp, ({ folder }) => ({ env: JoyUp.defaults(folder), cwd: folder }))

      const publishedKeys = Effect.gen(function* () {
        const { request } = yield* JoyUp.JoyUp
        const answer = yield* request("/.well-known/jwks.json")
        const { keys } = yield* JoyHttp.decode(KeySet, answer)
        return keys.map(({ kid }) => kid)
      })

      // A running server looks after its keys now and then: what comes of it is looked at last.
      it.effect("keys rotate stages the next key", () =>
        Effect.gen(function* () {
          assert.lengthOf(yield* publishedKeys, 1)
          yield* works(["keys", "rotate"], yield* beside)
          const again = yield* Joy.run(["keys", "rotate"], yield* beside)
          assert.strictEqual(again.code, 1)
          assert.match(again.stderr, /^joy: The next key waits already/)
        })
      )

      it.effect("openapi prints what GET /openapi.json answers", () =>
        Effect.gen(function* () {
          const { request } = yield* JoyUp.JoyUp
          const printed = yield* works(["openapi"], yield* beside)
          assert.deepStrictEqual(JSON.parse(printed), JSON.parse((yield* request("/openapi.json")).text))
        })
      )

      it.effect("migrate finds nothing to do, with .env in the working folder alone", () =>
        Effect.gen(function* () {
          const { dataDir } = yield* JoyUp.JoyUp
          const elsewhere = yield* Joy.folder
          writeFileSync(join(elsewhere, ".env"), `# where it is\nDATA_DIR="${dataDir}"\nLOG_LEVEL=warn\n`)
          assert.match(yield* works(["migrate"], { env: {}, cwd: elsewhere }), /up to date/)
        }).pipe(Effect.scoped)
      )

      it.effect("admin create and reset-password take effect at once", () =>
        Effect.gen(function* () {
          const { request, signIn } = yield* JoyUp.JoyUp
          const options = yield* beside
          const first = "a first phrase for root"
          const create = ["admin", "create", "--username", "Root", "--email", "root@example.org", "--password-stdin"]
          assert.match(yield* works(create, { ...options, input: `${first}\n` }), /Root/)
          const root = yield* signIn("root", first)
          assert.deepStrictEqual(root.tokens.user.roles, ["admin"])
          assert.strictEqual((yield* request("/users", { token: root.token })).status, 200)

          const second = "a second phrase for root"
          const reset = ["admin", "reset-password", "--username", "root", "--password-stdin"]
          const said = yield* works(reset, { ...options, input: `${second}\n` })
          assert.notInclude(said, second)
          // Whoever had the old password may have a session: it ends in the running server too.
          yield* Joy.until(request("/protected", { token: root.token }), ({ status }) => status === 401, { seconds: 5 })
          const old = yield* request("/auth/login", { method: "POST", body: { identifier: "root", password: first } })
          assert.strictEqual(old.status, 401)
          assert.strictEqual((yield* signIn("root", second)).tokens.user.username, "Root")
        })
      )

      describeWith(["ffmpeg"], "with ffmpeg", () => {
        it.effect("doctor finds everything in order", () =>
          Effect.gen(function* () {
            const said = yield* works(["doctor"], yield* beside)
            for (const name of ["configuration", "database", "redis", "store", "ffmpeg", "keys"]) {
              assert.match(said, new RegExp(`^✓ ${name}`, "m"))
            }
            assert.notInclude(said, "✗")
          })
        )
      })
    }
  )
})
