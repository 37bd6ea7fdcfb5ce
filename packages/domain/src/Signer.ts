import * as Context from "effect/Context"

/** Why something is signed. A signature for one purpose is worth nothing for another. */
export type SigningPurpose = "cursor" | "grant" | "thumbnail"

/** Signs short texts that come back to this service through the hands of others (HMAC-SHA-256, RFC 2104). */
export class Signer extends Context.Service<
  Signer,
  {
    /** The signature, base64url, 22 characters (132 bits). */
    readonly sign: (purpose: SigningPurpose, text: string) => string
    /** Whether `signature` is ours, in constant time. Signatures outlive a rotation of keys. */
    readonly verify: (purpose: SigningPurpose, text: string, signature: string) => boolean
  }
>()("@joy/domain/Signer") {}
