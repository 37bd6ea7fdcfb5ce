import { createHmac, timingSafeEqual } from "node:crypto"

import { Signer, type SigningPurpose } from "@joy/domain/Signer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Keys, type SecretKey } from "./Keys.ts"

/** 132 of the 256 bits, which RFC 2104, 5 allows: short enough for URLs, far too many to guess. */
const characters = 22

const signature = (key: SecretKey, purpose: SigningPurpose, text: string) =>
  // The purpose has no NUL, so no text of one purpose reads as a text of another.
  createHmac("sha256", key.key).update(`${purpose}\0${text}`).digest("base64url").slice(0, characters)

/** The domain's `Signer` with the key file's `mac` keys. */
export const layer: Layer.Layer<Signer, never, Keys> = Layer.effect(
  Signer,
  Effect.map(Keys, (keys) => ({
    sign: (purpose, text) => signature(keys.macKeys()[0], purpose, text),
    verify: (purpose, text, given) => {
      const bytesGiven = Buffer.from(given)
      return keys.macKeys().some((key) => {
        // Compared as text: two texts of one value, which base64url allows, are not both a signature.
        const expected = Buffer.from(signature(key, purpose, text))
        return bytesGiven.length === expected.length && timingSafeEqual(bytesGiven, expected)
      })
    }
  }))
)
