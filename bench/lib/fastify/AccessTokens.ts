import { hash, randomUUID, sign, verify } from "node:crypto"

import type { Keys } from "./Keys.ts"

/** Access tokens (RFC 9068) with Ed25519 by node:crypto, synchronously, behind the same cache as joy's. */
export interface Token {
  readonly userId: string
  readonly sessionId: string
  readonly counter: number
}

export interface AccessTokens {
  readonly issue: (token: Token) => { readonly accessToken: string; readonly expiresIn: number }
  /** Nothing for a token that does not hold. */
  readonly verify: (token: string) => Token | undefined
}

const compact = /^([\w-]+)\.([\w-]+)\.([\w-]{86})$/
const audience = "joy"
const toleranceMillis = 5_000
const cacheMillis = 30_000
const cacheSize = 10_000
const maxLength = 2048

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const decode = (text: string) => JSON.parse(Buffer.from(text, "base64url").toString())

export const make = (keys: Keys, issuer: string, ttlSeconds: number): AccessTokens => {
  const cache = new Map<string, { readonly token: Token; readonly endsAt: number; readonly cachedUntil: number }>()

  const check = (text: string, now: number) => {
    const [, headerText = "", claimsText = "", signature = ""] = compact.exec(text) ?? []
    if (headerText === "") return undefined
    const header = decode(headerText)
    const key = header.alg === "EdDSA" && header.typ === "at+jwt" ? keys.verification.get(header.kid) : undefined
    if (key === undefined) return undefined
    if (!verify(null, Buffer.from(`${headerText}.${claimsText}`), key, Buffer.from(signature, "base64url"))) {
      return undefined
    }
    const claims = decode(claimsText)
    if (claims.iss !== issuer || claims.aud !== audience) return undefined
    return {
      token: { userId: claims.sub, sessionId: claims.sid, counter: claims.gen },
      endsAt: claims.exp * 1000 + toleranceMillis,
      cachedUntil: now + cacheMillis
    }
  }

  return {
    issue: ({ counter, sessionId, userId }) => {
      const iat = Math.floor(Date.now() / 1000)
      const exp = iat + ttlSeconds
      const claims = {
        iss: issuer,
        aud: audience,
        sub: userId,
        sid: sessionId,
        gen: counter,
        iat,
        exp,
        jti: randomUUID()
      }
      const input = `${encode({ alg: "EdDSA", typ: "at+jwt", kid: keys.signing.kid })}.${encode(claims)}`
      const signature = sign(null, Buffer.from(input), keys.signing.key).toString("base64url")
      return { accessToken: `${input}.${signature}`, expiresIn: ttlSeconds }
    },
    verify: (text) => {
      if (text.length > maxLength) return undefined
      const now = Date.now()
      const id = hash("sha256", text, "base64url")
      let entry = cache.get(id)
      if (entry === undefined || entry.cachedUntil <= now) {
        entry = check(text, now)
        if (entry === undefined) return undefined
        cache.delete(id)
        cache.set(id, entry)
        const [oldest] = cache.size > cacheSize ? cache.keys() : []
        if (oldest !== undefined) cache.delete(oldest)
      }
      return now < entry.endsAt ? entry.token : undefined
    }
  }
}
