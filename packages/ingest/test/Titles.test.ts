import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

import { aVideo, Library, items, scan, Tools, workOff, working } from "./World.ts"

const titles = Effect.map(items, (all) => all.map(({ title }) => title))

layer(working(), { excludeTestServices: true })("the title of an item", (it) => {
  it.effect("is what its name means, or what a song says of itself, and the name is not lost", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const library = yield* Library
      const tools = yield* Tools
      tools.probe = (_, object) =>
        Effect.succeed(
          object.key.endsWith(".mp3")
            ? { ...aVideo, type: "audio", tags: { title: "So What", artist: "Miles Davis" } }
            : { ...aVideo, tags: { title: "ripped by somebody" } }
        )
      library.put("The.Film.2019.1080p.x264-GRP.mkv")
      library.put("The.Show.S02E05.720p.mkv")
      library.put("track_01.mp3")
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* titles, ["The Film (2019)", "The Show S02E05", "So What"])
      const named = yield* sql<{ named: unknown }>`
        SELECT metadata - '{tags,orientation,pictures,location,frameRateFraction}'::text[] AS named
        FROM media_items ORDER BY s3_key`
      assert.deepStrictEqual(
        named.map((row) => row.named),
        [
          { originalName: "The.Film.2019.1080p.x264-GRP.mkv", year: 2019, season: null, episode: null },
          { originalName: "The.Show.S02E05.720p.mkv", year: null, season: 2, episode: 5 },
          { originalName: "track_01.mp3", year: null, season: null, episode: null }
        ]
      )
    })
  )

  it.effect("that somebody gave stays, whatever becomes of the file", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const library = yield* Library
      // Also one that is the same as the name makes it.
      yield* sql`UPDATE media_items SET title_edited = true WHERE s3_key LIKE 'The.Film%'`
      yield* sql`UPDATE media_items SET title = 'Mine', title_edited = true WHERE s3_key = 'track_01.mp3'`
      library.move("The.Film.2019.1080p.x264-GRP.mkv", "The.Other.Film.2020.1080p.mkv")
      library.move("The.Show.S02E05.720p.mkv", "The.Show.S02E06.720p.mkv")
      library.put("track_01.mp3", "another recording")
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* titles, ["The Film (2019)", "The Show S02E06", "Mine"])
    })
  )
})
