import { createPublicKey, generateKeyPairSync, verify } from "node:crypto"
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Provider } from "oidc-provider"

import * as JoyHttp from "./JoyHttp.ts"
import * as LoopbackServer from "./LoopbackServer.ts"

/** An OpenID provider on this machine that behaves like Google or Apple, and a browser to consent at it with. */

/** Somebody who has an account there; the provider tells of them what stands here. */
export interface Person {
  readonly sub: string
  readonly email?: string
  readonly email_verified?: boolean | string
  readonly is_private_email?: boolean | string
  readonly name?: string
}

/** What the browser carries from the provider to the application: in a redirect by GET, in a form by POST. */
export interface Carried {
  readonly method: "GET" | "POST"
  readonly action: string
  readonly parameters: Readonly<Record<string, string>>
}

export interface OidcProvider {
  readonly issuer: string
  /** Opens the address in a browser of its own and consents there as that person. */
  readonly consent: (authorizationUrl: string, person: Person) => Effect.Effect<Carried>
}

export const google = { clientId: "joy.apps.example.org", clientSecret: "a secret between Google and Joy" }

const applePair = generateKeyPairSync("ec", { namedCurve: "P-256" })
export const apple = {
  clientId: "org.example.joy",
  teamId: "TEAM123456",
  keyId: "KEY1234567",
  /** As the `.p8` file has it. */
  privateKey: applePair.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
}

const signingKey = {
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }),
  kid: "signing",
  use: "sig"
}

const decodeJson = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, base64Url: string) =>
  Schema.decodeOption(Schema.fromJsonString(schema))(Buffer.from(base64Url, "base64url").toString())

const SecretHeader = Schema.Struct({ alg: Schema.Literal("ES256"), kid: Schema.Literal(apple.keyId) })
const SecretClaims = Schema.Struct({
  iss: Schema.Literal(apple.teamId),
  sub: Schema.Literal(apple.clientId),
  aud: Schema.String,
  iat: Schema.Int,
  exp: Schema.Int
})

/** Whether Apple would take it: a JWT by the key of the developer account, for six months at most. */
export const isAppleSecret = (secret: string, audience: string): boolean => {
  const [header = "", claims = "", signature = ""] = secret.split(".")
  const now = Date.now() / 1000
  return (
    Option.isSome(decodeJson(SecretHeader, header)) &&
    Option.exists(
      decodeJson(SecretClaims, claims),
      ({ aud, exp, iat }) => aud === audience && iat <= now + 5 && exp > now && exp - now <= 15_777_000
    ) &&
    verify(
      "sha256",
      Buffer.from(`${header}.${claims}`),
      { key: createPublicKey(apple.privateKey), dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url")
    )
  )
}

/** Everybody says yes to everything, as the person that the browser names. */
const interact = async (provider: Provider, request: IncomingMessage, response: ServerResponse) => {
  const { params, prompt, session } = await provider.interactionDetails(request, response)
  if (prompt.name === "login") {
    await provider.interactionFinished(request, response, { login: { accountId: request.headers["x-person"] } })
    return
  }
  const grant = new provider.Grant({ accountId: session?.accountId, clientId: params["client_id"] })
  grant.addOIDCScope(params["scope"] ?? "")
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
}

const inputs = (html: string) =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"\s*\/?>/g)].map(([, name = "", value = ""]) => [
      name,
      value.replaceAll("&amp;", "&")
    ])
  )

/** Follows a sign-in through the provider's pages up to where it leaves them. */
const browse = Effect.fnUntraced(function* (issuer: string, authorizationUrl: string, person: Person) {
  const cookies = new Map<string, string>()
  let url = new URL(authorizationUrl)
  for (let step = 0; step < 10; step++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    const answer = yield* JoyHttp.request(issuer, url.pathname + url.search, {
      headers: { cookie, "x-person": person.sub }
    })
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const [, action] = /<form method="post" action="([^"]*)">/.exec(answer.text) ?? []
    if (action !== undefined) return { method: "POST" as const, action, parameters: inputs(answer.text) }
    if (answer.headers.location === undefined) break
    url = new URL(answer.headers.location, issuer)
    if (url.origin !== issuer) {
      return {
        method: "GET" as const,
        action: `${url.origin}${url.pathname}`,
        parameters: Object.fromEntries(url.searchParams)
      }
    }
    if (answer.status >= 400) break
  }
  return yield* Effect.die(new Error(`The provider does not lead from ${authorizationUrl} back to the application`))
})

/** Starts a provider that knows the one client, with these addresses to answer to. */
export const start = Effect.fnUntraced(function* (
  kind: "google" | "apple",
  redirectUris: ReadonlyArray<string>
): Effect.fn.Return<OidcProvider, never, Scope.Scope> {
  const people = new Map<string, Person>()
  const client =
    kind === "google"
      ? { client_id: google.clientId, client_secret: google.clientSecret }
      : { client_id: apple.clientId, client_secret: "made by the client" }

  const handler = (issuer: string): RequestListener => {
    const provider = new Provider(issuer, {
      clients: [
        {
          ...client,
          redirect_uris: redirectUris,
          response_types: ["code"],
          grant_types: ["authorization_code"],
          token_endpoint_auth_method: "client_secret_post"
        }
      ],
      // As Google and Apple do: what the scopes ask for stands in the ID token.
      conformIdTokenClaims: false,
      scopes: ["openid", "email", "profile"],
      claims: { openid: ["sub"], email: ["email", "email_verified", "is_private_email"], profile: ["name"] },
      findAccount: (_context: unknown, sub: string) => ({ accountId: sub, claims: () => people.get(sub) ?? { sub } }),
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context: unknown, { uid }: { readonly uid: string }) => `/interaction/${uid}` },
      pkce: { required: () => true },
      jwks: { keys: [signingKey] },
      ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
      cookies: { keys: ["a key for tests"] }
    })
    if (kind === "apple") {
      provider.Client.prototype.compareClientSecret = (secret) => isAppleSecret(secret, issuer)
    }
    const callback = provider.callback()
    return (request, response) => {
      const answered = request.url?.startsWith("/interaction/")
        ? interact(provider, request, response)
        : callback(request, response)
      answered.catch((cause: unknown) => response.writeHead(500).end(String(cause)))
    }
  }
  const issuer = yield* LoopbackServer.listen(handler)
  return {
    issuer,
    consent: (authorizationUrl, person) =>
      Effect.suspend(() => {
        people.set(person.sub, person)
        return browse(issuer, authorizationUrl, person)
      })
  }
})
