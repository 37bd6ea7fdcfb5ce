import { writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { UserId } from "@joy/domain/Ids"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import * as Effect from "effect/Effect"

/** Names are enough: what can't be read is an item too, which people can edit, find and throw away. */
const names = ["The.Film.2019.1080p.x264-GRP.mp4", "Amélie.2001.720p.mp4", "千と千尋の神隠し.mp4"]

const world = JoyUp.JoyUp.layer(
  { INGEST_INTERVAL: "1h", RATE_LIMITS: "off" },
  { prepare: (library) => names.forEach((name) => writeFileSync(join(library, name), "no film at all")) }
)

const all = Effect.flatMap(JoyUp.JoyUp, ({ admin }) =>
  Joy.until(
    Effect.orDie(admin.client.media.list({ query: { sort: "title" } })),
    ({ items }) => items.length === names.length && items.every(({ status }) => status === "failed")
  )
)

layer(world, { excludeTestServices: true })("the catalogue over HTTP", (it) => {
  it.effect("edits an item that has the version of If-Match, and no other", () =>
    Effect.gen(function* () {
      const { admin, request } = yield* JoyUp.JoyUp
      const { items } = yield* all
      assert.deepStrictEqual(
        items.map(({ title }) => title),
        ["Amélie (2001)", "The Film (2019)", "千と千尋の神隠し"]
      )
      const { id, version } = items[1] ?? { id: "", version: 0 }
      const patch = (body: unknown, ifMatch?: string) =>
        request(`/media/${id}`, {
          method: "PATCH",
          token: admin.token,
          body,
          ...(ifMatch === undefined ? {} : { headers: { "if-match": ifMatch } })
        })
      assert.strictEqual((yield* patch({ title: "Mine" }, `"${version - 1}"`)).status, 412)
      assert.strictEqual((yield* patch({ title: "Mine" }, "no tag")).status, 400)
      assert.strictEqual(
        (yield* patch({ title: "Mine", version: 99, s3Key: "x", status: "ready" }, `"${version}"`)).status,
        200
      )
      assert.strictEqual((yield* patch({ title: "Yours" }, `"${version}"`)).status, 412)
      for (const body of [
        { title: "" },
        { title: 7 },
        { tags: "a" },
        { visibility: "all" },
        { ownerId: "me" },
        [],
        "x"
      ]) {
        assert.strictEqual((yield* patch(body)).status, 400, JSON.stringify(body))
      }
      assert.strictEqual((yield* patch({ ownerId: id })).status, 422)
      const edited = yield* admin.client.media.byId({
        params: { id: items[1]?.id ?? (yield* Effect.die(new Error(id))) }
      })
      assert.deepStrictEqual([edited.title, edited.version, edited.status], ["Mine", version + 1, "failed"])
    })
  )

  it.effect("takes 500 items at once and no more, and says of each how it went", () =>
    Effect.gen(function* () {
      const { admin, request } = yield* JoyUp.JoyUp
      const { items } = yield* all
      const bulk = (body: unknown) => request("/media/bulk", { method: "POST", token: admin.token, body })
      const nobody = "019ac000-0000-7000-8000-0000000000"
      const ids = Array.from({ length: 500 }, (_, at) => `${nobody}${(at % 100).toString().padStart(2, "0")}`)
      const id = items[0]?.id ?? ""
      const { status, text } = yield* bulk({ action: "tag", tags: ["été"], ids: [id, ...ids.slice(1)] })
      assert.strictEqual(status, 200)
      const { results } = JSON.parse(text)
      assert.deepStrictEqual(
        [results.length, results[0], results[1].outcome],
        [500, { id, outcome: "changed" }, "not-found"]
      )
      assert.strictEqual((yield* bulk({ action: "tag", tags: ["été"], ids: [id, ...ids] })).status, 400)
      assert.strictEqual((yield* bulk({ action: "erase", ids: [id] })).status, 400)
      const tags = yield* admin.client.tags.list({ query: {} })
      assert.deepStrictEqual(tags.items, [{ tag: "été", count: 1 }])
      const renamed = yield* request(`/tags/${encodeURIComponent("été")}`, {
        method: "PATCH",
        token: admin.token,
        body: { name: "a/b & c?" }
      })
      assert.deepStrictEqual(JSON.parse(renamed.text), { tag: "a/b & c?", count: 1 })
      const none = yield* request(`/tags/${encodeURIComponent("a/b & c")}`, {
        method: "PATCH",
        token: admin.token,
        body: { name: "x" }
      })
      assert.strictEqual(none.status, 404)
    })
  )

  it.effect("answers whatever is looked for, and counts the same", () =>
    Effect.gen(function* () {
      const { admin, request } = yield* JoyUp.JoyUp
      yield* all
      const ask = (path: string, q: string, more = "") =>
        request(`${path}?q=${encodeURIComponent(q)}${more}`, { token: admin.token })
      for (const [q, title] of [
        ["amelei", "Amélie (2001)"],
        ["千尋", "千と千尋の神隠し"],
        ["x264-GRP", "Mine"]
      ] as const) {
        const page = JSON.parse((yield* ask("/media", q)).text)
        assert.strictEqual(page.items[0]?.title, title, q)
        const facets = JSON.parse((yield* ask("/media/facets", q)).text)
        assert.deepStrictEqual(facets.types, [{ value: "video", count: 1 }], q)
      }
      const odd = [
        "&",
        "'",
        "a",
        "%00",
        "🎉",
        "\u202e",
        ") OR 1=1 --",
        "<script>",
        "*:*",
        "x".repeat(200),
        "\u0001\u001f"
      ]
      for (const q of odd) {
        for (const path of ["/media", "/media/facets"]) assert.strictEqual((yield* ask(path, q)).status, 200, q)
      }
      for (const q of ["blade runner ".repeat(800), "x".repeat(201), "nul \u0000"]) {
        for (const path of ["/media", "/media/facets"]) assert.strictEqual((yield* ask(path, q)).status, 400, path)
      }
      assert.strictEqual((yield* ask("/media", "amelie", "&sort=loudest")).status, 400)
    })
  )

  it.effect("throws items away and takes them back, and writes down what was done to others' [L9]", () =>
    Effect.gen(function* () {
      const { account, admin, request } = yield* JoyUp.JoyUp
      const { items } = yield* all
      const viewer = yield* account("viewer")
      const item = items[0] ?? (yield* Effect.die(new Error("There is no item")))
      const params = { id: item.id }
      yield* admin.client.mediaChanges.edit({ params, headers: {}, payload: { ownerId: UserId.make(viewer.userId) } })
      yield* admin.client.mediaChanges.remove({ params, query: { source: "delete" } })
      assert.strictEqual((yield* request(`/media/${item.id}`, { token: viewer.token })).status, 404)
      const { items: trashed } = yield* viewer.client.mediaChanges.trash({ query: {} })
      assert.deepStrictEqual(
        trashed.map(({ deletesSource, id }) => [id, deletesSource]),
        [[item.id, true]]
      )
      yield* viewer.client.mediaChanges.restore({ params })
      const restored = yield* viewer.client.media.byId({ params })
      assert.strictEqual(restored.title, item.title)
      const written = yield* admin.client.audit.list({ query: { userId: UserId.make(viewer.userId) } })
      const theirs = written.items.filter(({ action }) => action.startsWith("media."))
      assert.deepStrictEqual(
        theirs.map(({ action, actorId, ip, subjectId }) => ({ action, actorId: String(actorId), ip, subjectId })),
        [
          {
            action: "media.trashed",
            actorId: admin.userId,
            ip: "127.0.0.1",
            subjectId: UserId.make(viewer.userId)
          }
        ]
      )
    })
  )
})
