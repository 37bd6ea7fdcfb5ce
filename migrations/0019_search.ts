import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

// Marks: accents of Latin, Greek and Cyrillic, points of Hebrew, harakat and the stretching line of Arabic.
const marks =
  "\\u0300-\\u036f\\u0483-\\u0487\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7\\u0610-\\u061a\\u0640\\u064b-\\u065f\\u0670"
// What stands between words.
const separators =
  "\\u0001-\\u002f\\u003a-\\u0040\\u005b-\\u0060\\u007b-\\u00bf\\u00d7\\u00f7\\u02b9-\\u02ff\\u055a-\\u055f\\u0589\\u058a\\u05be\\u05c0\\u05c3\\u05f3\\u05f4\\u060c\\u061b\\u061f\\u066a-\\u066d\\u06d4\\u0964\\u0965\\u0e2f\\u0e5a\\u0e5b\\u2000-\\u20ff\\u2190-\\u23ff\\u2500-\\u25ff\\u27c0-\\u2aff\\u2e00-\\u2e7f\\u3000-\\u3004\\u3008-\\u3020\\u3030\\u3036-\\u303f\\u30a0\\u30fb\\ufe00-\\ufe6f\\ufeff\\uffe0-\\uffff"
const emoji = "\\u2600-\\u27bf\\U0001f000-\\U0001faff"
// Thai, Lao, Burmese, Hangul, Khmer, kana, Han.
const unspaced =
  "\\u0e00-\\u0eff\\u1000-\\u109f\\u1100-\\u11ff\\u1780-\\u17ff\\u3005-\\u3007\\u3021-\\u302f\\u3031-\\u3035\\u3040-\\u30ff\\u3130-\\u318f\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua960-\\ua97f\\uac00-\\ud7ff\\uf900-\\ufaff\\U00020000-\\U0003ffff"

/**
 * Search that forgives accents, case, typos and the order of words, in any script. What is indexed and what is looked for
 * are taken apart by the same functions, so that they can't disagree.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  // A database of the locale C knows the case of ASCII alone. Where ICU is built in, its rules are used.
  const [icu] = yield* sql`SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu' AND collprovider = 'i'`
  const collation = icu === undefined ? "" : `COLLATE "und-x-icu"`

  // Apostrophes join. The letters at the end are those that Unicode does not take apart, and variants of one letter.
  yield* sql.unsafe(`
    CREATE FUNCTION search_fold(words text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN words ~ '^[ -&(-~]*$' THEN lower(words COLLATE "C") COLLATE "C" ELSE translate(
      replace(replace(replace(replace(
        normalize(
          regexp_replace(lower(normalize(words, NFKD) ${collation}) COLLATE "C", '[${marks}''\\u2018\\u2019\\u02bc]', '', 'g'),
          NFC),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
      'ıłøđðħŋſςىةک', 'iloddhnsσيهك') END`)

  // What somebody types who knows what it is called: without the year that tells it from others.
  yield* sql`
    CREATE FUNCTION search_title(title text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(search_fold(left(title, 100)), ' *[(][0-9]{4}[)]$', '')`

  // Scripts that are written without spaces are found by pairs of neighbouring letters. An emoji is a word.
  yield* sql.unsafe(`
    CREATE FUNCTION search_split(folded text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (
      SELECT coalesce(array_agg(term ORDER BY place, part), '{}')
      FROM string_to_table(
        regexp_replace(
          regexp_replace(regexp_replace(folded, '[${separators}]+', ' ', 'g'), '([${emoji}])', ' \\1 ', 'g'),
          '([${unspaced}]+)', ' \\1 ', 'g'),
        ' ') WITH ORDINALITY AS run (letters, place)
      CROSS JOIN LATERAL (
        SELECT left(letters, 64) AS term, 1 AS part WHERE letters <> '' AND letters !~ '^[${unspaced}]'
        UNION ALL
        SELECT substr(letters, start, 2), start FROM generate_series(1, length(letters)) AS start
        WHERE letters ~ '^[${unspaced}]'
      ) AS terms
    )`)

  // These two run for every item that is written. Most texts are plain, and taken apart in a tenth of the time.
  yield* sql`
    CREATE FUNCTION search_terms(words text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    BEGIN
      IF words ~ '^[ -&(-~]*$' AND words !~ '[^ ]{65}' THEN
        RETURN array_remove(regexp_split_to_array(lower(words COLLATE "C"), '[^a-z0-9]+'), '');
      END IF;
      RETURN search_split(search_fold(words));
    END $$`
  yield* sql`
    CREATE FUNCTION search_vector(words text, weight text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
    DECLARE
      term text;
      place integer := 0;
      entries text := '';
    BEGIN
      IF words IS NOT NULL THEN
        FOREACH term IN ARRAY search_terms(words) LOOP
          place := least(place + 1, 16000);
          entries := entries || term || ':' || place || weight || ' ';
        END LOOP;
      END IF;
      RETURN entries::tsvector;
    END $$`

  // What people look for, by how much it matters: the title; tags and names; what else is said of it; the file's name. A
  // word with a hyphen is found without it as well.
  yield* sql`
    CREATE FUNCTION media_search(
      title text, description text, tags text[], metadata jsonb, captured_at timestamptz, s3_key text
    ) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN search_vector(title, 'A')
      || CASE WHEN title LIKE '%-%' THEN search_vector(replace(title, '-', ''), 'A') ELSE '' END
      || search_vector(concat_ws(' ', array_to_string(tags, ' '), metadata #>> '{tags,artist}', metadata #>> '{tags,album}',
        metadata #>> '{tags,albumArtist}', metadata #>> '{tags,show}'), 'B')
      || search_vector(concat_ws(' ', description, metadata #>> '{tags,title}', metadata #>> '{tags,composer}',
        metadata #>> '{tags,genre}', metadata #>> '{tags,make}', metadata #>> '{tags,model}',
        left(metadata #>> '{tags,date}', 4), date_part('year', timezone('UTC', captured_at))::text), 'C')
      || search_vector(substring(s3_key FROM '([^/]+?)(?:\.[^./]*)?$'), 'D')`
  yield* sql`DROP INDEX media_items_search, media_items_title_trigrams`
  yield* sql`ALTER TABLE media_items DROP COLUMN search`
  yield* sql`DROP FUNCTION media_search(text, text, text[])`
  yield* sql`
    ALTER TABLE media_items ADD COLUMN search tsvector
      GENERATED ALWAYS AS (media_search(title, description, tags, metadata, captured_at, s3_key)) STORED`
  yield* sql`CREATE INDEX media_items_search ON media_items USING gin (search)`
  yield* sql`
    CREATE INDEX media_items_exact_title ON media_items (search_title(title), id DESC) WHERE deleted_at IS NULL`

  // The words that there are, so that one that was typed wrong finds those that are near: two words of which each has one
  // letter too many, too few or wrong share one of their forms that lack a letter. Numbers are never near each other. A
  // word may stand here twice: then nobody who adds it waits for somebody else.
  yield* sql`
    CREATE FUNCTION search_variants(word text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN array_append(
      ARRAY(SELECT DISTINCT left(word, at - 1) || substr(word, at + 1) FROM generate_series(1, length(word)) AS at), word)`
  yield* sql`CREATE TABLE search_words (word text COLLATE "C" NOT NULL, variants text[] NOT NULL)`
  yield* sql`
    CREATE FUNCTION search_words_add(words text[]) RETURNS void LANGUAGE sql
    BEGIN ATOMIC
      INSERT INTO search_words (word, variants)
      SELECT word, search_variants(word) FROM (SELECT DISTINCT unnest(words) COLLATE "C" AS word) AS added
      WHERE word ~ '^[^0-9]{4,24}$' AND NOT EXISTS (SELECT FROM search_words AS known WHERE known.word = added.word);
    END`
  yield* sql`
    CREATE FUNCTION search_words_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM search_words_add(array_agg(DISTINCT word))
      FROM added, unnest(tsvector_to_array(ts_filter(added.search, '{a,b,c}'))) AS word;
      RETURN NULL;
    END $$`
  yield* sql`
    CREATE FUNCTION search_words_updated() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM search_words_add(tsvector_to_array(ts_filter(NEW.search, '{a,b,c}')));
      RETURN NULL;
    END $$`
  yield* sql`
    SELECT search_words_add(array_agg(word))
    FROM (SELECT DISTINCT unnest(tsvector_to_array(ts_filter(search, '{a,b,c}'))) AS word FROM media_items) AS known`
  yield* sql`CREATE INDEX search_words_word ON search_words (word)`
  yield* sql`CREATE INDEX search_words_variants ON search_words USING gin (variants)`
  yield* sql`CREATE INDEX search_words_trigrams ON search_words USING gin (word gin_trgm_ops)`
  yield* sql`
    CREATE TRIGGER media_items_words_inserted AFTER INSERT ON media_items REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION search_words_inserted()`
  yield* sql`
    CREATE TRIGGER media_items_words_updated AFTER UPDATE ON media_items FOR EACH ROW
    WHEN (OLD.search IS DISTINCT FROM NEW.search) EXECUTE FUNCTION search_words_updated()`

  // Titles can be longer than an index takes.
  yield* sql`DROP INDEX media_items_title`
  yield* sql`
    CREATE INDEX media_items_title ON media_items (left(title, 100) COLLATE "C", id) WHERE deleted_at IS NULL`
  // Lists by what few items have.
  yield* sql`
    CREATE INDEX media_items_type ON media_items (type, created_at DESC, id DESC) WHERE deleted_at IS NULL`
  yield* sql`
    CREATE INDEX media_items_unready ON media_items (status, created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND status <> 'ready'`
})
