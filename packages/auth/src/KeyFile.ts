import { createHash, createPrivateKey, generateKeyPairSync, randomBytes } from "node:crypto"

import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/**
 * The key file: every secret that this service makes for itself. JSON, so that it can be mounted as a secret; versioned,
 * so that a later program can tell. Reading and writing it is the business of `KeyStore.ts`.
 */

const Id = Schema.String.check(Schema.isPattern(/^[\w-]{1,64}$/, { message: "Expected 1 to 64 of A-Z a-z 0-9 _ -" }))

const bytesOf = (text: string) => Result.getOrElse(Base64Url.decode(text), () => new Uint8Array())

/** 32 random bytes. Few different ones are an example somebody typed (random ones have about 30). */
const Bytes32 = Schema.String.check(
  Schema.makeFilter((text) => {
    const bytes = bytesOf(text)
    if (bytes.length !== 32 || Base64Url.encode(bytes) !== text) return "Expected 32 bytes in base64url"
    return new Set(bytes).size >= 12 || "Expected 32 random bytes, not an example value"
  })
)

const Secret = Schema.Struct({
  id: Id,
  createdAt: Schema.DateTimeUtcFromString,
  secret: Schema.RedactedFromValue(Bytes32)
})
export type Secret = typeof Secret.Type

/** An Ed25519 private key (RFC 8037, 2). */
const PrivateJwk = Schema.Struct({
  kty: Schema.Literal("OKP"),
  crv: Schema.Literal("Ed25519"),
  x: Bytes32,
  d: Schema.RedactedFromValue(Bytes32)
}).check(
  Schema.makeFilter((jwk) => publicHalf(Redacted.value(jwk.d)) === jwk.x || "Expected x to be the public half of d")
)

const SigningKey = Schema.Struct({
  kid: Id,
  createdAt: Schema.DateTimeUtcFromString,
  /** From when on it signs. It is published before, so that others know it by then. */
  activatesAt: Schema.DateTimeUtcFromString,
  /** From when on nothing that it signed is accepted. */
  retiresAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  jwk: PrivateJwk
})
export type SigningKey = typeof SigningKey.Type

const distinct = <A>(name: string, idOf: (item: A) => string) =>
  Schema.makeFilter<ReadonlyArray<A>>(
    (items) => new Set(items.map(idOf)).size === items.length || `Expected every ${name} once`
  )

export const KeyFile = Schema.Struct({
  version: Schema.Literal(1),
  /** For access tokens. The order has no meaning. */
  signing: Schema.NonEmptyArray(SigningKey).check(
    distinct("kid", (key) => key.kid),
    Schema.makeFilter(
      (keys) => keys.some((key) => key.retiresAt === undefined) || "Expected a signing key that does not retire"
    )
  ),
  /** For refresh secrets; the first makes those of new sessions. Survives `joy keys rotate`: sessions depend on it. */
  refresh: Schema.NonEmptyArray(Secret).check(distinct("id", (key) => key.id)),
  /** For what comes back to this service through the hands of others; the first signs, all verify. */
  mac: Schema.NonEmptyArray(Secret).check(distinct("id", (key) => key.id))
}).annotate({ identifier: "KeyFile" })
export type KeyFile = typeof KeyFile.Type

/** The DER prefix of an Ed25519 private key (RFC 8410, 7), before the 32 bytes of the key. */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex")

const privateKeyOf = (d: string) =>
  createPrivateKey({ key: Buffer.concat([pkcs8Prefix, bytesOf(d)]), format: "der", type: "pkcs8" })

const publicHalf = (d: string) => privateKeyOf(d).export({ format: "jwk" }).x

/** The private key as the crypto module takes it. */
export const privateKey = (key: SigningKey) => privateKeyOf(Redacted.value(key.jwk.d))

/** The bytes of a secret. */
export const secretBytes = (secret: Secret) => Redacted.make(bytesOf(Redacted.value(secret.secret)))

/** The thumbprint of the public key (RFC 7638, 3; members in the order of RFC 8037, 2). */
const thumbprint = (x: string) =>
  createHash("sha256").update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest("base64url")

const newSigningKey = (now: DateTime.Utc, activatesAt: DateTime.Utc): SigningKey => {
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  return {
    kid: thumbprint(x),
    createdAt: now,
    activatesAt,
    jwk: { kty: "OKP", crv: "Ed25519", x, d: Redacted.make(d) }
  }
}

const newSecret = (now: DateTime.Utc): Secret => ({
  id: randomBytes(9).toString("base64url"),
  createdAt: now,
  secret: Redacted.make(randomBytes(32).toString("base64url"))
})

/** New keys for a new installation, usable from `now` on. */
export const generate = (now: DateTime.Utc): Effect.Effect<KeyFile> =>
  Effect.sync(() => ({
    version: 1,
    signing: [newSigningKey(now, now)],
    refresh: [newSecret(now)],
    mac: [newSecret(now)]
  }))

/** Longer than processes take to notice a changed file, and than others may keep a copy of the JSON Web Key Set. */
export const publishAhead = Duration.minutes(15)

/** How much clocks may differ. Access tokens are accepted for so long after their `exp`, and `nbf` so much before. */
export const clockTolerance = Duration.seconds(5)

const isRetired = (key: SigningKey, now: DateTime.Utc) =>
  key.retiresAt !== undefined && DateTime.isLessThanOrEqualTo(key.retiresAt, now)

/** The key that waits for its turn, if one does. */
export const stagedKey = (file: KeyFile, now: DateTime.Utc): SigningKey | undefined =>
  file.signing.find((key) => DateTime.isGreaterThan(key.activatesAt, now))

/**
 * Adds the next signing key: published at once, it signs after `publishAhead`. The keys before it stay until the last
 * token that they sign has run out; those that have retired are dropped. The other secrets stay.
 */
export const stageNext = (
  file: KeyFile,
  now: DateTime.Utc,
  options: { readonly accessTokenTtl: Duration.Input }
): Effect.Effect<KeyFile> =>
  Effect.sync(() => {
    const next = newSigningKey(now, DateTime.addDuration(now, publishAhead))
    const retiresAt = next.activatesAt.pipe(
      DateTime.addDuration(options.accessTokenTtl),
      // The others may notice the new key that much later than they should.
      DateTime.addDuration(publishAhead)
    )
    const kept = file.signing.filter((key) => !isRetired(key, now))
    // What retires already does not live longer for it.
    return { ...file, signing: [next, ...kept.map((key) => Object.assign({ retiresAt }, key))] }
  })

/** The key that signs at `now`: of those that are active, the youngest. */
export const currentSigningKey = (file: KeyFile, now: DateTime.Utc): SigningKey => {
  const youngestFirst = file.signing
    .filter((key) => !isRetired(key, now))
    .toSorted((a, b) => b.activatesAt.epochMilliseconds - a.activatesAt.epochMilliseconds)
  // A clock that runs behind the one that made the file knows no active key: then the oldest is the nearest.
  return (
    youngestFirst.find((key) => DateTime.isLessThanOrEqualTo(key.activatesAt, now)) ??
    youngestFirst.at(-1) ??
    file.signing[0]
  )
}

/** The keys whose signatures are accepted at `now`, the staged one too. */
export const verificationKeys = (file: KeyFile, now: DateTime.Utc): ReadonlyArray<SigningKey> =>
  file.signing.filter((key) => !isRetired(key, now))

const json = Schema.fromJsonString(KeyFile)

/** Reads the text of a key file. */
export const decode = Schema.decodeUnknownEffect(json, { onExcessProperty: "error", errors: "all" })

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** Which parts of a key file are wrong, in one line and without what stands in them. */
export const wrongParts = (error: Schema.SchemaError): string => {
  const paths = formatIssues(error.issue).issues.map(({ path }) =>
    (path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")
  )
  const named = [...new Set(paths)].filter((path) => path !== "")
  return named.length === 0 ? "it is no JSON of a key file" : `wrong or missing: ${named.slice(0, 8).join(", ")}`
}

/** Writes a key file as text. */
export const encode = (file: KeyFile): Effect.Effect<string, Schema.SchemaError> =>
  Effect.map(Schema.encodeEffect(KeyFile)(file), (encoded) => `${JSON.stringify(encoded, null, 2)}\n`)
