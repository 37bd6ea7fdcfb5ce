import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

const columns = "type, status, tags, metadata, captured_at, video_codec, audio_codec, visibility, user_id, deleted_at"
/** Rows of `media_items`, each with `sign`, as changes of counts. */
const counted = (rows: string) => `
  SELECT CASE visibility WHEN 'shared' THEN 'shared' ELSE coalesce(user_id::text, '') END, type, status, facet, value,
    sum(sign)
  FROM ${rows} CROSS JOIN LATERAL media_facets(type, tags, metadata, captured_at, video_codec, audio_codec)
  WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4, 5 HAVING sum(sign) <> 0`

/**
 * How many items there are of what: counted as they change, because to count a million takes seconds. Who may see them is
 * a part of it: `shared` for all, a user's id for what is private to them, nothing for what is nobody's.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // The year that its name or its tags tell, or in which it was taken.
  yield* sql`
    CREATE FUNCTION media_year(metadata jsonb, captured_at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(
      metadata ->> 'year', substring(metadata #>> '{tags,date}' FROM '^[0-9]{4}'),
      date_part('year', timezone('UTC', captured_at))::text
    )`
  yield* sql`
    CREATE FUNCTION media_facets(
      type text, tags text[], metadata jsonb, captured_at timestamptz, video_codec text, audio_codec text
    ) RETURNS TABLE (facet text, value text) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 6
    BEGIN ATOMIC
      SELECT 'type', type
      UNION ALL SELECT DISTINCT 'tag', tag FROM unnest(tags) AS tag
      UNION ALL SELECT 'year', year FROM media_year(metadata, captured_at) AS year WHERE year IS NOT NULL
      UNION ALL SELECT DISTINCT 'codec', codec FROM unnest(ARRAY[video_codec, audio_codec]) AS codec WHERE codec IS NOT NULL;
    END`

  // What changed stands beside what was counted, so that nobody waits for a counter; now and then it is added to it. The
  // number of something is the sum of both.
  yield* sql`
    CREATE TABLE media_facet_counts (
      audience text NOT NULL,
      type text NOT NULL,
      status text NOT NULL,
      facet text NOT NULL,
      value text COLLATE "C" NOT NULL,
      count bigint NOT NULL,
      PRIMARY KEY (facet, value, audience, type, status)
    )`
  yield* sql`CREATE TABLE media_facet_changes (LIKE media_facet_counts)`

  yield* sql.unsafe(`
    INSERT INTO media_facet_counts ${counted(`(SELECT ${columns}, 1 AS sign FROM media_items) AS items`)}`)
  yield* sql.unsafe(`
    CREATE FUNCTION media_facets_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO media_facet_changes ${counted(`(SELECT ${columns}, 1 AS sign FROM added) AS items`)};
      RETURN NULL;
    END $$`)
  yield* sql.unsafe(`
    CREATE FUNCTION media_facets_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO media_facet_changes ${counted(`(SELECT ${columns}, -1 AS sign FROM removed) AS items`)};
      RETURN NULL;
    END $$`)
  const row = (name: string) => columns.replaceAll(/\w+/g, `${name}.$&`)
  yield* sql.unsafe(`
    CREATE FUNCTION media_facets_updated() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO media_facet_changes
      ${counted(`(VALUES (${row("OLD")}, -1), (${row("NEW")}, 1)) AS items (${columns}, sign)`)};
      RETURN NULL;
    END $$`)
  yield* sql`
    CREATE TRIGGER media_items_facets_inserted AFTER INSERT ON media_items REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION media_facets_inserted()`
  yield* sql`
    CREATE TRIGGER media_items_facets_deleted AFTER DELETE ON media_items REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION media_facets_deleted()`
  yield* sql.unsafe(`
    CREATE TRIGGER media_items_facets_updated AFTER UPDATE ON media_items FOR EACH ROW
    WHEN ((${row("OLD")}) IS DISTINCT FROM (${row("NEW")})) EXECUTE FUNCTION media_facets_updated()`)
})
