import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import type { ServerResponse } from "node:http"

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import * as LoopbackServer from "./LoopbackServer.ts"

/** A provider that answers whatever a test wants, honest or not. */

export interface Forgery {
  readonly claims: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  /** With what it is signed: the published key, one that is not published, or the published key's text as an HMAC secret. */
  readonly by?: "published" | "stranger" | "hmac"
}

export interface FakeIssuer {
  readonly issuer: string
  /** The paths that were asked for. */
  readonly asked: Array<string>
  /** The forms that the token endpoint was sent. */
  readonly forms: Array<URLSearchParams>
  /** What the token endpoint gives from now on. */
  readonly give: (forgery: Forgery) => void
  /** Answers a path in another way from now on. */
  readonly answer: (path: string, by: Answer) => void
  /** Answers as it should again. */
  readonly recover: () => void
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")

const published = generateKeyPairSync("rsa", { modulusLength: 2048 })
const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 })

const rs256 = (input: string, key: KeyObject) => sign("sha256", Buffer.from(input), key).toString("base64url")

const idToken = ({ by = "published", claims, header = {} }: Forgery) => {
  const input = `${encode({ alg: by === "hmac" ? "HS256" : "RS256", kid: "one", ...header })}.${encode(claims)}`
  if (by !== "hmac") return `${input}.${rs256(input, (by === "published" ? published : stranger).privateKey)}`
  const secret = published.publicKey.export({ type: "spki", format: "pem" })
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
}

/** For a header that brings the stranger's key along (RFC 7515, 4.1.3). */
export const strangersKey = { jwk: stranger.publicKey.export({ format: "jwk" }) }

export type Answer = (response: ServerResponse) => void

export const json =
  (value: unknown, status = 200): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value))
  }

/** JSON that goes on as long as anybody reads it. */
export const endless: Answer = (response) => {
  response.writeHead(200, { "content-type": "application/json" })
  const more = () => {
    while (!response.destroyed && response.write(" ".repeat(65_536)));
    if (!response.destroyed) response.once("drain", more)
  }
  more()
}

export const start: Effect.Effect<FakeIssuer, never, Scope.Scope> = Effect.gen(function* () {
  const asked: Array<string> = []
  const forms: Array<URLSearchParams> = []
  const odd = new Map<string, Answer>()
  let token = ""

  const issuer = yield* LoopbackServer.listen((url) => {
    const usual: Readonly<Record<string, () => Answer>> = {
      "/.well-known/openid-configuration": () =>
        json({
          issuer: url,
          authorization_endpoint: `${url}/auth`,
          token_endpoint: `${url}/token`,
          jwks_uri: `${url}/jwks`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          // Says that it takes what must not be taken.
          id_token_signing_alg_values_supported: ["RS256", "HS256", "none"]
        }),
      "/jwks": () =>
        json({ keys: [{ ...published.publicKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }] }),
      "/token": () => json({ access_token: "a", token_type: "Bearer", expires_in: 60, id_token: token })
    }
    return async (request, response) => {
      const path = request.url ?? "/"
      asked.push(path)
      const body = await LoopbackServer.bodyOf(request)
      if (path === "/token") forms.push(new URLSearchParams(body))
      const answer = odd.get(path) ?? usual[path]?.() ?? json({ error: "not_found" }, 404)
      answer(response)
    }
  })
  return {
    issuer,
    asked,
    forms,
    give: (forgery) => (token = idToken(forgery)),
    answer: (path, by) => odd.set(path, by),
    recover: () => odd.clear()
  }
})
