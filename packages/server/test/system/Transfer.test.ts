import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"

import { assert, layer } from "@effect/vitest"
import { Email, Username } from "@joy/domain/User"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** Lives long enough to see it move: the library is a folder of its own, which does not move along. */
const lived = Effect.gen(function* () {
  const up = yield* JoyUp.JoyUp
  const owner = yield* up.account("owner", ["viewer"])
  yield* up.account("Curie", ["curator"])
  const film = yield* TestMedia.video()
  const home = join(up.library, "users", owner.userId)
  mkdirSync(home, { recursive: true })
  for (const name of ["The.Film.2019.mp4", "thrown away.mp4"]) copyFileSync(film, join(up.library, name))
  copyFileSync(film, join(home, "mine.mp4"))
  yield* Effect.orDie(up.admin.client.media.refresh({ query: {} }))
  const { items } = yield* Joy.until(
    Effect.orDie(up.admin.client.media.list({ query: {} })),
    ({ items }) => items.length === 3 && items.every(({ status }) => status === "ready")
  )
  const itemOf = (key: string) => items.find(({ s3Key }) => s3Key?.endsWith(key) === true) ?? items[0]
  const [shared, mine, thrown] = [itemOf("2019.mp4"), itemOf("mine.mp4"), itemOf("away.mp4")]
  if (shared === undefined || mine === undefined || thrown === undefined)
    return yield* Effect.die("An item is not there")
  const { client } = up.admin
  yield* Effect.orDie(
    client.mediaChanges.edit({
      params: { id: shared.id },
      headers: {},
      payload: { title: "Ein „Film“ ☃ 映画", description: "so\nso", tags: ["noir", "été"] }
    })
  )
  yield* Effect.orDie(client.mediaChanges.remove({ params: { id: thrown.id }, query: {} }))
  yield* Effect.orDie(owner.client.mediaChanges.favour({ params: { id: shared.id } }))
  yield* Effect.orDie(owner.client.progress.put({ params: { id: mine.id }, payload: { positionSeconds: 0.7 } }))
  const share = yield* Effect.orDie(owner.client.shares.create({ params: { id: mine.id }, payload: {} }))
  return { owner, shareUrl: Redacted.value(share.url) }
})

/** All that people see of it. */
const seen = Effect.fnUntraced(function* (
  { client }: JoyUp.SignedIn,
  own: JoyUp.SignedIn,
  server: JoyUp.Server,
  share: string
) {
  const { items } = yield* client.media.list({ query: { sort: "createdAt" } })
  const trash = yield* client.mediaChanges.trash({ query: {} })
  const users = yield* client.users.list({ query: {} })
  const { items: favourites } = yield* own.client.media.list({ query: { favourite: "1" } })
  const begun = yield* own.client.progress.continueWatching({ query: {} })
  const opened = yield* server.request(new URL(share).pathname)
  return {
    items: items.map(({ createdAt, description, etag, id, ownerId, s3Key, sizeBytes, tags, title, visibility }) => ({
      createdAt,
      description,
      etag,
      id,
      ownerId,
      s3Key,
      sizeBytes,
      tags,
      title,
      visibility
    })),
    trash: trash.items.map(({ id, title }) => ({ id, title })),
    users: users.items.map(({ createdAt, disabled, displayName, email, id, roles, username }) => ({
      createdAt,
      disabled,
      displayName,
      email,
      id,
      roles,
      username
    })),
    favourites: favourites.map(({ id }) => id),
    begun: begun.items.map(({ id, positionSeconds }) => ({ id, positionSeconds })),
    share: opened.status
  }
}, Effect.orDie)

describeWith(["ffmpeg"], "An installation", () => {
  layer(JoyUp.JoyUp.layer({ INGEST_INTERVAL: "1h" }), { excludeTestServices: true, timeout: "240 seconds" })((it) => {
    it.effect(
      "moves house, and comes back from a backup [X1, X2]",
      () =>
        Effect.gen(function* () {
          const up = yield* JoyUp.JoyUp
          const { owner, shareUrl } = yield* lived
          const before = yield* seen(up.admin, owner, up, shareUrl)
          assert.deepStrictEqual([before.items.length, before.trash.length, before.share], [2, 1, 200])
          const here = { env: { DATA_DIR: up.dataDir }, cwd: up.folder }
          const works = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: Joy.StartOptions) {
            const ended = yield* Joy.run(args, options)
            assert.strictEqual(ended.code, 0, `joy ${args.join(" ")}: ${ended.stderr}`)
            return ended
          })

          // While it runs.
          const exported = join(up.folder, "house.ndjson")
          const backup = join(up.folder, "house.joy.gz")
          assert.match((yield* works(["export", "--output", exported], here)).stderr, /Exported .*3 user.*3 item/)
          yield* works(["backup", backup], here)
          const again = yield* Joy.run(["export", "--output", exported], here)
          assert.deepStrictEqual([again.code, /already/.test(again.stderr)], [1, true])
          const text = readFileSync(exported, "utf8")
          assert.strictEqual((yield* works(["export"], here)).stdout.split("\n").length, text.split("\n").length)
          for (const path of [exported, backup]) assert.strictEqual(statSync(path).mode & 0o777, 0o600)
          for (const secret of [
            "argon2",
            "password_hash",
            "passwordHash",
            JoyUp.accountPassword,
            shareUrl.slice(-48)
          ]) {
            assert.notInclude(text, secret)
          }
          assert.include(gunzipSync(readFileSync(backup)).toString(), "argon2")

          // Bad files change nothing, and say what is wrong with them.
          const elsewhere = yield* Joy.folder
          const there = { env: { DATA_DIR: join(elsewhere, "data") }, cwd: elsewhere }
          const bad = (content: string | Uint8Array) => {
            const path = join(elsewhere, "bad")
            writeFileSync(path, content)
            return path
          }
          assert.match((yield* Joy.run(["import", bad(text.slice(0, -200))], there)).stderr, /line \d+ is no JSON/)
          const full = yield* Joy.run(["import", exported], here)
          assert.match(full.stderr, /not empty: it has 3 users and 3 items/)

          // Moving in.
          assert.match((yield* works(["import", exported], there)).stderr, /Imported .*3 item/)
          assert.match((yield* Joy.run(["import", exported], there)).stderr, /not empty/)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const moved = yield* JoyUp.up(elsewhere, { MEDIA_DIR: up.library })
              assert.isNull(moved.password)
              for (const name of ["admin", "owner"]) {
                const reset = ["admin", "reset-password", "--username", name, "--password-stdin"]
                yield* works(reset, { ...there, input: `${JoyUp.accountPassword}\n` })
              }
              const admin = yield* moved.signIn("admin", JoyUp.accountPassword)
              const own = yield* moved.signIn("owner", JoyUp.accountPassword)
              yield* Joy.until(
                Effect.orDie(admin.client.media.list({ query: {} })),
                ({ items }) => items.length === 2 && items.every(({ status }) => status === "ready")
              )
              assert.deepStrictEqual(yield* seen(admin, own, moved, shareUrl), before)
              yield* moved.joy.stop()
            })
          )

          // The backup, in place of all that, and elsewhere. Sessions and passwords are in it.
          const refused = yield* Joy.run(["restore", backup], there)
          assert.match(refused.stderr, /not empty.*--replace/)
          const inUse = yield* Joy.run(["restore", backup, "--replace"], here)
          assert.match(inUse.stderr, /in use/)
          yield* works(["restore", backup, "--replace"], there)
          copyFileSync(join(up.dataDir, "keys.json"), join(elsewhere, "data", "keys.json"))
          yield* Effect.scoped(
            Effect.gen(function* () {
              const restored = yield* JoyUp.up(elsewhere, {
                MEDIA_DIR: up.library,
                PUBLIC_URL: "http://localhost:8080"
              })
              const admin = yield* restored.signIn("admin", up.password)
              const own = yield* restored.signIn("owner", JoyUp.accountPassword)
              assert.deepStrictEqual(yield* seen(admin, own, restored, shareUrl), before)
              const { items } = yield* Effect.orDie(admin.client.media.list({ query: {} }))
              assert.isTrue(
                items.every(({ durationSeconds, status }) => status === "ready" && durationSeconds !== null)
              )
              yield* Effect.orDie(
                admin.client.users.create({
                  payload: {
                    username: Username.make("later"),
                    email: Email.make("later@example.org"),
                    password: Redacted.make(JoyUp.accountPassword)
                  }
                })
              )
            })
          )
        }),
      // Many starts, most of them with a database.
      240_000
    )
  })
})
