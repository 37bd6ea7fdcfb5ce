import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "joy-transfer-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const uuid = () => SecureRandom.uuidV7Unsafe()

/** A database with something of every kind, and what nobody should get to see. */
export const lived = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [ada, item, trashed] = [uuid(), uuid(), uuid()]
  yield* sql`INSERT INTO roles (id, name, permissions) VALUES (${uuid()}, 'librarian', ARRAY['media:read', 'media:write'])`
  yield* sql`
    INSERT INTO users (id, username, username_key, email, email_key, email_verified, password_hash)
    VALUES (${ada}, 'Ada', 'ada', 'Ada@example.org', 'ada@example.org', true, 'a-hash-of-a-password')`
  yield* sql`INSERT INTO user_roles (user_id, role_id) SELECT ${ada}::uuid, id FROM roles WHERE name IN ('librarian', 'viewer')`
  yield* sql`
    INSERT INTO user_identities (id, user_id, provider, issuer, subject)
    VALUES (${uuid()}, ${ada}, 'google', 'https://accounts.google.com', '12345')`
  for (const [id, deletedAt] of [
    [item, null],
    [trashed, "2026-01-02T03:04:05.678901Z"]
  ] as const) {
    yield* sql`
      INSERT INTO media_items (id, type, title, title_edited, description, tags, status, user_id, visibility, s3_key, etag,
        size_bytes, deleted_at, failure_message)
      VALUES (${id}, 'video', ${'„A“ \\ "film"\u2028'}, true, ${"two\nlines"}, ARRAY['été', 'a,b', '{}'], 'ready', ${ada},
        'private', ${`users/${ada}/${id}.mp4`}, 'etag', 5000000000, ${deletedAt}::text::timestamptz, 'where it lies')`
  }
  yield* sql`INSERT INTO purged_objects (s3_key, etag, size_bytes) VALUES ('gone.mp4', 'etag', 7)`
  yield* sql`INSERT INTO media_progress (user_id, item_id, position_seconds) VALUES (${ada}, ${item}, 1234.5678)`
  yield* sql`INSERT INTO favourites (user_id, item_id) VALUES (${ada}, ${item})`
  yield* sql`
    INSERT INTO shares (id, item_id, created_by, token_hash, visibility, owner_id, opened_count)
    VALUES (${uuid()}, ${item}, ${ada}, sha256('a token'), 'private', ${ada}, 3)`
  yield* sql`
    INSERT INTO sessions (id, user_id, token_hash, secret_key_id, idle_expires_at, expires_at, ip)
    VALUES (${uuid()}, ${ada}, 'a-hash-of-a-session', 'key', now(), now(), '192.0.2.77')`
})
