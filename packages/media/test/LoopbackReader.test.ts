import { assert, describe, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

import * as LoopbackReader from "../src/LoopbackReader.ts"
import * as MemoryStore from "./MemoryStore.ts"

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251)

const served = Effect.fnUntraced(function* (options: { readonly budgetBytes?: number } = {}) {
  const store = MemoryStore.make()
  const object = store.put("secret/name.mp4", bytes, "v1")
  const reader = yield* LoopbackReader.LoopbackReader
  return { store, object, ...(yield* reader.serve({ store, object }, { step: "test", ...options })) }
})

const get = (url: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) }
  })

const fails = (url: string) =>
  Effect.promise(() =>
    fetch(url)
      .then((r) => r.arrayBuffer())
      .then(
        () => false,
        () => true
      )
  )

const ranges: ReadonlyArray<readonly [header: string | null, status: number, start: number, end: number]> = [
  [null, 200, 0, 99_999],
  ["bytes=0-", 206, 0, 99_999],
  ["bytes=0-0", 206, 0, 0],
  ["bytes=99000-", 206, 99_000, 99_999],
  ["bytes=500-1500", 206, 500, 1_500],
  ["bytes=99999-200000", 206, 99_999, 99_999],
  ["bytes=-500", 206, 99_500, 99_999],
  ["bytes=-500000", 206, 0, 99_999],
  ["bytes=0-1,5-6", 200, 0, 99_999],
  ["lines=0-1", 200, 0, 99_999]
]

describe("LoopbackReader", () => {
  layer(LoopbackReader.layer, { excludeTestServices: true })((it) => {
    for (const [header, status, start, end] of ranges) {
      it.effect(`answers ${header ?? "no range"} with bytes ${start} to ${end}`, () =>
        Effect.gen(function* () {
          const { url } = yield* served()
          const headers: Record<string, string> = header === null ? {} : { Range: header }
          const answer = yield* get(url, { headers })
          assert.strictEqual(answer.status, status)
          assert.strictEqual(Buffer.compare(answer.body, bytes.subarray(start, end + 1)), 0)
          assert.strictEqual(
            answer.headers.get("content-range"),
            status === 206 ? `bytes ${start}-${end}/${bytes.length}` : null
          )
          assert.strictEqual((yield* get(url, { headers, method: "HEAD" })).body.length, 0)
        })
      )
    }

    it.effect("has an address that tells nothing, and no other [M1]", () =>
      Effect.gen(function* () {
        const { url } = yield* served()
        assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/media$/)
        for (const other of ["/media", "/x", "?a=b", "/", "x"]) {
          assert.strictEqual((yield* get(url + other)).status, 404)
        }
        assert.strictEqual((yield* get(url.replace(/[0-9a-f]{32}/, "0".repeat(32)))).status, 404)
        assert.strictEqual((yield* get(url, { method: "POST", body: "x" })).status, 405)
        assert.strictEqual((yield* get(url, { headers: { Range: "bytes=100000-" } })).status, 416)
      })
    )

    it.effect("counts, and cuts off who reads more than the budget [M1]", () =>
      Effect.gen(function* () {
        const { url, stats, failure } = yield* served({ budgetBytes: 150_000 })
        yield* get(url)
        assert.deepStrictEqual({ ...stats }, { bytes: 100_000, reads: 1 })
        assert.isNull(yield* failure)
        assert.isTrue(yield* fails(url))
        assert.deepInclude(yield* failure, { _tag: "MediaResourceExceeded", resource: "input" })
      })
    )

    it.effect("knows why it could not go on", () =>
      Effect.gen(function* () {
        const changed = yield* served()
        changed.store.put("secret/name.mp4", bytes, "v2")
        assert.isTrue(yield* fails(changed.url))
        assert.strictEqual((yield* changed.failure)?._tag, "ObjectChanged")
        const gone = yield* served()
        gone.store.remove("secret/name.mp4")
        assert.isTrue(yield* fails(gone.url))
        assert.strictEqual((yield* gone.failure)?._tag, "ObjectNotFound")
        const broken = yield* served()
        broken.store.onRead = () => Effect.fail(MemoryStore.unavailable)
        assert.isTrue(yield* fails(broken.url))
        assert.strictEqual((yield* broken.failure)?._tag, "StoreUnavailable")
      })
    )

    it.effect("is over with its scope, also in the middle of a read [M1]", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { store, url } = yield* Scope.provide(served(), scope)
        const reading = yield* Deferred.make<void>()
        store.onRead = () => Effect.andThen(Deferred.succeed(reading, undefined), Effect.never)
        const failed = yield* Effect.forkChild(fails(url), { startImmediately: true })
        yield* Deferred.await(reading)
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(yield* Fiber.join(failed))
        assert.strictEqual((yield* get(url)).status, 404)
      })
    )
  })
})
