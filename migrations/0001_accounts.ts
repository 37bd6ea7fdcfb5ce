import { builtInRoles } from "@joy/domain/Permission"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Accounts, roles, sessions, and what proves who somebody is. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // The *_key columns hold the case-folded, NFC-normalised form: two spellings of one name are one name.
  yield* sql`
    CREATE TABLE users (
      id uuid PRIMARY KEY,
      username text NOT NULL,
      username_key text NOT NULL CONSTRAINT users_username_unique UNIQUE,
      email text,
      email_key text CONSTRAINT users_email_unique UNIQUE,
      email_verified boolean NOT NULL DEFAULT false,
      display_name text,
      password_hash text,
      disabled_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((email IS NULL) = (email_key IS NULL)),
      CHECK (email IS NOT NULL OR NOT email_verified)
    )`
  yield* sql`CREATE INDEX users_created ON users (created_at DESC, id DESC)`

  yield* sql`
    CREATE TABLE roles (
      id uuid PRIMARY KEY,
      name text NOT NULL CONSTRAINT roles_name_unique UNIQUE,
      permissions text[] NOT NULL,
      built_in boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`
    CREATE TABLE user_roles (
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      role_id uuid NOT NULL REFERENCES roles ON DELETE RESTRICT,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (user_id, role_id)
    )`
  yield* sql`CREATE INDEX user_roles_role ON user_roles (role_id)`
  for (const [name, permissions] of Object.entries(builtInRoles)) {
    yield* sql`
      INSERT INTO roles (id, name, permissions, built_in)
      VALUES (${SecureRandom.uuidV7Unsafe()}, ${name}, ${[...permissions]}, true)`
  }

  // token_hash is the SHA-256 of the current refresh secret, previous_token_hash of the one that it replaced.
  // secret_key_id names the server key that the secrets of this session are derived from.
  yield* sql`
    CREATE TABLE sessions (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      token_hash bytea NOT NULL,
      previous_token_hash bytea,
      counter integer NOT NULL DEFAULT 0 CHECK (counter >= 0),
      secret_key_id text NOT NULL,
      rotated_at timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz NOT NULL DEFAULT now(),
      idle_expires_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      ip text,
      user_agent text,
      revoked_at timestamptz,
      revoked_reason text CHECK (revoked_reason IN
        ('logout', 'logout-all', 'ended', 'reuse', 'password', 'disabled', 'admin')),
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
    )`
  yield* sql`CREATE INDEX sessions_user ON sessions (user_id, created_at DESC, id DESC) WHERE revoked_at IS NULL`
  yield* sql`CREATE INDEX sessions_expiry ON sessions (expires_at)`

  // Keyed by issuer and subject (OpenID Connect Core, 2), never by e-mail.
  yield* sql`
    CREATE TABLE user_identities (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      provider text NOT NULL CHECK (provider IN ('google', 'apple')),
      issuer text NOT NULL,
      subject text NOT NULL,
      email text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT user_identities_unique UNIQUE (issuer, subject)
    )`
  yield* sql`CREATE INDEX user_identities_user ON user_identities (user_id)`

  yield* sql`
    CREATE TABLE oauth_flows (
      id uuid PRIMARY KEY,
      provider text NOT NULL CHECK (provider IN ('google', 'apple')),
      state_hash bytea NOT NULL CONSTRAINT oauth_flows_state_unique UNIQUE,
      flow_secret_hash bytea NOT NULL,
      nonce text NOT NULL,
      code_verifier text NOT NULL,
      redirect_uri text NOT NULL,
      return_to text,
      user_id uuid REFERENCES users ON DELETE CASCADE,
      exchange_code_hash bytea CONSTRAINT oauth_flows_exchange_unique UNIQUE,
      result jsonb,
      expires_at timestamptz NOT NULL,
      used_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX oauth_flows_expiry ON oauth_flows (expires_at)`

  yield* sql`
    CREATE TABLE api_keys (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      name text NOT NULL,
      key_hash bytea NOT NULL CONSTRAINT api_keys_hash_unique UNIQUE,
      permissions text[] NOT NULL,
      last_used_at timestamptz,
      expires_at timestamptz,
      revoked_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX api_keys_user ON api_keys (user_id, created_at DESC, id DESC)`

  // No foreign keys: the log outlives whom it speaks of.
  yield* sql`
    CREATE TABLE audit_log (
      id uuid PRIMARY KEY,
      action text NOT NULL,
      actor_id uuid,
      subject_id uuid,
      session_id uuid,
      ip text,
      user_agent text,
      detail jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX audit_log_created ON audit_log (created_at DESC, id DESC)`
  yield* sql`CREATE INDEX audit_log_actor ON audit_log (actor_id, created_at DESC, id DESC)`
})
