/**
 * Searches, pages and facets of a million items, beside `ILIKE`, `OFFSET` and `GROUP BY` on the same table.
 *
 * The services of the catalogue are called as the API calls them, on a Postgres of their own. The words of titles are made
 * up and as unequally frequent as those of languages; each search has two of a title that there is, one of them with a
 * letter that is missing, swapped or wrong.
 */
import { FacetCounts } from "@joy/catalog/FacetCounts"
import { MediaFacets } from "@joy/catalog/MediaFacets"
import { MediaItems } from "@joy/catalog/MediaItems"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { SessionId, UserId } from "@joy/domain/Ids"
import type { MediaFilters, MediaListQuery } from "@joy/domain/MediaApi"
import { Cursor } from "@joy/domain/Page"
import { Signer } from "@joy/domain/Signer"
import * as Database from "@joy/server/Database"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { Client } from "pg"

import { atMost, figure, median, percentile, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import * as Postgres from "./lib/Postgres.ts"

const count = Number(process.argv[2] ?? 1_000_000)
const batch = 25_000
const searches = 200
const rounds = 40
const user = UserId.make("019ac000-0000-7000-8000-000000000001")

/** A word per number; low numbers are frequent. */
const words = `
  CREATE UNLOGGED TABLE made_words AS
  SELECT row_number() OVER (ORDER BY length(word), md5(word))::int AS at, word FROM (
    SELECT DISTINCT (
      SELECT string_agg((ARRAY['ba','ce','di','fo','gu','ha','je','ki','lo','mu','na','pe','ri','so','tu','va','we','xi','yo','zu'])[
        1 + (hashint8extended(n, k) & 1023) % 20], '') FROM generate_series(1, 2 + n % 3) AS k
    ) || (ARRAY['', 'n', 'r', 's', 'th', 'm'])[1 + n % 6] AS word FROM generate_series(1, 80000) AS n
  ) AS made`
const frequent = (seed: string, of: string) =>
  `floor(pow((hashint8extended(n, ${seed}) & 1048575)::float8 / 1048576, 3) * ${of})::int`
const items = `
  INSERT INTO media_items (id, type, title, tags, status, user_id, visibility, s3_key, etag, size_bytes, duration_seconds,
    video_codec, audio_codec, metadata, captured_at, created_at, container)
  SELECT uuidv7(make_interval(secs => n - 2e6)), (ARRAY['video','video','video','audio','image'])[1 + n % 5],
    initcap((SELECT string_agg(word, ' ') FROM generate_series(1, 2 + n % 4) AS k
      JOIN made_words ON at = 1 + ${frequent("k", "$3::int")})),
    ARRAY['tag ' || ${frequent("77", "2000")}, 'shelf ' || n % 20], 'ready',
    CASE WHEN n % 100 = 0 THEN $4::uuid END, CASE WHEN n % 100 = 0 THEN 'private' ELSE 'shared' END,
    'films/' || n || '.mp4', 'etag', n, CASE WHEN n % 7 > 0 THEN n % 9000 END,
    CASE WHEN n % 5 < 3 THEN (ARRAY['h264','hevc','av1'])[1 + n % 3] END,
    CASE WHEN n % 5 < 4 THEN (ARRAY['aac','opus','flac','mp3'])[1 + n % 4] END, '{"tags":{}}',
    '1995-01-01'::timestamptz + make_interval(hours => (hashint8extended(n, 5) & 262143)::int),
    '2026-01-01'::timestamptz + make_interval(secs => n * 0.9), 'mp4'
  FROM generate_series($1::int, $2::int) AS n`

const fill = async (url: string) => {
  const connect = async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    return client
  }
  const clients = [await connect(), await connect()] as const
  const [first] = clients
  await first.query("INSERT INTO users (id, username, username_key) VALUES ($1, 'ada', 'ada')", [user])
  await first.query(words)
  await first.query("CREATE UNIQUE INDEX ON made_words (at)")
  await first.query("ANALYZE made_words")
  const { rows } = await first.query<{ words: number }>("SELECT count(*)::int AS words FROM made_words")
  let next = 1
  await Promise.all(
    clients.map(async (client) => {
      while (next <= count) {
        const from = next
        next += batch
        await client.query(items, [from, Math.min(from + batch - 1, count), rows[0]?.words, user])
      }
    })
  )
  await first.query("VACUUM (ANALYZE) media_items")
  await first.query("VACUUM (ANALYZE) search_words")
  await clients[1].end()
  return first
}

/** Seeded, so that every run asks the same. */
const dice = (() => {
  let state = 20261125
  return (sides: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % sides
  }
})()

const mistype = (word: string) => {
  const at = 1 + dice(word.length - 2)
  const [letter = "", next = ""] = word.slice(at)
  const wrong = [next === letter ? "" : next + letter, "", "q"][dice(3)] ?? ""
  return `${word.slice(0, at)}${wrong}${word.slice(at + (wrong.length === 2 ? 2 : 1))}`
}

const millis = async (ask: () => Promise<unknown>) => {
  const started = performance.now()
  await ask()
  return performance.now() - started
}
const several = async (times: number, ask: (at: number) => Promise<unknown>) => {
  const all: Array<number> = []
  for (let at = 0; at < times; at++) all.push(await millis(() => ask(at)))
  return all
}

await withFolder(async (folder) => {
  const postgres = await Postgres.start(folder)
  Joy.run("source", ["migrate"], folder, { DATABASE_URL: postgres.url })
  progress(`Making ${count} items`)
  const client = await fill(postgres.url)

  // Takes every cursor, so that one can be made for any depth.
  const signer = Layer.succeed(Signer, { sign: () => "signed", verify: () => true })
  const url = Redacted.make(postgres.url)
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(MediaItems.layer, MediaFacets.layer, FacetCounts.layer).pipe(
      Layer.provide(signer),
      Layer.provide([Database.layerFromUrl({ url }), Database.layerHotReads({ url })])
    )
  )
  const as = Effect.provideService(CurrentPrincipal, {
    userId: user,
    credential: { kind: "session", sessionId: SessionId.make(user) },
    permissions: new Set(["media:read"] as const)
  })
  const list = (query: MediaListQuery) => runtime.runPromise(Effect.flatMap(MediaItems, (all) => as(all.list(query))))
  const facets = (query: MediaFilters) => runtime.runPromise(Effect.flatMap(MediaFacets, ({ of }) => as(of(query))))
  const visible = `deleted_at IS NULL AND (visibility = 'shared' OR user_id = '${user}')`

  progress("Searching")
  const { rows: titles } = await client.query<{ title: string }>(
    "SELECT title FROM media_items TABLESAMPLE BERNOULLI (0.2) REPEATABLE (7) WHERE title ~ '^\\S{5,} \\S{5,}' LIMIT $1",
    [searches]
  )
  const asked = titles.map(({ title }) => {
    const [one = "", other = ""] = title.toLowerCase().split(" ")
    return { title, one, other, q: dice(2) === 0 ? `${mistype(one)} ${other}` : `${other} ${mistype(one)}` }
  })
  let found = 0
  for (const { q } of asked.slice(0, 10)) await list({ q })
  const typos = await several(asked.length, async (at) => {
    const { items: page } = await list({ q: asked[at]?.q ?? "" })
    if (page.some(({ title }) => title === asked[at]?.title)) found += 1
  })
  const ilike = await several(10, (at) =>
    client.query(
      `SELECT * FROM media_items WHERE ${visible} AND title ILIKE $1 AND title ILIKE $2 ORDER BY created_at DESC LIMIT 51`,
      [`%${asked[at]?.one}%`, `%${asked[at]?.other}%`]
    )
  )
  figure("two words with a typo, 95 %", [percentile(typos, 0.95)], "ms", atMost(50))
  figure("  median", [median(typos)], "ms")
  figure("  found on the first page", [(100 * found) / asked.length], "%")
  figure("  ILIKE, two words typed right, median", ilike, "ms")
  figure("  times as fast, by the medians", [median(ilike) / median(typos)], "x")
  const common = await several(rounds, () => list({ q: "tag" }))
  figure("a word that every item has, 95 %", [percentile(common, 0.95)], "ms")

  progress("Paging")
  const sorts = {
    "-createdAt": { by: "created_at DESC, id DESC", value: "created_at" },
    title: { by: 'left(title, 100) COLLATE "C", id', value: "left(title, 100)" },
    "-durationSeconds": { by: "coalesce(duration_seconds, -1) DESC, id DESC", value: "coalesce(duration_seconds, -1)" }
  } as const
  const depths = [0.01, 0.25, 0.5, 0.75, 0.98].map((share) => Math.floor(count * share))
  for (const [sort, { by, value }] of Object.entries(sorts)) {
    const ours: Array<number> = []
    const theirs: Array<number> = []
    for (const depth of depths) {
      const offset = () =>
        client.query<{ value: unknown; id: string }>(
          `SELECT *, to_json(${value}) AS value FROM media_items WHERE ${visible} ORDER BY ${by} OFFSET $1 LIMIT 51`,
          [depth]
        )
      const { rows } = await offset()
      const position = Buffer.from(JSON.stringify([rows[0]?.value, rows[0]?.id])).toString("base64url")
      const cursor = Cursor.make(`${position}.signed`)
      const query: MediaListQuery = { sort: sort as keyof typeof sorts, limit: 50, cursor }
      const { items: page } = await list(query)
      if (page[0]?.id !== rows[1]?.id) throw new Error(`The page of ${sort} at ${depth} is another one`)
      ours.push(...(await several(rounds, () => list(query))))
      theirs.push(...(await several(1, offset)))
    }
    figure(`a page by ${sort}, at any depth, 95 %`, [percentile(ours, 0.95)], "ms", atMost(10))
    figure("  by OFFSET, the deepest", [theirs.at(-1) ?? Number.NaN], "ms")
    figure("  times as fast", [(theirs.at(-1) ?? Number.NaN) / percentile(ours, 0.95)], "x")
  }
  for (const [name, query] of [
    ["of one type", { type: "image" }],
    ["of a tag that few have", { tag: "tag 1990" }],
    ["of a tag that many have", { tag: "shelf 3" }],
    ["of failed ones, of which there are none", { status: "failed" }],
    ["of one's own, by title", { owner: "me", sort: "title" }]
  ] as const satisfies ReadonlyArray<readonly [string, MediaListQuery]>) {
    await list(query)
    figure(`a page ${name}, 95 %`, [percentile(await several(rounds, () => list(query)), 0.95)], "ms", atMost(10))
  }

  progress("Counting")
  // As ingest does every minute.
  await runtime.runPromise(Effect.flatMap(FacetCounts, ({ fold }) => fold))
  for (const [name, query] of [
    ["of everything", {}],
    ["of one type", { type: "image" }],
    ["of a tag that few have", { tag: "tag 1990" }],
    ["of a tag that 50,000 have", { tag: "shelf 3" }],
    ["of a search", { q: asked[0]?.q ?? "" }]
  ] as const satisfies ReadonlyArray<readonly [string, MediaFilters]>) {
    await facets(query)
    figure(`facets ${name}, 95 %`, [percentile(await several(rounds, () => facets(query)), 0.95)], "ms", atMost(150))
  }
  const grouped = await several(1, () =>
    client.query(`
      SELECT facet, value, count(*) FROM media_items CROSS JOIN LATERAL (
        SELECT 'type', type UNION ALL SELECT 'tag', unnest(tags) UNION ALL SELECT 'codec', video_codec
        UNION ALL SELECT 'codec', audio_codec UNION ALL SELECT 'year', date_part('year', captured_at)::text
      ) AS facets (facet, value) WHERE ${visible} GROUP BY facet, value`)
  )
  figure("  of everything, by GROUP BY", grouped, "ms")

  await runtime.dispose()
  await client.end()
  await postgres.stop()
  print(`search: ${count} items`)
})
