import { assert, describe, it } from "@effect/vitest"
import { StandingPrincipals } from "@joy/auth/StandingPrincipals"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { SessionId, UserId } from "@joy/domain/Ids"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

import { EventNews } from "../../src/events/EventNews.ts"
import { EventReader } from "../../src/events/EventReader.ts"
import { EventStreams } from "../../src/events/EventStreams.ts"

const nothing = Layer.mergeAll(
  Layer.mock(EventNews, { heard: (atMost) => Effect.sleep(atMost) }),
  Layer.mock(EventReader, {
    now: Effect.succeed({ transactionId: 7n, id: 0n }),
    after: ({ transactionId }) =>
      Effect.succeed({ events: [], position: { transactionId, id: 0n }, isFull: false, isHeldBack: false })
  }),
  Layer.mock(StandingPrincipals, { stand: (principals) => Effect.succeed(principals.map(() => true)) })
)

const open = Effect.gen(function* () {
  const streams = yield* EventStreams
  return yield* streams.open(undefined)
}).pipe(
  Effect.provideService(CurrentPrincipal, {
    userId: UserId.make("018f0000-0000-7000-8000-000000000001"),
    credential: { kind: "session", sessionId: SessionId.make("018f0000-0000-7000-8000-000000000002") },
    permissions: new Set(["media:read"] as const)
  })
)

const test = EventStreams.layerNoDeps.pipe(Layer.provide(nothing))
const hello = ":\nid: 7-0\n\n"

/** What a stream holds, taken out of it. */
const taken = (stream: NodeJS.ReadableStream) =>
  Effect.callback<string>((resume) => {
    setImmediate(() => resume(Effect.succeed(String(stream.read() ?? ""))))
  })

describe("A stream of events", () => {
  it.effect("shows every 15 seconds that it is there, and from where to go on", () =>
    Effect.gen(function* () {
      const stream = yield* open
      assert.strictEqual(yield* taken(stream), hello)
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(yield* taken(stream), "")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* taken(stream), hello)
      yield* TestClock.adjust("16 seconds")
      assert.strictEqual(yield* taken(stream), hello)
    }).pipe(Effect.provide(test))
  )

  it.effect("is cut when nothing of it is taken for half a minute", () =>
    Effect.gen(function* () {
      const stream = yield* open
      yield* TestClock.adjust("29 seconds")
      assert.isFalse(stream.destroyed)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(stream.destroyed)
    }).pipe(Effect.provide(test))
  )

  it.effect("is not looked into when a failure that holds it is compared with another one", () =>
    Effect.gen(function* () {
      const stream = yield* open
      let looks = 0
      Object.defineProperty(stream, "inside", { enumerable: true, get: () => ++looks })
      const failure = () => Cause.combine(Cause.interrupt(1), Cause.die(HttpServerResponse.raw(stream)))
      Cause.combine(failure(), failure())
      assert.strictEqual(looks, 0)
    }).pipe(Effect.provide(test))
  )

  it.effect("does not begin while the server stops", () =>
    Effect.gen(function* () {
      const { end } = yield* EventStreams
      const stream = yield* open
      yield* end
      assert.strictEqual(yield* taken(stream), hello)
      assert.strictEqual((yield* Effect.flip(open))._tag, "ServiceUnavailable")
    }).pipe(Effect.provide(test))
  )
})
