import * as AccountKeys from "@joy/auth/AccountKeys"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

import * as Records from "./ExportRecords.ts"

/** Rows that are written with one statement. */
const batch = 500

type Loading = (line: unknown) => Effect.Effect<void, SqlError | Schema.SchemaError>

/** One kind of line: how it is read from the database, and written into one. */
export interface Section {
  readonly kind: string
  /** Gives each line as `line`. */
  readonly query: string
  /** Takes lines; the rows are there once it was told to `flush`. */
  readonly load: (sql: SqlClient.SqlClient) => {
    readonly take: Loading
    readonly flush: Effect.Effect<void, SqlError>
  }
}

const section = <S extends Schema.Codec<{ readonly kind: string }, unknown>>(
  kind: string,
  schema: S,
  query: string,
  write: (sql: SqlClient.SqlClient, json: string, records: ReadonlyArray<S["Type"]>) => Effect.Effect<unknown, SqlError>
): Section => ({
  kind,
  query,
  load: (sql) => {
    const decode = Schema.decodeUnknownEffect(schema)
    let waiting: Array<S["Type"]> = []
    const flush = Effect.suspend(() => {
      const records = waiting
      waiting = []
      return records.length === 0 ? Effect.void : Effect.asVoid(write(sql, JSON.stringify(records), records))
    })
    return {
      take: (line) =>
        Effect.flatMap(decode(line), (record) => {
          waiting.push(record)
          return waiting.length < batch ? Effect.void : flush
        }),
      flush
    }
  }
})

/** In the order in which the one needs the other. */
export const sections: ReadonlyArray<Section> = [
  section(
    "role",
    Records.Role,
    `SELECT json_build_object('kind', 'role', 'id', id, 'name', name, 'permissions', permissions)::text AS line
     FROM roles ORDER BY name`,
    (sql, json) => sql`
      INSERT INTO roles (id, name, permissions)
      SELECT id, name, permissions FROM json_to_recordset(${json}::text::json) AS r (id uuid, name text, permissions text[])
      ON CONFLICT (name) DO UPDATE SET permissions = excluded.permissions, updated_at = now()`
  ),
  section(
    "user",
    Records.User,
    `SELECT json_build_object('kind', 'user', 'id', id, 'username', username, 'email', email, 'emailVerified', email_verified,
       'displayName', display_name, 'disabledAt', disabled_at, 'createdAt', created_at, 'roles', ARRAY(
         SELECT roles.name FROM user_roles JOIN roles ON roles.id = role_id WHERE user_id = users.id ORDER BY roles.name
       ))::text AS line
     FROM users ORDER BY id`,
    Effect.fnUntraced(function* (sql, json, users) {
      yield* sql`
        INSERT INTO users (id, username, username_key, email, email_key, email_verified, display_name, disabled_at, created_at)
        SELECT id, username, username_key, email, nullif(email_key, ''), "emailVerified", "displayName", "disabledAt",
          "createdAt"
        FROM json_to_recordset(${json}::text::json) AS r (
          id uuid, username text, email text, "emailVerified" boolean, "displayName" text, "disabledAt" timestamptz,
          "createdAt" timestamptz
        ) JOIN unnest(
          ${users.map(({ id }) => id)}::uuid[],
          ${users.map(({ username }) => AccountKeys.fold(username))}::text[],
          ${users.map(({ email }) => (email === null ? "" : AccountKeys.fold(email)))}::text[]
        ) AS keys (user_id, username_key, email_key) ON user_id = id`
      yield* sql`
        INSERT INTO user_roles (user_id, role_id)
        SELECT r.id, roles.id FROM json_to_recordset(${json}::text::json) AS r (id uuid, roles text[])
        JOIN roles ON roles.name = ANY(r.roles)`
    })
  ),
  section(
    "identity",
    Records.Identity,
    `SELECT json_build_object('kind', 'identity', 'id', id, 'userId', user_id, 'provider', provider, 'issuer', issuer,
       'subject', subject, 'email', email, 'createdAt', created_at)::text AS line
     FROM user_identities ORDER BY id`,
    (sql, json) => sql`
      INSERT INTO user_identities (id, user_id, provider, issuer, subject, email, created_at)
      SELECT * FROM json_to_recordset(${json}::text::json) AS r (
        id uuid, "userId" uuid, provider text, issuer text, subject text, email text, "createdAt" timestamptz
      )`
  ),
  section(
    "item",
    Records.Item,
    `SELECT json_build_object('kind', 'item', 'id', id, 'key', s3_key, 'etag', etag, 'sizeBytes', size_bytes, 'type', type,
       'title', title, 'titleEdited', title_edited, 'description', description, 'tags', tags, 'ownerId', user_id,
       'visibility', visibility, 'createdAt', created_at, 'deletedAt', deleted_at, 'deleteSource', delete_source
     )::text AS line
     FROM media_items ORDER BY id`,
    Effect.fnUntraced(function* (sql, json) {
      // Their objects were not seen here yet: they are missing until a scan finds them, and then ingested like new ones.
      yield* sql`
        INSERT INTO media_items (id, s3_key, etag, size_bytes, type, title, title_edited, description, tags, user_id,
          visibility, created_at, deleted_at, delete_source, status, status_before_missing)
        SELECT r.*, 'missing', 'pending' FROM json_to_recordset(${json}::text::json) AS r (
          id uuid, key text, etag text, "sizeBytes" bigint, type text, title text, "titleEdited" boolean, description text,
          tags text[], "ownerId" uuid, visibility text, "createdAt" timestamptz, "deletedAt" timestamptz,
          "deleteSource" boolean
        )`
      // What lies in the trash is known, or a scan would find it as new.
      yield* sql`
        INSERT INTO processed_s3_objects (id, s3_key, etag, size_bytes, item_id, missing_at)
        SELECT gen_random_uuid(), key, etag, "sizeBytes", id, now() FROM json_to_recordset(${json}::text::json) AS r (
          id uuid, key text, etag text, "sizeBytes" bigint, "deletedAt" timestamptz
        ) WHERE "deletedAt" IS NOT NULL
        ON CONFLICT (s3_key) DO NOTHING`
    })
  ),
  section(
    "purged",
    Records.Purged,
    `SELECT json_build_object('kind', 'purged', 'key', s3_key, 'etag', etag, 'sizeBytes', size_bytes, 'purgedAt', purged_at
     )::text AS line
     FROM purged_objects ORDER BY s3_key`,
    (sql, json) => sql`
      INSERT INTO purged_objects (s3_key, etag, size_bytes, purged_at)
      SELECT * FROM json_to_recordset(${json}::text::json) AS r (
        key text, etag text, "sizeBytes" bigint, "purgedAt" timestamptz
      )`
  ),
  section(
    "progress",
    Records.Progress,
    `SELECT json_build_object('kind', 'progress', 'userId', user_id, 'itemId', item_id, 'positionSeconds', position_seconds,
       'finished', finished, 'updatedAt', updated_at)::text AS line
     FROM media_progress ORDER BY user_id, item_id`,
    (sql, json) => sql`
      INSERT INTO media_progress (user_id, item_id, position_seconds, finished, updated_at)
      SELECT * FROM json_to_recordset(${json}::text::json) AS r (
        "userId" uuid, "itemId" uuid, "positionSeconds" double precision, finished boolean, "updatedAt" timestamptz
      )`
  ),
  section(
    "favourite",
    Records.Favourite,
    `SELECT json_build_object('kind', 'favourite', 'userId', user_id, 'itemId', item_id, 'createdAt', created_at)::text AS line
     FROM favourites ORDER BY user_id, item_id`,
    (sql, json) => sql`
      INSERT INTO favourites (user_id, item_id, created_at)
      SELECT * FROM json_to_recordset(${json}::text::json) AS r ("userId" uuid, "itemId" uuid, "createdAt" timestamptz)`
  ),
  section(
    "share",
    Records.Share,
    `SELECT json_build_object('kind', 'share', 'id', id, 'itemId', item_id, 'createdBy', created_by,
       'tokenHash', encode(token_hash, 'hex'), 'visibility', visibility, 'ownerId', owner_id, 'openedCount', opened_count,
       'lastOpenedAt', last_opened_at, 'expiresAt', expires_at, 'revokedAt', revoked_at, 'createdAt', created_at
     )::text AS line
     FROM shares ORDER BY id`,
    (sql, json) => sql`
      INSERT INTO shares (id, item_id, created_by, token_hash, visibility, owner_id, opened_count, last_opened_at, expires_at,
        revoked_at, created_at)
      SELECT id, "itemId", "createdBy", decode("tokenHash", 'hex'), visibility, "ownerId", "openedCount", "lastOpenedAt",
        "expiresAt", "revokedAt", "createdAt"
      FROM json_to_recordset(${json}::text::json) AS r (
        id uuid, "itemId" uuid, "createdBy" uuid, "tokenHash" text, visibility text, "ownerId" uuid, "openedCount" integer,
        "lastOpenedAt" timestamptz, "expiresAt" timestamptz, "revokedAt" timestamptz, "createdAt" timestamptz
      )`
  )
]
