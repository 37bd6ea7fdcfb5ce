import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import * as TestServices from "./TestServices.ts"

/** A database of the run's Redis that no other layer uses. For tests inside of `describeWith(["redis"], …)`. */
export class TestRedis extends Context.Service<TestRedis, { readonly url: Redacted.Redacted }>()(
  "@joy/testing/TestRedis"
) {
  static readonly layer = Layer.effect(
    TestRedis,
    Effect.map(TestServices.redis, ({ url }) => ({ url: Redacted.make(url) }))
  )
}
