import { createHmac, timingSafeEqual } from "node:crypto"

import { Keys } from "@joy/auth/Keys"
import { Signer, type SigningPurpose } from "@joy/domain/Signer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** Bytes of a signature: 128 bits of HMAC-SHA-256 (RFC 2104, 5 allows half of it). */
const bytes = 16

/** Signs with the key file's own key for this, so that a signature can't be used as any other secret. */
export const layer = Layer.effect(
  Signer,
  Effect.gen(function* () {
    const keys = yield* Keys
    const key = Redacted.value(keys.signingSecret)
    const mac = (purpose: SigningPurpose, text: string) =>
      createHmac("sha256", key).update(`${purpose}\0${text}`).digest().subarray(0, bytes)

    return Signer.of({
      sign: (purpose, text) => mac(purpose, text).toString("base64url"),
      verify: (purpose, text, signature) => {
        const given = Buffer.from(signature, "base64url")
        return given.length === bytes && timingSafeEqual(given, mac(purpose, text))
      }
    })
  })
)
