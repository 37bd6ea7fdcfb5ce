import { createHash } from "node:crypto"

import type { Credential } from "@joy/domain/CurrentPrincipal"
import { ApiKeyId, MediaItemId, SessionId, ShareId } from "@joy/domain/Ids"
import { Grant } from "@joy/domain/Playback"
import type { Signer } from "@joy/domain/Signer"
import type { ETag } from "@joy/domain/StoredObject"

/**
 * A grant: 45 bytes that say what for and whom, and their signature, as 82 characters of base64url. Every request for a
 * segment carries one, so it is read without a look-up, and short enough for any URL.
 */

/** What a grant says. */
export interface Granted {
  readonly itemId: MediaItemId
  /** Names the version of the object: see `versionOf`. */
  readonly version: string
  readonly credential: Credential
  /** Seconds since the epoch. */
  readonly expiresAt: number
}

// Kind, item, version, credential, expiry. 45 bytes are 60 characters without padding.
const bytes = 45
const at = { kind: 0, item: 1, version: 17, credential: 25, expiry: 41 } as const
/** Seconds since the epoch: what four bytes hold, which is the year 2106. */
export const latestExpiry = 2 ** 32 - 1
const textLength = 60
const signatureLength = 22

const kinds = { session: 1, apiKey: 2, share: 3 } as const

/** 64 bits of its hash: enough to tell the versions of one item apart, in a text that is signed. */
export const versionOf = (etag: ETag): string => createHash("sha256").update(etag).digest().toString("hex", 0, 8)

const writeUuid = (buffer: Buffer, id: string, offset: number) =>
  buffer.write(id.replaceAll("-", ""), offset, 16, "hex")

const readUuid = (buffer: Buffer, offset: number) =>
  buffer.toString("hex", offset, offset + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

const credentialOf = (kind: number | undefined, id: string): Credential | null => {
  switch (kind) {
    case kinds.session:
      return { kind: "session", sessionId: SessionId.make(id) }
    case kinds.apiKey:
      return { kind: "apiKey", apiKeyId: ApiKeyId.make(id) }
    case kinds.share:
      return { kind: "share", shareId: ShareId.make(id) }
    default:
      return null
  }
}

const idOf = (credential: Credential): string => {
  switch (credential.kind) {
    case "session":
      return credential.sessionId
    case "apiKey":
      return credential.apiKeyId
    case "share":
      return credential.shareId
  }
}

/** The same for the same. */
export const encode = (signer: Signer["Service"], granted: Granted): Grant => {
  const buffer = Buffer.alloc(bytes)
  const { credential } = granted
  buffer[at.kind] = kinds[credential.kind]
  writeUuid(buffer, granted.itemId, at.item)
  buffer.write(granted.version, at.version, 8, "hex")
  writeUuid(buffer, idOf(credential), at.credential)
  buffer.writeUInt32BE(granted.expiresAt, at.expiry)
  const text = buffer.toString("base64url")
  return Grant.make(text + signer.sign("grant", text))
}

/** What a grant of ours says, whether or not it still holds; `null` for what we never gave out. */
export const decode = (signer: Signer["Service"], grant: Grant): Granted | null => {
  if (grant.length !== textLength + signatureLength) return null
  const text = grant.slice(0, textLength)
  if (!signer.verify("grant", text, grant.slice(textLength))) return null
  const buffer = Buffer.from(text, "base64url")
  const credential = credentialOf(buffer[at.kind], readUuid(buffer, at.credential))
  return (
    credential && {
      itemId: MediaItemId.make(readUuid(buffer, at.item)),
      version: buffer.toString("hex", at.version, at.version + 8),
      credential,
      expiresAt: buffer.readUInt32BE(at.expiry)
    }
  )
}
