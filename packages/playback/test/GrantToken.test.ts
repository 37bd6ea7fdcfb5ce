import { createHmac } from "node:crypto"

import { assert, describe, it } from "@effect/vitest"
import type { Credential } from "@joy/domain/CurrentPrincipal"
import { ApiKeyId, MediaItemId, SessionId, ShareId } from "@joy/domain/Ids"
import { Grant } from "@joy/domain/Playback"
import type { Signer } from "@joy/domain/Signer"
import { ETag } from "@joy/domain/StoredObject"
import * as GrantToken from "@joy/playback/GrantToken"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as fc from "fast-check"

const sign =
  (key: string): Signer["Service"]["sign"] =>
  (purpose, text) =>
    createHmac("sha256", key).update(`${purpose}\0${text}`).digest("base64url").slice(0, 22)
const signerOf = (key: string): Signer["Service"] => ({
  sign: sign(key),
  verify: (purpose, text, signature) => sign(key)(purpose, text) === signature
})
const ours = signerOf("ours")

const uuid = () => SecureRandom.uuidV7Unsafe()
const granted = (credential: Credential = { kind: "session", sessionId: SessionId.make(uuid()) }) => ({
  itemId: MediaItemId.make(uuid()),
  version: GrantToken.versionOf(ETag.make("an etag")),
  credential,
  expiresAt: 1_800_000_000
})

describe("a grant", () => {
  it("says what it was made of, in less than a hundred characters of a path [G1]", () => {
    for (const credential of [
      { kind: "session", sessionId: SessionId.make(uuid()) },
      { kind: "apiKey", apiKeyId: ApiKeyId.make(uuid()) },
      { kind: "share", shareId: ShareId.make(uuid()) }
    ] as const) {
      const made = granted(credential)
      const grant = GrantToken.encode(ours, made)
      assert.match(grant, /^[\w-]{82}$/)
      assert.deepStrictEqual(GrantToken.decode(ours, grant), made)
    }
  })

  it("is the same for the same, so that caches know its URLs", () => {
    const made = granted()
    assert.strictEqual(GrantToken.encode(ours, made), GrantToken.encode(ours, made))
  })

  it("names versions that differ in anything differently", () => {
    const versions = new Set(["a", "b", "A", "a ", '"a"'].map((etag) => GrantToken.versionOf(ETag.make(etag))))
    assert.strictEqual(versions.size, 5)
  })

  it("is nothing with any character changed, left out or added, or by another key or for another purpose [G1]", () => {
    const made = granted()
    const grant = GrantToken.encode(ours, made)
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.%/ "
    for (let at = 0; at < grant.length; at++) {
      for (const letter of alphabet) {
        if (letter === grant[at]) continue
        const changed = Grant.make(grant.slice(0, at) + letter + grant.slice(at + 1))
        assert.isNull(GrantToken.decode(ours, changed), `${letter} at ${at}`)
      }
      assert.isNull(GrantToken.decode(ours, Grant.make(grant.slice(0, at))))
      assert.isNull(GrantToken.decode(ours, Grant.make(grant.slice(at + 1))))
    }
    assert.isNull(GrantToken.decode(ours, Grant.make(`${grant}A`)))
    assert.isNull(GrantToken.decode(ours, GrantToken.encode(signerOf("theirs"), made)))
    const text = grant.slice(0, 60)
    assert.isNull(GrantToken.decode(ours, Grant.make(text + ours.sign("cursor", text))))
  })

  it("reads whatever it is shown without failing [G1]", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ minLength: 82, maxLength: 82 })), (text) => {
        assert.isNull(GrantToken.decode(ours, Grant.make(text)))
      })
    )
  })
})
