import * as AppleClientSecret from "@joy/auth/AppleClientSecret"
import type { OAuthOptions } from "@joy/auth/OAuthConfig"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

import { isLoopback } from "./Loopback.ts"
import * as Variable from "./Variable.ts"

/** Codes and tokens pass there: in the clear only on this machine. */
const issuer = Variable.variable((value) => {
  const url = URL.parse(value)
  const isFit = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname))
  return isFit ? value : new Variable.Rejected("a URL that begins with https://, or with http:// on this machine")
})

/** Apps have schemes of their own, which have a dot (RFC 8252, 7.1); `javascript:` and the like don't. */
const isRedirectUri = (value: string) =>
  !value.includes("#") && /^(https?|[a-z][a-z\d+-]*\.[a-z\d+.-]*):$/.test(URL.parse(value)?.protocol ?? "")

const redirectUris = Variable.variable((value) => {
  const addresses = Variable.partsOf(value)
  return addresses.every(isRedirectUri)
    ? addresses
    : new Variable.Rejected("addresses such as https://app.example.com/signed-in, without #, by commas")
})

const privateKey = Variable.variable(
  (value) =>
    AppleClientSecret.readPrivateKey(value) ??
    new Variable.Rejected("the text of the .p8 file of Apple, with \\n for its line breaks")
)

/** Who signs people in. Of a provider that is configured by half, what is missing is told. */
export const read = Effect.fnUntraced(function* (problems: Array<Variable.Problem>): Effect.fn.Return<OAuthOptions> {
  const get = <A>(variable: Variable.Variable<A>) => Variable.read(variable, problems)

  const addresses = yield* get(redirectUris("OAUTH_REDIRECT_URIS", []))
  const googleIssuer = yield* get(issuer("OAUTH_GOOGLE_ISSUER", "https://accounts.google.com"))
  const appleIssuer = yield* get(issuer("OAUTH_APPLE_ISSUER", "https://appleid.apple.com"))
  const google = {
    clientId: yield* get(Variable.text("OAUTH_GOOGLE_CLIENT_ID", null)),
    clientSecret: yield* get(Variable.text("OAUTH_GOOGLE_CLIENT_SECRET", null))
  }
  const apple = {
    clientId: yield* get(Variable.text("OAUTH_APPLE_CLIENT_ID", null)),
    teamId: yield* get(Variable.text("OAUTH_APPLE_TEAM_ID", null)),
    keyId: yield* get(Variable.text("OAUTH_APPLE_KEY_ID", null)),
    privateKey: yield* get(privateKey("OAUTH_APPLE_PRIVATE_KEY", null))
  }

  /** Those that can't be read are told already: they count as there. */
  const isThere = (name: string, value: unknown) => value !== null || problems.some((problem) => problem.name === name)
  const complete = (values: Readonly<Record<string, unknown>>) => {
    const names = Object.keys(values)
    const given = names.find((name) => isThere(name, values[name]))
    if (given === undefined) return
    const absent = names.filter((name) => !isThere(name, values[name]))
    const all =
      addresses.length > 0 || isThere("OAUTH_REDIRECT_URIS", null) ? absent : [...absent, "OAUTH_REDIRECT_URIS"]
    for (const name of all) problems.push({ name, found: "nothing", expected: `a value, as ${given} is set` })
  }
  complete({ OAUTH_GOOGLE_CLIENT_ID: google.clientId, OAUTH_GOOGLE_CLIENT_SECRET: google.clientSecret })
  complete({
    OAUTH_APPLE_CLIENT_ID: apple.clientId,
    OAUTH_APPLE_TEAM_ID: apple.teamId,
    OAUTH_APPLE_KEY_ID: apple.keyId,
    OAUTH_APPLE_PRIVATE_KEY: apple.privateKey
  })

  return {
    redirectUris: addresses,
    google:
      google.clientId === null || google.clientSecret === null
        ? null
        : { clientId: google.clientId, clientSecret: Redacted.make(google.clientSecret), issuer: googleIssuer },
    apple:
      apple.clientId === null || apple.teamId === null || apple.keyId === null || apple.privateKey === null
        ? null
        : {
            clientId: apple.clientId,
            teamId: apple.teamId,
            keyId: apple.keyId,
            privateKey: apple.privateKey,
            issuer: appleIssuer
          }
  }
})
