import { readFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import type { SubtitleTrack } from "@joy/domain/MediaStream"
import { UnreadableMedia } from "@joy/media/MediaError"
import { DerivedStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

import { aVideo, items, Library, scan, Tools, working, workOff } from "./World.ts"

interface Row {
  readonly storyboardSheets: number | null
  readonly subtitles: ReadonlyArray<SubtitleTrack>
  readonly derivativeVersions: Readonly<Record<string, number>>
}

const row = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<Row>`SELECT storyboard_sheets, subtitles, derivative_versions FROM media_items AS item
      JOIN processed_s3_objects AS object ON object.item_id = item.id ORDER BY item.s3_key LIMIT 1`,
    ([found]) => found
  )
)

/** What lies in the derived store, without the item and the version. */
const files = Effect.flatMap(DerivedStore, (derived) =>
  Effect.map(derived.list(), ({ objects }) => objects.map(({ key }) => key.slice(key.lastIndexOf("/") + 1)))
)

const eventNames = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ name: string }>`SELECT name FROM events ORDER BY id`, (rows) =>
    rows.map(({ name }) => name).filter((name) => name.startsWith("media."))
  )
)

const track = {
  language: "en",
  label: "English",
  isDefault: true,
  isForced: false,
  isForHearingImpaired: false,
  vtt: "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello\n"
}

describe("What an item gets after it is ready", () => {
  it.live("is its storyboard, its text tracks and the subtitle files beside it", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      tools.storyboard = () => Effect.succeed({ sheets: [new Uint8Array([1]), new Uint8Array([2])], vtt: "WEBVTT\n" })
      tools.subtitles = () => Effect.succeed([track])
      library.put("Film.mp4")
      library.put("Film.de.forced.srt", "1\n00:00:00,000 --> 00:00:01,000\nHallo\n")
      library.put("Film.fr.srt", "no subtitles at all")
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* row, {
        storyboardSheets: 2,
        subtitles: [
          { language: "en", label: "English", isDefault: true, isForced: false, isForHearingImpaired: false },
          { language: "de", label: "German (forced)", isDefault: false, isForced: true, isForHearingImpaired: false }
        ],
        derivativeVersions: { thumbnail: 1, storyboard: 1, subtitles: 1 }
      })
      assert.sameMembers(yield* files, [
        "storyboard-0.webp",
        "storyboard-1.webp",
        "storyboard.vtt",
        "subtitle-0.vtt",
        "subtitle-1.vtt",
        "thumbnail-320.jpeg",
        "thumbnail-320.webp"
      ])
      const [item] = yield* items
      const folder = join(library.derivedRoot, item?.id ?? "", encodeURIComponent(item?.etag ?? ""))
      assert.include(readFileSync(join(folder, "subtitle-1.vtt"), "utf8"), "Hallo")
      assert.deepStrictEqual(yield* eventNames, [
        "media.updated",
        "media.updated",
        "media.ready",
        "media.updated",
        "media.updated"
      ])
    }).pipe(Effect.provide(working({}, "all")))
  )

  it.live("is nothing new when there is nothing, and no work at all for sound and pictures", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      library.put("Film.mp4")
      library.put("Song.mp3")
      tools.probe = (_, object) =>
        Effect.succeed(object.key === "Song.mp3" ? { ...aVideo, type: "audio" as const } : aVideo)
      yield* scan()
      yield* workOff
      assert.deepStrictEqual(yield* row, {
        storyboardSheets: null,
        subtitles: [],
        derivativeVersions: { thumbnail: 1, storyboard: 1, subtitles: 1 }
      })
      // Seen, and begun.
      const before = Array.from({ length: 4 }, () => "media.updated")
      assert.deepStrictEqual((yield* eventNames).toSorted(), ["media.ready", "media.ready", ...before])
      const sql = yield* SqlClient.SqlClient
      const [song] = yield* sql<Row>`SELECT derivative_versions FROM processed_s3_objects WHERE s3_key = 'Song.mp3'`
      assert.deepStrictEqual(song?.derivativeVersions, { thumbnail: 1 })
    }).pipe(Effect.provide(working({}, "all")))
  )

  it.live("leaves it ready when it can't be made, and goes with the version that it was made of", () =>
    Effect.gen(function* () {
      const library = yield* Library
      const tools = yield* Tools
      tools.storyboard = () => Effect.fail(new UnreadableMedia({ step: "storyboard", reason: "shows nothing" }))
      tools.subtitles = () => Effect.succeed([track])
      library.put("Film.mp4")
      yield* scan()
      yield* workOff
      assert.strictEqual((yield* items)[0]?.status, "ready")
      assert.deepInclude(yield* row, { storyboardSheets: null, derivativeVersions: { thumbnail: 1, subtitles: 1 } })
      assert.lengthOf((yield* row)?.subtitles ?? [], 1)

      tools.storyboard = () => Effect.succeed(null)
      tools.subtitles = () => Effect.succeed([])
      library.put("Film.mp4", "another film")
      yield* scan()
      yield* workOff
      assert.deepInclude(yield* row, {
        subtitles: [],
        storyboardSheets: null,
        derivativeVersions: { thumbnail: 1, storyboard: 1, subtitles: 1 }
      })
    }).pipe(Effect.provide(working({}, "all")))
  )
})
