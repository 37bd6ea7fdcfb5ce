import { createPrivateKey, type KeyObject, sign } from "node:crypto"

import * as Redacted from "effect/Redacted"

/**
 * Apple gives no client secret: the client signs one itself, a JWT by ES256 with the key of the developer account (Apple,
 * "Creating a client secret"). It is made anew for each call and lives as long as the call may take, a few minutes at
 * most: what is in no store can't be stolen from one.
 */

const lifeSeconds = 300

export interface AppleClient {
  readonly clientId: string
  readonly teamId: string
  readonly keyId: string
  readonly privateKey: KeyObject
}

/**
 * Reads the `.p8` file of Apple: PKCS #8 as PEM, with real line breaks or `\n` for them, as an environment has it.
 * Nothing for what is not a private key on P-256.
 */
export const readPrivateKey = (text: string): KeyObject | undefined => {
  try {
    const key = createPrivateKey(text.replaceAll("\\n", "\n"))
    return key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? key : undefined
  } catch {
    return undefined
  }
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")

/** A client secret for the token endpoint of `issuer`. */
export const mint = (client: AppleClient, issuer: string, nowMillis: number): Redacted.Redacted => {
  const iat = Math.floor(nowMillis / 1000)
  const header = { alg: "ES256", kid: client.keyId }
  const claims = { iss: client.teamId, iat, exp: iat + lifeSeconds, aud: issuer, sub: client.clientId }
  const input = `${encode(header)}.${encode(claims)}`
  // RFC 7518, 3.4: the two numbers side by side, not as ASN.1.
  const signature = sign("sha256", Buffer.from(input), { key: client.privateKey, dsaEncoding: "ieee-p1363" })
  return Redacted.make(`${input}.${signature.toString("base64url")}`)
}
