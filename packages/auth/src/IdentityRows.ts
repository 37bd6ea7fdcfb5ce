import { LinkedIdentityId, UserId } from "@joy/domain/Ids"
import { LinkedIdentity } from "@joy/domain/LinkedIdentity"
import type { OAuthProvider } from "@joy/domain/OAuth"
import { Timestamp } from "@joy/domain/Timestamp"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"

import type { ProvenIdentity } from "./ProvenIdentity.ts"

/** Where a page of identities ends. */
export const Position = Schema.Tuple([Timestamp, LinkedIdentityId])

const Owned = Schema.Struct({ ...LinkedIdentity.fields, userId: UserId })

/** Does it anew when somebody else was given the name, the address or the identity meanwhile: what is there now decides. */
export const retryTaken = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(effect, {
    times: 5,
    while: (error) => isSqlError(error) && error.reason._tag === "UniqueViolation"
  })

/** The statements about identities at providers. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql`id, provider, email, created_at`

  const find = SqlSchema.findOneOption({
    Request: Schema.Struct({ issuer: Schema.String, subject: Schema.String }),
    Result: Owned,
    execute: ({ issuer, subject }) => sql`
      SELECT ${columns}, user_id FROM user_identities WHERE issuer = ${issuer} AND subject = ${subject}`
  })

  const insert = SqlSchema.findOne({
    Request: Schema.Struct({
      userId: UserId,
      provider: Schema.String,
      issuer: Schema.String,
      subject: Schema.String,
      email: Schema.NullOr(Schema.String)
    }),
    Result: LinkedIdentity,
    execute: (row) => sql`
      INSERT INTO user_identities (id, user_id, provider, issuer, subject, email)
      VALUES (${SecureRandom.uuidV7Unsafe()}, ${row.userId}, ${row.provider}, ${row.issuer}, ${row.subject}, ${row.email})
      RETURNING ${columns}`
  })

  const page = SqlSchema.findAll({
    Request: Schema.Struct({ userId: UserId, after: Schema.NullOr(Position), limit: Schema.Int }),
    Result: LinkedIdentity,
    execute: ({ after, limit, userId }) => sql`
      SELECT ${columns} FROM user_identities
      WHERE user_id = ${userId}
        AND ${after === null ? sql`TRUE` : sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
      ORDER BY created_at DESC, id DESC
      LIMIT ${limit}::int`
  })

  const remove = SqlSchema.findOneOption({
    Request: Schema.Struct({ id: LinkedIdentityId, userId: UserId }),
    Result: LinkedIdentity,
    execute: ({ id, userId }) => sql`
      DELETE FROM user_identities WHERE id = ${id} AND user_id = ${userId} RETURNING ${columns}`
  })

  return {
    /** Whom the provider vouched for, if they are known here. */
    find: ({ issuer, subject }: ProvenIdentity) =>
      Effect.map(
        find({ issuer, subject }),
        Option.map(({ userId, ...identity }) => ({ userId, identity }))
      ),
    /** Of many who prove one identity at once, the others wait until the transaction ends, and see what came of it. */
    lock: ({ issuer, subject }: ProvenIdentity) =>
      sql`SELECT pg_advisory_xact_lock(hashtextextended(${`${issuer} ${subject}`}, 0))`,
    /** Nobody else changes which identities the account of this one has, until the transaction ends. */
    lockOwner: ({ issuer, subject }: ProvenIdentity) => sql`
      SELECT 1 FROM users
      WHERE id = (SELECT user_id FROM user_identities WHERE issuer = ${issuer} AND subject = ${subject})
      FOR NO KEY UPDATE`,
    insert: (userId: UserId, { email, issuer, provider, subject }: ProvenIdentity) =>
      insert({ userId, provider, issuer, subject, email }),
    /** What the provider calls the address now. One that it does not tell stays. */
    seen: (id: LinkedIdentityId, { email }: ProvenIdentity) => sql`
      UPDATE user_identities SET email = ${email}, updated_at = now()
      WHERE id = ${id} AND ${email}::text IS NOT NULL AND email IS DISTINCT FROM ${email}::text`,
    page,
    remove: (id: LinkedIdentityId, userId: UserId) => remove({ id, userId }),
    /** Whether a password, or an identity at one of these providers, signs in to the account. */
    canSignIn: (userId: UserId, providers: ReadonlyArray<OAuthProvider>) =>
      Effect.map(
        sql`
          SELECT 1 FROM users WHERE id = ${userId} AND (password_hash IS NOT NULL OR EXISTS (
            SELECT 1 FROM user_identities WHERE user_id = ${userId} AND provider = ANY(${providers}::text[])))`,
        (rows) => rows.length > 0
      )
  }
})
