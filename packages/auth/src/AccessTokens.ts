import { hash, randomUUID, sign, verify as verifySignature } from "node:crypto"

import { SessionId, UserId } from "@joy/domain/Ids"
import { Unauthenticated } from "@joy/domain/Problem"
import type { Timestamp } from "@joy/domain/Timestamp"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

import { AuthConfig } from "./AuthConfig.ts"
import { clockTolerance } from "./KeyFile.ts"
import { Keys } from "./Keys.ts"

/** Whom an access token speaks of. */
export interface TokenSubject {
  readonly userId: UserId
  readonly sessionId: SessionId
  /**
   * Which refresh token of the session it was issued with: the first use of the access token shows that its refresh
   * token arrived (see `RefreshSecret.ts`). Claim `gen`.
   */
  readonly counter: number
}

/** A token that holds. */
export interface VerifiedToken extends TokenSubject {
  /** Milliseconds since the epoch. */
  readonly expiresAtMillis: number
}

export interface IssuedToken {
  readonly accessToken: Redacted.Redacted
  /** Seconds until the token ends. */
  readonly expiresIn: number
}

/** The header (RFC 9068, 2.1). What else a header may name (`jku`, `jwk`, `x5u`, `crit`) is refused, not looked at. */
const Header = Schema.fromJsonString(
  Schema.Struct({ alg: Schema.Literal("EdDSA"), typ: Schema.Literal("at+jwt"), kid: Schema.String })
)
const decodeHeader = Schema.decodeUnknownOption(Header, { onExcessProperty: "error" })

const Claims = Schema.fromJsonString(
  Schema.Struct({
    iss: Schema.String,
    aud: Schema.String,
    sub: UserId,
    sid: SessionId,
    gen: Schema.Int,
    exp: Schema.Int,
    iat: Schema.Int,
    nbf: Schema.optionalKey(Schema.Int),
    jti: Schema.String
  })
)
const decodeClaims = Schema.decodeUnknownOption(Claims)

/** Ours have about 500 characters. Anything longer is not even hashed. */
const maxLength = 2048

/** Header, claims and the 64 bytes of an Ed25519 signature (RFC 7515, 3.1), without padding. */
const compact = /^([\w-]+)\.([\w-]+)\.([\w-]{86})$/

/** How long a token that was verified is taken at its word; `exp` and the key's end are checked every time. */
const cacheMillis = 30_000
const cacheSize = 10_000

const unauthenticated = Effect.fail(new Unauthenticated({}))

/** A token whose signature, type, issuer and audience are right; times remain to be checked. */
interface Checked {
  readonly token: VerifiedToken
  readonly notBeforeMillis: number
  /** With tolerance, and never after the end of the key. */
  readonly endsAtMillis: number
  /** The reading of the key file that it was checked with. */
  readonly generation: number
}

const fromBase64Url = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64url")
  // One text for one value: otherwise a token has several spellings.
  return bytes.toString("base64url") === text ? bytes : undefined
}

export class AccessTokens extends Context.Service<
  AccessTokens,
  {
    /** Signs a token for a session (RFC 9068), which ends with the session at the latest. */
    readonly issue: (subject: TokenSubject & { readonly refreshExpiresAt?: Timestamp }) => Effect.Effect<IssuedToken>
    /**
     * Checks all of a token: signature, algorithm, type, issuer, audience and times (5 seconds of tolerance). Whatever
     * is wrong, the answer is the same. Whether the session lives is asked of `Principals`.
     */
    readonly verify: (token: string) => Effect.Effect<VerifiedToken, Unauthenticated>
  }
>()("@joy/auth/AccessTokens") {
  static readonly layer: Layer.Layer<AccessTokens, never, AuthConfig | Keys> = Layer.effect(
    AccessTokens,
    Effect.gen(function* () {
      const { accessTokenTtl, audience, issuer } = yield* AuthConfig
      const keys = yield* Keys
      const ttlSeconds = Math.floor(Duration.toSeconds(accessTokenTtl))
      const toleranceMillis = Duration.toMillis(clockTolerance)
      // By SHA-256, so that no token stays in memory and keys have one size. Oldest first: entries live 30 seconds.
      const cache = new Map<string, Checked & { readonly cachedUntil: number }>()

      // Ed25519 by node:crypto, synchronously: jose signs and verifies on libuv's threads, where every request
      // would wait behind files and pictures.
      const issue = (subject: TokenSubject & { readonly refreshExpiresAt?: Timestamp }) =>
        Effect.map(Clock.currentTimeMillis, (now): IssuedToken => {
          const { kid, privateKey } = keys.signingKey(now)
          const iat = Math.floor(now / 1000)
          const { refreshExpiresAt } = subject
          const sessionEnd = refreshExpiresAt === undefined ? Infinity : Math.floor(Date.parse(refreshExpiresAt) / 1000)
          const exp = Math.max(iat + 1, Math.min(iat + ttlSeconds, sessionEnd))
          const header = { alg: "EdDSA", typ: "at+jwt", kid }
          const claims = {
            iss: issuer,
            aud: audience,
            sub: subject.userId,
            sid: subject.sessionId,
            gen: subject.counter,
            iat,
            exp,
            jti: randomUUID()
          }
          const input = [header, claims]
            .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
            .join(".")
          const signature = sign(null, Buffer.from(input), privateKey).toString("base64url")
          return { accessToken: Redacted.make(`${input}.${signature}`), expiresIn: exp - iat }
        })

      const check = (token: string): Checked | undefined => {
        const [, headerText = "", claimsText = "", signatureText = ""] = compact.exec(token) ?? []
        const header = Option.getOrUndefined(decodeHeader(fromBase64Url(headerText)?.toString()))
        const key = header && keys.verificationKey(header.kid)
        const signature = fromBase64Url(signatureText)
        if (key === undefined || signature === undefined) return undefined
        const input = Buffer.from(`${headerText}.${claimsText}`)
        if (!verifySignature(null, input, key.publicKey, signature)) return undefined
        const claims = Option.getOrUndefined(decodeClaims(fromBase64Url(claimsText)?.toString()))
        if (claims === undefined || claims.iss !== issuer || claims.aud !== audience) return undefined
        const expiresAtMillis = claims.exp * 1000
        return {
          token: { userId: claims.sub, sessionId: claims.sid, counter: claims.gen, expiresAtMillis },
          notBeforeMillis: (claims.nbf ?? 0) * 1000 - toleranceMillis,
          endsAtMillis: Math.min(expiresAtMillis + toleranceMillis, key.retiresAtMillis),
          generation: keys.generation()
        }
      }

      const cached = (token: string, now: number): Checked | undefined => {
        const id = hash("sha256", token, "base64url")
        const hit = cache.get(id)
        if (hit !== undefined && now < hit.cachedUntil && hit.generation === keys.generation()) return hit
        const checked = check(token)
        if (checked === undefined) return undefined
        cache.delete(id)
        cache.set(id, { ...checked, cachedUntil: now + cacheMillis })
        if (cache.size > cacheSize) {
          for (const oldest of cache.keys()) {
            cache.delete(oldest)
            break
          }
        }
        return checked
      }

      const verify = (token: string): Effect.Effect<VerifiedToken, Unauthenticated> =>
        token.length > maxLength
          ? unauthenticated
          : Clock.clockWith((clock) => {
              const now = clock.currentTimeMillisUnsafe()
              const found = cached(token, now)
              return found !== undefined && now >= found.notBeforeMillis && now < found.endsAtMillis
                ? Effect.succeed(found.token)
                : unauthenticated
            })

      return AccessTokens.of({ issue, verify })
    })
  )
}
