import { createHash, randomBytes } from "node:crypto"

import * as Redacted from "effect/Redacted"

/**
 * API keys are `joy_` and 32 random bytes in base64url. The prefix is for people, and for programs that look for secrets
 * where none should be; no access token begins like it. The database has the SHA-256 alone: of 256 random bits no slow
 * hash is needed.
 */
const prefix = "joy_"
const shape = /^joy_([\w-]{43})$/

/** Whether a credential is meant to be an API key. */
export const isApiKey = (credential: string): boolean => credential.startsWith(prefix)

const hash = (key: string): Uint8Array => createHash("sha256").update(key).digest()

export const generate = (): { readonly key: Redacted.Redacted; readonly hash: Uint8Array } => {
  const key = `${prefix}${randomBytes(32).toString("base64url")}`
  return { key: Redacted.make(key), hash: hash(key) }
}

/** What the database keeps of a key; nothing for what can't be one. */
export const hashOf = (credential: string): Uint8Array | undefined =>
  shape.test(credential) ? hash(credential) : undefined
