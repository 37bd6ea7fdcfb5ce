import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** The items of the library and what people do with them. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  yield* sql`CREATE EXTENSION IF NOT EXISTS pg_trgm`
  // array_to_string is only STABLE, for types whose text depends on settings; for text it does not.
  yield* sql`
    CREATE FUNCTION media_search(title text, description text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN setweight(to_tsvector('simple', title), 'A')
      || setweight(to_tsvector('simple', array_to_string(tags, ' ')), 'B')
      || setweight(to_tsvector('simple', coalesce(description, '')), 'C')`

  // Keys compare as bytes (COLLATE "C"), which is the order that stores list in.
  yield* sql`
    CREATE TABLE media_items (
      id uuid PRIMARY KEY,
      type text NOT NULL CHECK (type IN ('video', 'audio', 'image')),
      title text NOT NULL,
      description text,
      tags text[] NOT NULL DEFAULT '{}',
      status text NOT NULL CHECK (status IN ('pending', 'processing', 'ready', 'failed', 'missing')),
      user_id uuid REFERENCES users ON DELETE SET NULL,
      visibility text NOT NULL CHECK (visibility IN ('private', 'shared')),
      s3_key text COLLATE "C" NOT NULL,
      etag text NOT NULL,
      size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
      container text,
      duration_seconds double precision,
      width integer,
      height integer,
      frame_rate double precision,
      video_codec text,
      audio_codec text,
      bitrate bigint,
      captured_at timestamptz,
      metadata jsonb NOT NULL DEFAULT '{}',
      streams jsonb NOT NULL DEFAULT '[]',
      chapters jsonb NOT NULL DEFAULT '[]',
      thumbnails jsonb NOT NULL DEFAULT '[]',
      thumbhash text,
      failure_step text,
      failure_message text,
      failure_attempts integer NOT NULL DEFAULT 0,
      status_before_missing text,
      deleted_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      version integer NOT NULL DEFAULT 1,
      search tsvector GENERATED ALWAYS AS (media_search(title, description, tags)) STORED,
      CHECK ((status = 'failed') <= (failure_step IS NOT NULL)),
      CHECK ((status = 'missing') = (status_before_missing IS NOT NULL))
    )`
  yield* sql`CREATE UNIQUE INDEX media_items_key ON media_items (s3_key) WHERE deleted_at IS NULL`
  yield* sql`CREATE INDEX media_items_created ON media_items (created_at DESC, id DESC) WHERE deleted_at IS NULL`
  yield* sql`CREATE INDEX media_items_title ON media_items (title COLLATE "C", id) WHERE deleted_at IS NULL`
  yield* sql`
    CREATE INDEX media_items_duration ON media_items (coalesce(duration_seconds, -1) DESC, id DESC)
    WHERE deleted_at IS NULL`
  yield* sql`CREATE INDEX media_items_owner ON media_items (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL`
  yield* sql`
    CREATE INDEX media_items_failed ON media_items (created_at DESC, id DESC)
    WHERE status = 'failed' AND deleted_at IS NULL`
  yield* sql`CREATE INDEX media_items_unfinished ON media_items (updated_at) WHERE status IN ('pending', 'processing')`
  yield* sql`CREATE INDEX media_items_search ON media_items USING gin (search)`
  yield* sql`CREATE INDEX media_items_title_trigrams ON media_items USING gin (title gin_trgm_ops)`
  yield* sql`CREATE INDEX media_items_tags ON media_items USING gin (tags)`
  yield* sql`CREATE INDEX media_items_trash ON media_items (deleted_at) WHERE deleted_at IS NOT NULL`

  yield* sql`
    CREATE TABLE media_progress (
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      item_id uuid NOT NULL REFERENCES media_items ON DELETE CASCADE,
      position_seconds double precision NOT NULL CHECK (position_seconds >= 0),
      finished boolean NOT NULL DEFAULT false,
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (user_id, item_id)
    )`
  yield* sql`CREATE INDEX media_progress_recent ON media_progress (user_id, updated_at DESC) WHERE NOT finished`

  yield* sql`
    CREATE TABLE favourites (
      user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
      item_id uuid NOT NULL REFERENCES media_items ON DELETE CASCADE,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (user_id, item_id)
    )`
  yield* sql`CREATE INDEX favourites_item ON favourites (item_id)`

  yield* sql`
    CREATE TABLE shares (
      id uuid PRIMARY KEY,
      item_id uuid NOT NULL REFERENCES media_items ON DELETE CASCADE,
      created_by uuid REFERENCES users ON DELETE SET NULL,
      token_hash bytea NOT NULL CONSTRAINT shares_token_unique UNIQUE,
      opened_count integer NOT NULL DEFAULT 0,
      last_opened_at timestamptz,
      expires_at timestamptz,
      revoked_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`CREATE INDEX shares_item ON shares (item_id, created_at DESC)`
})
