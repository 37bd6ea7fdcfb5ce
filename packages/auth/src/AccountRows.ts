import { UserId } from "@joy/domain/Ids"
import { Timestamp } from "@joy/domain/Timestamp"
import { type Email, User, type Username } from "@joy/domain/User"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import * as AccountKeys from "./AccountKeys.ts"

/** Where a page of accounts ends. */
export const Position = Schema.Tuple([Timestamp, UserId])

export interface NewAccount {
  readonly username: Username
  readonly email: Email | null
  readonly emailVerified?: boolean
  readonly displayName?: string | null
  /** `null` for who signs in by a provider alone. */
  readonly passwordHash: string | null
  /** By name; those that don't exist are left out. */
  readonly roles: ReadonlyArray<string>
}

const Role = Schema.Struct({ name: Schema.String, permissions: Schema.Array(Schema.String) })

const Credentials = Schema.Struct({
  ...User.fields,
  passwordHash: Schema.NullOr(Schema.RedactedFromValue(Schema.String))
})
/** An account with what its password is checked against. */
export type Credentials = typeof Credentials.Type

/** What a `User` is made of, where `u` is a row of `users`. */
export const columnsOf = (sql: SqlClient.SqlClient) => sql`
  u.id, u.username, u.email, u.email_verified AS "emailVerified", u.display_name AS "displayName",
  u.disabled_at IS NOT NULL AS disabled, u.created_at AS "createdAt", u.updated_at AS "updatedAt", ARRAY(
    SELECT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = u.id ORDER BY r.name
  ) AS roles`

/** The statements of `Accounts`. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = columnsOf(sql)

  /** As `byId`, by another client: blind to what the transaction at hand has changed. */
  const byIdOver = (client: SqlClient.SqlClient) =>
    SqlSchema.findOneOption({
      Request: UserId,
      Result: User,
      execute: (id) => client`SELECT ${columns} FROM users u WHERE u.id = ${id}`
    })
  const byId = byIdOver(sql)

  const byIdentifier = SqlSchema.findOneOption({
    Request: Schema.Struct({ kind: Schema.Literals(["email", "username"]), key: Schema.String }),
    Result: Credentials,
    execute: ({ key, kind }) => sql`
      SELECT ${columns}, u.password_hash FROM users u
      WHERE ${kind === "email" ? sql`u.email_key = ${key}` : sql`u.username_key = ${key}`}`
  })

  const credentials = SqlSchema.findOneOption({
    Request: UserId,
    Result: Credentials,
    execute: (id) => sql`SELECT ${columns}, u.password_hash FROM users u WHERE u.id = ${id}`
  })

  /** As `byId`; nobody else changes the account until the transaction ends. */
  const locked = SqlSchema.findOneOption({
    Request: UserId,
    Result: User,
    execute: (id) => sql`SELECT ${columns} FROM users u WHERE u.id = ${id} FOR NO KEY UPDATE OF u`
  })

  const page = SqlSchema.findAll({
    Request: Schema.Struct({
      words: Schema.NullOr(Schema.String),
      after: Schema.NullOr(Position),
      limit: Schema.Int
    }),
    Result: User,
    execute: ({ after, limit, words }) => {
      const pattern = `%${AccountKeys.fold(words ?? "").replace(/[\\%_]/g, "\\$&")}%`
      return sql`
        SELECT ${columns} FROM users u
        WHERE ${words === null ? sql`TRUE` : sql`(u.username_key LIKE ${pattern} OR u.email_key LIKE ${pattern})`}
          AND ${after === null ? sql`TRUE` : sql`(u.created_at, u.id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
        ORDER BY u.created_at DESC, u.id DESC
        LIMIT ${limit}::int`
    }
  })

  /** The roles of these names that there are; they stay as they are until the transaction ends. */
  const roles = SqlSchema.findAll({
    Request: Schema.Array(Schema.String),
    Result: Role,
    execute: (names) => sql`SELECT name, permissions FROM roles WHERE name = ANY(${names}::text[]) FOR SHARE`
  })

  const insert = Effect.fnUntraced(function* (account: NewAccount) {
    const id = UserId.make(SecureRandom.uuidV7Unsafe())
    const { displayName = null, email, emailVerified = false, username } = account
    yield* sql`
      INSERT INTO users (id, username, username_key, email, email_key, email_verified, display_name, password_hash)
      VALUES (
        ${id}, ${username.normalize("NFC")}, ${AccountKeys.fold(username)}, ${email},
        ${email === null ? null : AccountKeys.fold(email)}, ${emailVerified}, ${displayName}, ${account.passwordHash}
      )`
    yield* sql`
      INSERT INTO user_roles (user_id, role_id)
      SELECT ${id}::uuid, id FROM roles WHERE name = ANY(${account.roles}::text[])`
    return id
  })

  /** Replaces a hash by another of the same password; false if it is another hash by now. */
  const rehash = (id: UserId, from: string, to: string) =>
    sql`UPDATE users SET password_hash = ${to} WHERE id = ${id} AND password_hash = ${from} RETURNING id`.pipe(
      Effect.map((rows) => rows.length === 1)
    )

  const setPassword = SqlSchema.findOneOption({
    Request: Schema.Struct({ usernameKey: Schema.String, passwordHash: Schema.String }),
    Result: Schema.Struct({ id: UserId }),
    execute: ({ passwordHash, usernameKey }) => sql`
      UPDATE users SET password_hash = ${passwordHash}, updated_at = now()
      WHERE username_key = ${usernameKey} RETURNING id`
  })

  const count = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ users: Schema.Int }),
    execute: () => sql`SELECT count(*)::int AS users FROM users`
  })

  return { byId, byIdOver, byIdentifier, credentials, locked, page, roles, insert, rehash, setPassword, count }
})
