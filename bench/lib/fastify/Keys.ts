import { createHmac, createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto"
import { readFileSync } from "node:fs"

/** The key file of joy: with the same keys, tokens, cursors and signed URLs of one server are those of the other. */
interface KeyFile {
  readonly signing: ReadonlyArray<{
    readonly kid: string
    readonly activatesAt: string
    readonly jwk: { readonly kty: string; readonly crv: string; readonly x: string; readonly d: string }
  }>
  readonly refresh: ReadonlyArray<{ readonly id: string; readonly secret: string }>
  readonly mac: ReadonlyArray<{ readonly id: string; readonly secret: string }>
}

export interface Keys {
  readonly signing: { readonly kid: string; readonly key: KeyObject }
  readonly verification: ReadonlyMap<string, KeyObject>
  readonly refresh: ReadonlyMap<string, KeyObject>
  /** Signs cursors and the URLs of thumbnails. */
  readonly sign: (purpose: "cursor" | "thumbnail", text: string) => string
}

const secretKey = (secret: string) => createSecretKey(Buffer.from(secret, "base64url"))

export const read = (path: string): Keys => {
  const file: KeyFile = JSON.parse(readFileSync(path, "utf8"))
  const [newest] = file.signing
    .filter(({ activatesAt }) => Date.parse(activatesAt) <= Date.now())
    .toSorted((a, b) => b.activatesAt.localeCompare(a.activatesAt))
  const [mac] = file.mac
  if (newest === undefined || mac === undefined) throw new Error(`${path} has no keys`)
  const macKey = secretKey(mac.secret)
  return {
    signing: { kid: newest.kid, key: createPrivateKey({ key: newest.jwk, format: "jwk" }) },
    verification: new Map(
      file.signing.map(({ jwk, kid }) => [kid, createPublicKey(createPrivateKey({ key: jwk, format: "jwk" }))])
    ),
    refresh: new Map(file.refresh.map(({ id, secret }) => [id, secretKey(secret)])),
    sign: (purpose, text) => createHmac("sha256", macKey).update(`${purpose}\0${text}`).digest("base64url").slice(0, 22)
  }
}
