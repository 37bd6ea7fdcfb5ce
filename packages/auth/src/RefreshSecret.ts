import { createHash, createHmac, timingSafeEqual } from "node:crypto"

import { SessionId } from "@joy/domain/Ids"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

import type { SecretKey } from "./Keys.ts"

/**
 * Refresh tokens are `<session id>.<secret>`. The secret has 32 bytes: the counter of the rotation (4 bytes, big endian)
 * and 28 bytes of HMAC-SHA-256 over session id and counter, with a server key that is used for nothing else (224 bits;
 * RFC 2104, 5 allows the cut). So the server can make the same secret again without storing it, and tells a spent secret
 * of a session, which ends the session, from something made up, which must not: with a bare HMAC it would have to try
 * every counter there was. The database has the SHA-256 alone.
 */

const counterBytes = 4
const secretBytes = 32

/** What a refresh token says of itself; nothing is proven yet. */
export interface RefreshSecret {
  readonly sessionId: SessionId
  readonly counter: number
  readonly bytes: Buffer
}

const make = (key: SecretKey, sessionId: SessionId, counter: number): Buffer => {
  const secret = Buffer.alloc(secretBytes)
  secret.writeUInt32BE(counter)
  createHmac("sha256", key.key)
    .update(`refresh\0${sessionId}\0${counter}`)
    .digest()
    .copy(secret, counterBytes, 0, secretBytes - counterBytes)
  return secret
}

/** What the database keeps of a secret. */
export const hash = (secret: Uint8Array): Uint8Array => createHash("sha256").update(secret).digest()

/** The secret number `counter` of a session: always the same. */
export const derive = (
  key: SecretKey,
  sessionId: SessionId,
  counter: number
): { readonly token: Redacted.Redacted; readonly hash: Uint8Array } => {
  const secret = make(key, sessionId, counter)
  return { token: Redacted.make(`${sessionId}.${secret.toString("base64url")}`), hash: hash(secret) }
}

/** Whether the secret was made with the key. */
export const isGenuine = (key: SecretKey, secret: RefreshSecret): boolean =>
  timingSafeEqual(make(key, secret.sessionId, secret.counter), secret.bytes)

const shape = /^([0-9a-f-]{36})\.([\w-]{43})$/
const decodeSessionId = Schema.decodeUnknownOption(SessionId)

/** Reads a refresh token. */
export const parse = (token: Redacted.Redacted): RefreshSecret | undefined => {
  const [, id, text = ""] = shape.exec(Redacted.value(token)) ?? []
  const bytes = Buffer.from(text, "base64url")
  if (bytes.length !== secretBytes || bytes.toString("base64url") !== text) return undefined
  return Option.match(decodeSessionId(id), {
    onNone: () => undefined,
    onSome: (sessionId) => ({ sessionId, counter: bytes.readUInt32BE(), bytes })
  })
}
