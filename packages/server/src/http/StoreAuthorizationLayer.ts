import { createHash, timingSafeEqual } from "node:crypto"

import { NotFound, Unauthenticated } from "@joy/domain/Problem"
import { StoreAuthorization } from "@joy/domain/StoreAuthorization"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { Configuration } from "../config/Configuration.ts"

/** A store gathers what it has to tell. */
const mostBytes = ByteSize.kibibytes(256)

/** Of one length, whatever the secret's is: comparing takes the same time for each guess. */
const digest = (text: string) => createHash("sha256").update(text).digest()

export const layer = Layer.effect(
  StoreAuthorization,
  Effect.map(Configuration, ({ ingestEventsSecret }) => {
    const expected = ingestEventsSecret === null ? null : digest(Redacted.value(ingestEventsSecret))
    const admit = Effect.fnUntraced(function* <A, E, R>(handled: Effect.Effect<A, E, R>, shown: Redacted.Redacted) {
      if (expected === null) return yield* new NotFound({})
      if (!timingSafeEqual(digest(Redacted.value(shown)), expected)) return yield* new Unauthenticated({})
      return yield* Effect.provideService(handled, HttpIncomingMessage.MaxBodySize, mostBytes)
    })
    return StoreAuthorization.of({
      bearer: (handled, { credential }) => admit(handled, credential),
      basic: (handled, { credential }) => admit(handled, credential.password)
    })
  })
)
