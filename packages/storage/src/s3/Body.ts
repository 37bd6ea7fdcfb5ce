import type { Readable } from "node:stream"

import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

import { StoreUnavailable } from "../StoreError.ts"

/**
 * How long the server may say nothing while somebody waits for it. Time that the consumer takes is not counted, as a
 * limit on the socket would: a film may be paused for an hour.
 */
const silence = "30 seconds"

const broken = (reason: string) => new StoreUnavailable({ operation: "read", reason, retryable: true })

/** The next piece, or `null` at the end. Nothing is read from the socket beyond what Node buffers (64 KiB). */
const next = (body: Readable): Effect.Effect<Uint8Array | null, StoreUnavailable> =>
  Effect.callback((resume) => {
    const settle = (result: Effect.Effect<Uint8Array | null, StoreUnavailable>) => {
      stop()
      resume(result)
    }
    const look = () => {
      const chunk: unknown = body.readableEnded || body.destroyed ? null : body.read()
      if (chunk instanceof Uint8Array) return settle(Effect.succeed(chunk))
      if (body.readableEnded) return settle(Effect.succeed(null))
      if (body.destroyed) {
        const { errored } = body
        const reason =
          errored instanceof Silent ? errored.message : `the connection broke off: ${errored?.message ?? "closed"}`
        return settle(Effect.fail(broken(reason)))
      }
    }
    const stop = () => {
      body.off("readable", look)
      body.off("end", look)
      body.off("close", look)
    }
    body.on("readable", look)
    body.on("end", look)
    // Comes after `error` as well, when `errored` is set.
    body.on("close", look)
    look()
    return Effect.sync(stop)
  })

class Silent extends Error {
  override readonly message = `nothing came for ${silence}`
}

/**
 * Gives a body up that says nothing for too long while somebody waits for it. One timer looks after all of it: one for
 * each piece would cost more than the piece.
 */
const watch = Effect.fnUntraced(function* (body: Readable, waitingSince: () => number | null) {
  const limit = Duration.toMillis(silence)
  while (true) {
    const since = waitingSince()
    const waited = since === null ? 0 : (yield* Clock.currentTimeMillis) - since
    if (waited >= limit) return body.destroy(new Silent())
    yield* Effect.sleep(limit - waited)
  }
})

/** The bytes of an answer, which must be as many as it promised. Can be consumed once. */
export const stream = (body: Readable, expected: number): Stream.Stream<Uint8Array, StoreUnavailable> =>
  Stream.unwrap(
    Effect.gen(function* () {
      let received = 0
      let since: number | null = null
      yield* Effect.forkScoped(watch(body, () => since))
      const pull = Effect.gen(function* () {
        since = yield* Clock.currentTimeMillis
        const chunk = yield* next(body)
        since = null
        if (chunk !== null) received += chunk.byteLength
        if (received > expected || (chunk === null && received < expected)) {
          return yield* broken(`${expected} bytes were promised and ${received} came`)
        }
        if (chunk === null) return yield* Cause.done()
        return Arr.of(chunk)
      })
      return Stream.fromPull(Effect.succeed(pull))
    })
  )
