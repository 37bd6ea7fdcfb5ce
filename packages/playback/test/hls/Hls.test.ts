import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { MediaItemId } from "@joy/domain/Ids"
import * as FolderStore from "@joy/storage/FolderStore"
import { SourceStore } from "@joy/storage/ObjectStore"
import { describeWith } from "@joy/testing/Needs"
import * as SegmentCorpus from "@joy/testing/SegmentCorpus"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { ContentIndexes } from "../../src/ContentIndexes.ts"
import { Hls } from "../../src/Hls.ts"
import { SourceBlocks } from "../../src/SourceBlocks.ts"
import { SourceStretches } from "../../src/SourceStretches.ts"
import { bytesOf, temporaryFolder, versionOf } from "./Exported.ts"
import { remote, type RemoteStore } from "./RemoteStore.ts"

const services = Hls.layerNoDeps.pipe(
  Layer.provideMerge([ContentIndexes.layer, SourceBlocks.layer, SourceStretches.layer])
)

/** A remote library with one file of the corpus in it, and a process over it; `again` is another one. */
const library = Effect.fnUntraced(function* (name: SegmentCorpus.Name) {
  const folder = yield* temporaryFolder
  const path = join(folder, "library", name)
  mkdirSync(join(folder, "library"))
  copyFileSync(yield* SegmentCorpus.file(name), path)
  const far = remote(yield* FolderStore.make({ root: join(folder, "library"), readOnly: true }))
  const process = () => {
    const stores = Layer.merge(Layer.succeed(SourceStore, far.store), FolderStore.layerDerived(join(folder, "derived")))
    return Layer.fresh(services).pipe(Layer.provideMerge(stores))
  }
  return { far, folder, path, process }
})

const segmentOf = Effect.fnUntraced(function* (path: string, rendition: string, number: number) {
  return yield* bytesOf(yield* (yield* Hls).segment(yield* versionOf(path), rendition, number))
}, Effect.scoped)

const bytesRead = ({ reads }: RemoteStore) => reads.reduce((sum, { end, start }) => sum + end - start + 1, 0)

type Library = Effect.Success<ReturnType<typeof library>>

const test = (name: string, of: SegmentCorpus.Name, body: (made: Library) => Effect.Effect<void, unknown>) =>
  it.effect(name, () => Effect.flatMap(library(of), body).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

describeWith(["ffmpeg"], "Hls", () => {
  for (const [name, most] of [
    ["h264-start.mp4", 1],
    ["h264-end.mp4", 2]
  ] as const) {
    test(
      `reads the index of ${name} in ${most} requests, and each segment in one, of its own bytes`,
      name,
      ({ far, path, process }) =>
        Effect.gen(function* () {
          const source = yield* versionOf(path)
          const hls = yield* Hls
          yield* hls.main(source, [])
          assert.strictEqual(far.reads.length, most)
          far.reads.length = 0
          const { head, sizeBytes } = yield* Effect.scoped(hls.segment(source, "main", 1))
          far.reads.length = 0
          const bytes = yield* segmentOf(path, "main", 1)
          assert.strictEqual(far.reads.length, 1)
          assert.strictEqual(bytesRead(far), sizeBytes - head.length)
          assert.strictEqual(bytes.length, sizeBytes)
        }).pipe(Effect.provide(process()))
    )
  }

  for (const name of ["h264.mkv", "h264-cues-first.mkv", "vp9-opus.webm"] as const) {
    test(
      `reads the index of ${name} in at most three requests, and each segment in one that is hardly more than it`,
      name,
      ({ far, path, process }) =>
        Effect.gen(function* () {
          const source = yield* versionOf(path)
          const hls = yield* Hls
          yield* hls.main(source, [])
          assert.isAtMost(far.reads.length, 3)
          far.reads.length = 0
          const bytes = yield* segmentOf(path, "main", 1)
          assert.strictEqual(far.reads.length, 1)
          assert.isAtMost(bytesRead(far), bytes.length * 1.01)
          // Who asks for it again, or for another rendition of that time, needs no other.
          assert.strictEqual(Buffer.compare(yield* segmentOf(path, "main", 1), bytes), 0)
          assert.strictEqual(far.reads.length, 1)
        }).pipe(Effect.provide(process()))
    )
  }

  test(
    "builds an index once, however many ask, and keeps it for the processes that come",
    "h264-end.mp4",
    ({ far, folder, path, process }) =>
      Effect.gen(function* () {
        const play = Effect.gen(function* () {
          const source = yield* versionOf(path)
          const hls = yield* Hls
          const asked = Array.from({ length: 20 }, () => hls.main(source, []))
          return yield* Effect.all(asked, { concurrency: "unbounded" })
        })
        const [first] = yield* Effect.provide(play, process())
        assert.strictEqual(far.reads.length, 2)
        const [again] = yield* Effect.provide(play, process())
        assert.strictEqual(far.reads.length, 2)
        assert.deepStrictEqual(again, first)

        // What another version wrote, or nobody, is made anew.
        const kept = readdirSync(join(folder, "derived"), { recursive: true, encoding: "utf8" }).find((file) =>
          file.endsWith("container.index")
        )
        assert.isDefined(kept)
        const file = join(folder, "derived", kept)
        const good = readFileSync(file)
        for (const bad of [
          Buffer.alloc(0),
          good.subarray(0, 500),
          Buffer.alloc(5000, 7),
          good.subarray(0, good.length - 1)
        ]) {
          writeFileSync(file, bad)
          assert.deepStrictEqual((yield* Effect.provide(play, process()))[0], first)
          assert.strictEqual(Buffer.compare(readFileSync(file), good), 0)
        }
      })
  )

  test(
    "says that an object was replaced, in its index and in the middle of playing",
    "h264-end.mp4",
    ({ path, process }) =>
      Effect.gen(function* () {
        const hls = yield* Hls
        const source = yield* versionOf(path)
        const before = yield* segmentOf(path, "main", 0)
        assert.isAbove(before.length, 1000)
        writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)]))
        const segment = yield* Effect.flip(Effect.scoped(hls.segment(source, "main", 1)))
        assert.strictEqual(segment._tag, "ObjectChanged")
        const other = { ...source, itemId: MediaItemId.make("0197b0a0-0000-7000-8000-000000000002") }
        assert.strictEqual((yield* Effect.flip(hls.main(other, [])))._tag, "ObjectChanged")
      }).pipe(Effect.provide(process()))
  )

  test("has no parts but those that its playlists name", "h264-end.mp4", ({ path, process }) =>
    Effect.gen(function* () {
      const hls = yield* Hls
      const source = yield* versionOf(path)
      const segment = (rendition: string, number: number) =>
        Effect.flip(Effect.scoped(hls.segment(source, rendition, number)))
      for (const number of [3, -1, 0.5, Number.NaN, 2 ** 31, 1e300]) {
        assert.strictEqual((yield* segment("main", number))._tag, "NoSuchPart", String(number))
      }
      for (const name of ["audio-0", "", "..", "__proto__", "subtitles-0"]) {
        assert.strictEqual((yield* segment(name, 0))._tag, "NoSuchPart", name)
        assert.strictEqual((yield* Effect.flip(hls.init(source, name)))._tag, "NoSuchPart", name)
        assert.strictEqual((yield* Effect.flip(hls.playlist(source, name, [])))._tag, "NoSuchPart", name)
      }
    }).pipe(Effect.provide(process()))
  )

  test(
    "refuses what is no container once, and does not read it again for each who asks",
    "h264-end.mp4",
    ({ far, path, process }) =>
      Effect.gen(function* () {
        writeFileSync(path, Buffer.alloc(100_000, 1))
        const hls = yield* Hls
        const source = yield* versionOf(path)
        for (let i = 0; i < 3; i++) {
          assert.strictEqual((yield* Effect.flip(hls.main(source, [])))._tag, "NotPackageable")
          assert.isFalse(yield* hls.isPackageable(source))
        }
        assert.strictEqual(far.reads.length, 1)
      }).pipe(Effect.provide(process()))
  )

  test("reads pictures and several sounds of the same time once", "two-languages.mp4", ({ far, path, process }) =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(["main", "audio-0", "audio-1"], (rendition) => segmentOf(path, rendition, 0), {
        concurrency: "unbounded"
      })
      assert.isAbove(Math.min(...all.map(({ length }) => length)), 10_000)
      // The index takes two, and all that is in the first megabyte one more.
      assert.isAtMost(far.reads.length, 3)
    }).pipe(Effect.provide(process()))
  )

  test("gives the same bytes of a part to every process", "two-languages.mp4", ({ path, process }) =>
    Effect.gen(function* () {
      const parts = Effect.gen(function* () {
        const hls = yield* Hls
        const source = yield* versionOf(path)
        const init = yield* hls.init(source, "main")
        const segment = yield* Effect.scoped(hls.segment(source, "audio-1", 1))
        return { init, etag: segment.etag, bytes: yield* segmentOf(path, "audio-1", 1) }
      })
      const [here, there] = [yield* Effect.provide(parts, process()), yield* Effect.provide(parts, process())]
      assert.deepStrictEqual(here, there)
    })
  )

  test("offers text tracks that lie elsewhere", "h264-end.mp4", ({ path, process }) =>
    Effect.gen(function* () {
      const hls = yield* Hls
      const source = yield* versionOf(path)
      const subtitles = [
        { language: "en", label: 'For "all"', isForced: false, isDefault: true, uri: "../../subtitles/0.vtt" },
        { language: null, label: "For all", isForced: true, isDefault: false, uri: "../../subtitles/1.vtt" }
      ]
      const main = new TextDecoder().decode((yield* hls.main(source, subtitles)).head)
      assert.include(main, 'TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="For all",LANGUAGE="en",DEFAULT=YES')
      assert.include(main, 'NAME="For all (2)",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI="subtitles-1/index.m3u8"')
      assert.include(main, 'SUBTITLES="subtitles"')
      const track = new TextDecoder().decode((yield* hls.playlist(source, "subtitles-1", subtitles)).head)
      assert.include(track, "../../subtitles/1.vtt")
    }).pipe(Effect.provide(process()))
  )
})
