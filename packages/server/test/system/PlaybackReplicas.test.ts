import { copyFileSync, mkdirSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { MediaItemId, UserId } from "@joy/domain/Ids"
import * as Joy from "@joy/testing/Joy"
import type * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as Replicas from "@joy/testing/Replicas"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** Two servers, an ingest beside them, and a film that is ready. */
class World extends Context.Service<
  World,
  { readonly replicas: Replicas.Replicas["Service"]; readonly itemId: MediaItemId }
>()("@joy/server/test/PlaybackReplicasWorld") {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const folder = yield* Joy.folder
      const stores = { MEDIA_DIR: join(folder, "media"), DERIVED_DIR: join(folder, "derived") }
      mkdirSync(stores.MEDIA_DIR)
      copyFileSync(yield* TestMedia.video({ seconds: 12 }), join(stores.MEDIA_DIR, "film.mp4"))
      const replicas = yield* Replicas.make(url, stores)
      const env = {
        ...stores,
        DATA_DIR: join(folder, "data"),
        DATABASE_URL: Redacted.value(url),
        INGEST_INTERVAL: "1s"
      }
      yield* Joy.start(["ingest"], { env, cwd: folder })
      const { client } = yield* replicas.one.signIn("admin", Replicas.password)
      const { items } = yield* Joy.until(
        Effect.orDie(client.media.list({ query: {} })),
        ({ items }) => items.length === 1 && items.every(({ status }) => status === "ready")
      )
      return { replicas, itemId: MediaItemId.make(items[0]?.id ?? "") }
    })
  ).pipe(Layer.provide(TestDatabase.layerEmpty))
}

/** The URLs of a playback that somebody asked for by a token. */
const ask = Effect.fnUntraced(function* (server: JoyUp.Server, token: string) {
  const { itemId } = yield* World
  const answer = yield* server.request(`/media/${itemId}/playback`, { method: "POST", token })
  assert.strictEqual(answer.status, 200, answer.text)
  const [content = ""] = /\/play\/[\w-]+\/content/.exec(answer.text) ?? []
  return [content, content.replace("content", "hls/main.m3u8"), content.replace("content", "hls/main/0.m4s")]
})

const statuses = (server: JoyUp.Server, urls: ReadonlyArray<string>) =>
  Effect.forEach(urls, (url) => Effect.map(server.request(url), ({ status }) => status))

/** Asks both servers until all of it is refused, for the five seconds that it may take. */
const end = Effect.fnUntraced(function* (urls: ReadonlyArray<string>) {
  const { replicas } = yield* World
  yield* Joy.until(
    Effect.map(Effect.all([statuses(replicas.one, urls), statuses(replicas.two, urls)]), (both) => both.flat()),
    (all) => all.every((status) => status === 401),
    { seconds: 5, what: "every URL is refused by both servers" }
  )
})

describeWith(["redis", "ffmpeg"], "Grants on two servers", () => {
  layer(World.layer, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect("play at the one that did not give them", () =>
      Effect.gen(function* () {
        const { one, two } = (yield* World).replicas
        for (const [here, there] of [
          [one, two],
          [two, one]
        ] as const) {
          const urls = yield* ask(here, (yield* here.signIn("admin", Replicas.password)).token)
          assert.deepStrictEqual(yield* statuses(there, urls), [200, 200, 200])
        }
      })
    )

    it.effect("end at both with the session that is ended at either [G2]", () =>
      Effect.gen(function* () {
        const { one, two } = (yield* World).replicas
        for (const [here, there] of [
          [one, two],
          [two, one]
        ] as const) {
          const { token } = yield* here.signIn("admin", Replicas.password)
          const urls = yield* ask(here, token)
          // Both have seen it live.
          for (const server of [one, two]) assert.deepStrictEqual(yield* statuses(server, urls), [200, 200, 200])
          assert.strictEqual((yield* there.request("/auth/logout", { method: "POST", token })).status, 204)
          yield* end(urls)
        }
      })
    )

    it.effect("end at both with the key, the account, and Redis away as well [G2]", () =>
      Effect.gen(function* () {
        const { replicas } = yield* World
        const { one, two } = replicas
        const admin = yield* one.signIn("admin", Replicas.password)
        const key = yield* Effect.orDie(
          admin.client.apiKeys.create({ payload: { name: "a player", permissions: ["media:read"] } })
        )
        const byKey = yield* ask(two, Redacted.value(key.key))
        for (const server of [one, two]) assert.deepStrictEqual(yield* statuses(server, byKey), [200, 200, 200])
        yield* Effect.orDie(admin.client.apiKeys.revoke({ params: { id: key.id } }))
        yield* end(byKey)

        const registered = yield* one.request("/auth/register", {
          method: "POST",
          body: { username: "viewer", email: "viewer@example.org", password: Replicas.password }
        })
        assert.strictEqual(registered.status, 201, registered.text)
        const viewer = yield* two.signIn("viewer", Replicas.password)
        const urls = yield* ask(two, viewer.token)
        for (const server of [one, two]) assert.deepStrictEqual(yield* statuses(server, urls), [200, 200, 200])
        yield* replicas.stopRedis
        for (const server of [one, two]) assert.deepStrictEqual(yield* statuses(server, urls), [200, 200, 200])
        yield* Effect.orDie(
          admin.client.users.update({ params: { id: UserId.make(viewer.userId) }, payload: { disabled: true } })
        )
        yield* end(urls)
        yield* replicas.startRedis
      })
    )
  })
})
