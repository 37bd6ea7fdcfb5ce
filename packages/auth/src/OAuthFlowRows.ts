import { createHash, randomBytes } from "node:crypto"

import { OAuthProvider } from "@joy/domain/OAuth"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import { ProvenIdentity } from "./ProvenIdentity.ts"

/** 256 random bits as text: a state, a flow's secret, a code. The database has the SHA-256 alone. */
export const secret = (): Redacted.Redacted => Redacted.make(randomBytes(32).toString("base64url"))

const hash = (text: Redacted.Redacted): Uint8Array => createHash("sha256").update(Redacted.value(text)).digest()

/** A flow that the provider has answered to. */
const Taken = Schema.Struct({
  provider: OAuthProvider,
  nonce: Schema.String,
  codeVerifier: Schema.String,
  redirectUri: Schema.String
})
export type TakenFlow = typeof Taken.Type

/** One that was answered by form post. */
const Posted = Schema.Struct({ ...Taken.fields, id: Schema.String, returnTo: Schema.String })

export interface NewFlow {
  readonly provider: OAuthProvider
  readonly state: Redacted.Redacted
  readonly flowSecret: Redacted.Redacted
  readonly nonce: string
  readonly codeVerifier: string
  readonly redirectUri: string
  readonly returnTo: string | null
}

/** The statements of `OAuthFlows`. All times are the database's. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const insert = Effect.fnUntraced(function* (flow: NewFlow) {
    yield* sql`
      INSERT INTO oauth_flows (id, provider, state_hash, flow_secret_hash, nonce, code_verifier, redirect_uri, return_to,
        expires_at)
      VALUES (${SecureRandom.uuidV7Unsafe()}, ${flow.provider}, ${hash(flow.state)}, ${hash(flow.flowSecret)},
        ${flow.nonce}, ${flow.codeVerifier}, ${flow.redirectUri}, ${flow.returnTo}, now() + interval '10 minutes')`
  })

  // One conditional UPDATE each: of two at once, one finds the flow unused.
  const take = SqlSchema.findOneOption({
    Request: Schema.Struct({
      provider: OAuthProvider,
      stateHash: Schema.Uint8Array,
      secretHash: Schema.Uint8Array
    }),
    Result: Taken,
    execute: ({ provider, secretHash, stateHash }) => sql`
      UPDATE oauth_flows SET used_at = now()
      WHERE state_hash = ${stateHash} AND flow_secret_hash = ${secretHash} AND provider = ${provider}
        AND used_at IS NULL AND expires_at > now()
      RETURNING provider, nonce, code_verifier, redirect_uri`
  })
  const takePosted = SqlSchema.findOneOption({
    Request: Schema.Struct({ stateHash: Schema.Uint8Array }),
    Result: Posted,
    execute: ({ stateHash }) => sql`
      UPDATE oauth_flows SET used_at = now()
      WHERE state_hash = ${stateHash} AND return_to IS NOT NULL AND used_at IS NULL AND expires_at > now()
      RETURNING id, provider, nonce, code_verifier, redirect_uri, return_to`
  })

  const park = SqlSchema.void({
    Request: Schema.Struct({
      id: Schema.String,
      codeHash: Schema.Uint8Array,
      result: Schema.fromJsonString(ProvenIdentity)
    }),
    execute: ({ codeHash, id, result }) => sql`
      UPDATE oauth_flows SET exchange_code_hash = ${codeHash}, result = ${result}::text::jsonb,
        expires_at = now() + interval '2 minutes'
      WHERE id = ${id}`
  })

  const collect = SqlSchema.findOneOption({
    Request: Schema.Struct({ codeHash: Schema.Uint8Array, secretHash: Schema.Uint8Array }),
    Result: Schema.Struct({ result: ProvenIdentity }),
    execute: ({ codeHash, secretHash }) => sql`
      DELETE FROM oauth_flows
      WHERE exchange_code_hash = ${codeHash} AND flow_secret_hash = ${secretHash} AND expires_at > now()
      RETURNING result`
  })

  return {
    /** Keeps a flow for ten minutes. */
    insert,
    /** Uses a flow up for who began it, and by its provider alone. */
    take: (shown: {
      readonly provider: OAuthProvider
      readonly state: Redacted.Redacted
      readonly flowSecret: Redacted.Redacted
    }) => take({ provider: shown.provider, stateHash: hash(shown.state), secretHash: hash(shown.flowSecret) }),
    /** Uses a flow up for a form post, which knows the state alone; only one that has somewhere to go on to. */
    takePosted: (state: Redacted.Redacted) => takePosted({ stateHash: hash(state) }),
    /** Keeps what a form post proved for two minutes, for who shows the code and the flow's secret. */
    park: (id: string, code: Redacted.Redacted, result: ProvenIdentity) => park({ id, codeHash: hash(code), result }),
    /** Gives out what was kept, once. */
    collect: (shown: { readonly code: Redacted.Redacted; readonly flowSecret: Redacted.Redacted }) =>
      collect({ codeHash: hash(shown.code), secretHash: hash(shown.flowSecret) })
  }
})
