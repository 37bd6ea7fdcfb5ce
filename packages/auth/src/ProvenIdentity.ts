import { OAuthProvider } from "@joy/domain/OAuth"
import { Text } from "@joy/domain/Text"
import { DisplayName, Email } from "@joy/domain/User"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** Somebody whom a provider vouched for. `issuer` and `subject` say who it is (OpenID Connect Core, 2); the rest may change. */
export const ProvenIdentity = Schema.Struct({
  provider: OAuthProvider,
  issuer: Schema.String,
  subject: Schema.String,
  email: Schema.NullOr(Email),
  /** Whether the provider says that the address is theirs. */
  emailVerified: Schema.Boolean,
  /** A name to show. Nobody vouches for it. */
  name: Schema.NullOr(Schema.String)
})
export type ProvenIdentity = typeof ProvenIdentity.Type

/** The claims that are used. What does not fit makes the token one that is refused. */
const Claims = Schema.Struct({
  iss: Schema.String,
  // OpenID Connect Core, 2: at most 255 ASCII characters.
  sub: Text(255).check(Schema.isMinLength(1)),
  azp: Schema.optionalKey(Schema.String),
  nonce: Schema.optionalKey(Schema.String),
  // Apple writes truths as text too.
  nonce_supported: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.Literals(["true", "false"])])),
  email: Schema.optionalKey(Schema.Unknown),
  email_verified: Schema.optionalKey(Schema.Unknown),
  name: Schema.optionalKey(Schema.Unknown)
})

const decodeClaims = Schema.decodeUnknownOption(Claims)
const decodeEmail = Schema.decodeUnknownOption(Email)
const decodeName = Schema.decodeUnknownOption(DisplayName)

const AppleUser = Schema.Struct({
  name: Schema.Struct({ firstName: Schema.optionalKey(Schema.String), lastName: Schema.optionalKey(Schema.String) })
})
const decodeAppleUser = Schema.decodeUnknownOption(Schema.Union([AppleUser, Schema.fromJsonString(AppleUser)]))

/** The name in Apple's `user`, which the browser brings, and which may say anything. */
const appleName = (user: unknown) =>
  Option.map(decodeAppleUser(user), ({ name: { firstName = "", lastName = "" } }) => `${firstName} ${lastName}`)

/** A name of a stranger, cut to what may be shown. */
const shownName = (text: unknown) =>
  typeof text === "string"
    ? Option.getOrNull(decodeName(text.slice(0, 400).replace(/\p{C}/gu, "").trim().slice(0, 100)))
    : null

export interface Expected {
  readonly provider: OAuthProvider
  readonly clientId: string
  readonly nonce: string
  /** Apple's `user`, if it came. */
  readonly user: unknown
}

/**
 * Who the claims of an ID token speak of, once its signature, issuer, audience and times were checked. Nothing when it was
 * made for another party (`azp`) or another sign-in (`nonce`); only Apple may leave the nonce out, when it says that the
 * device at hand has none.
 */
export const ofClaims = (token: unknown, expected: Expected): ProvenIdentity | undefined => {
  const claims = Option.getOrUndefined(decodeClaims(token))
  if (claims === undefined) return undefined
  const { provider } = expected
  if (claims.azp !== undefined && claims.azp !== expected.clientId) return undefined
  const without = provider === "apple" && claims.nonce === undefined && String(claims.nonce_supported) === "false"
  if (!without && claims.nonce !== expected.nonce) return undefined
  const email = Option.getOrNull(decodeEmail(claims.email))
  return {
    provider,
    issuer: claims.iss,
    subject: claims.sub,
    email,
    emailVerified: email !== null && String(claims.email_verified) === "true",
    name: shownName(provider === "apple" ? Option.getOrNull(appleName(expected.user)) : claims.name)
  }
}
