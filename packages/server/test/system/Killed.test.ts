import { randomInt } from "node:crypto"
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"

/** What `joy up` says on its way; a start that is further already is killed where it then is. */
const steps = [
  "Starting the database",
  "Starting the database",
  "Ran \\d+ migrations",
  "Making keys",
  "Making three samples",
  "Making the administrator",
  "Ctrl-C stops",
  "Ctrl-C stops",
  "Ctrl-C stops",
  "Ctrl-C stops"
]

/** Up to how long after the step, in milliseconds: initdb, samples and ingest take their time. */
const spread = [250, 900, 60, 60, 500, 150, 100, 700, 1500, 2500]

const copies = 12

describe("a joy up", () => {
  it.live("ends by itself, and says so, when its database is killed; the next start works", () =>
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      mkdirSync(join(folder, "library"))
      const running = yield* JoyUp.up(folder, { MEDIA_DIR: join(folder, "library") })
      const lines = readFileSync(join(running.dataDir, "postgres/data/postmaster.pid"), "utf8").split("\n")
      process.kill(Number(lines[0]), "SIGKILL")
      const ended = yield* Effect.timeoutOrElse(running.joy.ended, {
        duration: "20 seconds",
        orElse: () => Effect.die(new Error("it goes on without its database"))
      })
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /^joy: .*database/)
      assert.notMatch(ended.stderr, /\n\s+at /)
      yield* Joy.nothingLeft(running.dataDir)
      const again = yield* JoyUp.up(folder, { MEDIA_DIR: join(folder, "library") })
      assert.isString((yield* again.signIn("admin", running.password ?? "")).token)
    }).pipe(Effect.scoped)
  )
})

describeWith(["ffmpeg"], "a joy up that is killed", () => {
  it.live(
    "at ten random moments needs no help, leaves no process, and ends with every file ready or failed, once",
    () =>
      Effect.gen(function* () {
        const folder = yield* Joy.folder
        const env = JoyUp.defaults(folder)
        const dataDir = join(folder, "data")
        const library = join(dataDir, "media")
        const video = yield* TestMedia.video({ seconds: 3 })
        const audio = yield* TestMedia.audio()
        const image = yield* TestMedia.image()
        const moments: Array<string> = []
        const passwords = new Set<string>()
        const keep = (stdout: string) => {
          const password = /^ {2}Password +(\S+)$/m.exec(stdout)?.[1]
          if (password !== undefined) passwords.add(password)
        }

        // The folder's own samples come first; what is dropped in follows once there is a library.
        let dropped = false
        const drop = () => {
          if (dropped || !existsSync(join(dataDir, "samples-made")) || existsSync(join(dataDir, "samples-unfinished")))
            return
          dropped = true
          mkdirSync(join(library, "dropped"), { recursive: true })
          for (let n = 0; n < copies - 1; n++) {
            const [source, ending] = (
              [
                [video, "mp4"],
                [audio, "mp3"],
                [image, "jpg"]
              ] as const
            )[n % 3] ?? [video, "mp4"]
            copyFileSync(source, join(library, "dropped", `${n}.${ending}`))
          }
          writeFileSync(join(library, "dropped", "bad.mp4"), "no film")
        }

        for (const [round, step] of steps.entries()) {
          const wait = randomInt(spread[round] ?? 100)
          moments.push(`${step} + ${wait} ms`)
          yield* Effect.gen(function* () {
            const joy = yield* Joy.start(["up"], { env, cwd: folder })
            yield* joy.says(new RegExp(`${step}|Ctrl-C stops`))
            if (round >= 5) drop()
            yield* Effect.sleep(wait)
            assert.isTrue(joy.isRunning(), `it ended by itself after ${moments.join(", ")}: ${joy.stderr()}`)
            const family = yield* joy.kill
            keep(joy.stdout())
            assert.strictEqual(joy.stderr(), "", moments.join(", "))
            yield* Joy.nothingLeft(dataDir, family, 15)
          }).pipe(Effect.scoped)
        }

        const running = yield* JoyUp.up(folder)
        drop()
        assert.isTrue(dropped)
        keep(running.joy.stdout())
        // One password at most, however often it was shown.
        assert.strictEqual(passwords.size, 1, moments.join(", "))
        const [password = ""] = passwords
        const { client } = yield* running.signIn("admin", password)
        const all = Effect.map(Effect.orDie(client.media.list({ query: { limit: 200 } })), ({ items }) =>
          items
            .map(({ failure, s3Key, status }) => ({ key: String(s3Key), status, failure }))
            .toSorted((a, b) => (a.key < b.key ? -1 : 1))
        )
        yield* Joy.until(
          all,
          (items) =>
            items.length >= 3 + copies && items.every(({ status }) => status === "ready" || status === "failed"),
          { what: moments.join(", ") }
        )
        // A scan more, which has nothing to do.
        const { scanId } = yield* Effect.orDie(client.media.refresh({ query: {} }))
        yield* Joy.until(Effect.orDie(client.media.scan({ params: { scanId } })), ({ status }) => status === "finished")
        const items = yield* all
        assert.deepStrictEqual(
          items.filter(({ status }) => status !== "ready").map(({ key }) => key),
          ["dropped/bad.mp4"],
          `${moments.join(", ")} ${JSON.stringify(items.filter(({ status }) => status !== "ready"))}`
        )
        assert.lengthOf(items, 3 + copies, moments.join(", "))
        assert.strictEqual(new Set(items.map(({ key }) => key)).size, items.length)
        // What is ready can be had.
        const film = yield* Effect.orDie(client.media.list({ query: { limit: 200, q: "0" } }))
        const [first] = film.items
        const { token } = yield* running.signIn("admin", password)
        const content = yield* running.request(`/media/${first?.id}/content`, { token })
        assert.isTrue(content.bytes.equals(readFileSync(join(library, String(first?.s3Key)))))
        assert.isFalse(existsSync(join(dataDir, "first-password")))

        const ended = yield* running.joy.stop("SIGTERM")
        assert.strictEqual(ended.code, 0)
        yield* Joy.nothingLeft(dataDir)
      }).pipe(Effect.scoped),
    180_000
  )
})
