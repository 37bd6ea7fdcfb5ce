import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import type { MediaItem } from "@joy/domain/MediaItem"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"

/** Everything the administrator sees. */
const items = Effect.gen(function* () {
  const { admin } = yield* JoyUp.JoyUp
  const page = yield* admin.client.media.list({ query: { limit: 200 } })
  assert.isNull(page.nextCursor)
  return page.items
}).pipe(Effect.orDie)

const keyed = (key: string) => Effect.map(items, (all) => all.filter((item) => String(item.s3Key) === key))

const settled = (found: ReadonlyArray<MediaItem>) =>
  found.length > 0 && found.every(({ status }) => status !== "pending" && status !== "processing")

/** The one item of a key, once nothing more happens to it. */
const settledItem = Effect.fnUntraced(function* (key: string) {
  const found = yield* Joy.until(keyed(key), settled, { what: key })
  assert.lengthOf(found, 1, key)
  const [item] = found
  return item ?? (yield* Effect.die(new Error(key)))
})

const waitFor = Effect.fnUntraced(function* (key: string, holds: (item: MediaItem) => boolean) {
  const found = yield* Joy.until(keyed(key), ([item]) => item !== undefined && holds(item), { what: key })
  assert.lengthOf(found, 1, key)
  const [item] = found
  return item ?? (yield* Effect.die(new Error(key)))
})

const isReady = ({ status }: MediaItem) => status === "ready"

/** Starts a scan and waits for its end. */
const scan = Effect.gen(function* () {
  const { admin } = yield* JoyUp.JoyUp
  const { scanId } = yield* admin.client.media.refresh({ query: {} })
  return yield* Joy.until(
    Effect.orDie(admin.client.media.scan({ params: { scanId } })),
    ({ status }) => status !== "running"
  )
}).pipe(Effect.orDie)

/** All that is in the library. A name that is no UTF-8 has U+FFFD where it isn't. */
const listing = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted()

const inLibrary = (name: string) => Effect.map(JoyUp.JoyUp, ({ library }) => join(library, name))

/** Copies and renames, as a careful program does; the file is there from one moment to the next. */
const put = Effect.fnUntraced(function* (name: string, source: string) {
  const { folder } = yield* JoyUp.JoyUp
  const path = yield* inLibrary(name)
  const beside = join(folder, "in-transit")
  copyFileSync(source, beside)
  renameSync(beside, path)
})

const longName = `${"n".repeat(251)}.mp4`

describeWith(["ffmpeg"], "the library", () => {
  layer(JoyUp.JoyUp.layer(), { excludeTestServices: true, timeout: "120 seconds" })("of a running joy", (it) => {
    it.effect("tells of every bad file what is wrong with it, and goes on with the others [M4]", () =>
      Effect.gen(function* () {
        const { folder, library } = yield* JoyUp.JoyUp
        const video = readFileSync(yield* TestMedia.video())
        writeFileSync(join(library, "notes.mp4"), "Dear diary, this is no film.\n".repeat(100))
        writeFileSync(join(library, "half.mp4"), video.subarray(0, video.length / 2))
        writeFileSync(join(library, "empty.mp4"), "")
        writeFileSync(join(library, "playlist.mp4"), "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
        writeFileSync(join(library, "noise.jpg"), Buffer.alloc(5000, 0x5a))
        mkdirSync(join(library, "folder.mp4"))
        mkdirSync(join(library, "hollow.mp3"))
        writeFileSync(join(library, "folder.mp4/inside.mp4"), video)
        symlinkSync("nowhere.mp4", join(library, "dangling.mp4"))
        const outside = join(folder, "outside.mp4")
        writeFileSync(outside, video)
        symlinkSync(outside, join(library, "leads-out.mp4"))
        writeFileSync(join(library, longName), video)
        if (process.platform === "linux") {
          writeFileSync(Buffer.concat([Buffer.from(`${library}/caf`), Buffer.from([0xe9]), Buffer.from(".mp4")]), video)
        }
        writeFileSync(join(library, "good.mp4"), video)
        writeFileSync(join(library, "ignored.txt"), "no media")

        for (const key of ["good.mp4", longName, "folder.mp4/inside.mp4"]) {
          const item = yield* settledItem(key)
          assert.strictEqual(item.status, "ready", key)
          assert.isNull(item.failure)
        }
        for (const key of [
          "notes.mp4",
          "half.mp4",
          "empty.mp4",
          "playlist.mp4",
          "noise.jpg",
          "dangling.mp4",
          "leads-out.mp4"
        ]) {
          const { failure, status } = yield* settledItem(key)
          assert.strictEqual(status, "failed", key)
          assert.isString(failure?.step, key)
          assert.isAbove(failure?.message.length ?? 0, 10, key)
          // For a person: no trace, nothing of the machine.
          assert.notMatch(failure?.message ?? "", /\bat .+:\d+:\d+|node_modules|\/tmp\/|127\.0\.0\.1|\[object/, key)
        }
        const all = yield* items
        const strange = all.filter(({ title }) => title.startsWith("caf"))
        if (process.platform === "linux") {
          assert.deepStrictEqual(
            strange.map(({ status }) => status),
            ["failed"]
          )
          assert.match(strange[0]?.failure?.message ?? "", /UTF-8/)
        }
        // Folders are none, whatever they are called, and other files are not media.
        for (const key of ["folder.mp4", "hollow.mp3", "ignored.txt"]) assert.lengthOf(yield* keyed(key), 0, key)
      })
    )

    it.effect("tells what a player needs to choose how to play", () =>
      Effect.gen(function* () {
        const { admin } = yield* JoyUp.JoyUp
        writeFileSync(yield* inLibrary("choose.en.srt"), "1\n00:00:00,000 --> 00:00:01,000\nHello\n")
        yield* put("choose.mkv", yield* TestMedia.video({ container: "mkv", gop: 25 }))
        const { id } = yield* settledItem("choose.mkv")
        const { renditions, streams } = yield* admin.client.media.byId({ params: { id } })
        assert.deepInclude(streams[0], {
          type: "video",
          codec: "h264",
          frameRateFraction: "25/1",
          isVariableFrameRate: false,
          interlacing: "progressive",
          sampleAspectRatio: "1:1",
          pixelFormat: "yuv420p"
        })
        assert.match(streams[0]?.codecString ?? "", /^avc1\.[0-9a-f]{6}$/)
        assert.closeTo(streams[0]?.keyframes?.longestSeconds ?? 0, 1, 0.05)
        assert.deepInclude(streams[1], {
          type: "audio",
          codecString: "mp4a.40.2",
          channels: 2,
          channelLayout: "stereo"
        })
        assert.strictEqual(renditions[0]?.url, `/media/${id}/content`)
        const later = yield* Joy.until(
          Effect.orDie(admin.client.media.byId({ params: { id } })),
          ({ hasStoryboard, subtitles }) => hasStoryboard && subtitles.length > 0
        )
        assert.deepInclude(later.subtitles[0], { language: "en", label: "English", isForced: false })
      })
    )

    it.effect("takes a file that is being written when it is whole, and once", () =>
      Effect.gen(function* () {
        const path = yield* inLibrary("growing.mp4")
        const whole = readFileSync(yield* TestMedia.video({ seconds: 4, extra: ["-movflags", "+faststart"] }))
        const parts = 25
        const seen: Array<string> = []
        const look = Effect.map(keyed("growing.mp4"), (found) => {
          for (const { sizeBytes, status } of found) seen.push(`${status} ${sizeBytes}`)
          return found
        })
        writeFileSync(path, "")
        for (let part = 0; part < parts; part++) {
          const at = (n: number) => Math.floor((whole.length * n) / parts)
          appendFileSync(path, whole.subarray(at(part), at(part + 1)))
          // As slow as a network: two and a half seconds in all.
          yield* look
          yield* Effect.sleep("100 millis")
        }
        yield* Joy.until(look, ([item]) => item?.status === "ready" && item.sizeBytes === whole.length)
        const [item] = yield* look
        assert.strictEqual(item?.durationSeconds === null ? 0 : Math.round(item?.durationSeconds ?? 0), 4)
        assert.deepStrictEqual(
          [...new Set(seen)].filter((state) => state.startsWith("failed") || state.startsWith("ready")),
          [`ready ${whole.length}`]
        )
      })
    )

    it.effect("is not disturbed by files that vanish while it looks", () =>
      Effect.gen(function* () {
        const source = yield* TestMedia.video({ seconds: 3 })
        const names = Array.from({ length: 12 }, (_, n) => `vanishing-${n}.mp4`)
        for (const name of names) yield* put(name, source)
        // Each goes at another moment: before the scan, before the probe, in the middle of it, after it.
        yield* Effect.forEach(
          names,
          Effect.fnUntraced(function* (name, n) {
            if (n % 3 !== 0) {
              yield* Joy.until(
                keyed(name),
                ([item]) => item !== undefined && (n % 3 === 1 || item.status !== "pending")
              )
            }
            rmSync(yield* inLibrary(name))
          }),
          { concurrency: "unbounded", discard: true }
        )
        yield* put("after-them.mp4", source)
        yield* waitFor("after-them.mp4", isReady)
        yield* Joy.until(items, (all) =>
          all
            .filter(({ s3Key }) => String(s3Key).startsWith("vanishing-"))
            .every(({ status }) => status === "missing" || status === "failed")
        )
        yield* scan
        const states = (yield* items).filter(({ s3Key }) => String(s3Key).startsWith("vanishing-"))
        assert.deepStrictEqual(
          states
            .filter(({ status }) => status !== "missing")
            .map(({ failure, s3Key, status }) => ({ failure, s3Key, status })),
          []
        )
      })
    )

    it.effect("gives a replaced file's item the new version, and keeps the item", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        yield* put("replaced.mp4", yield* TestMedia.video())
        const before = yield* waitFor("replaced.mp4", isReady)
        const newer = yield* TestMedia.video({ seconds: 3, width: 640, height: 360 })
        yield* put("replaced.mp4", newer)
        const after = yield* waitFor("replaced.mp4", (item) => isReady(item) && item.etag !== before.etag)
        assert.strictEqual(after.id, before.id)
        assert.strictEqual(after.width, 640)
        assert.strictEqual(after.sizeBytes, statSync(newer).size)
        assert.isAbove(after.version, before.version)
        const { bytes, headers } = yield* request(`/media/${after.id}/content`, { token: admin.token })
        assert.isTrue(bytes.equals(readFileSync(newer)))
        assert.strictEqual(headers.etag, `"${after.etag}"`)
        assert.notDeepEqual(
          after.thumbnails.map(({ url }) => url),
          before.thumbnails.map(({ url }) => url)
        )
        // Replaced by something that is none, it fails; the item stays.
        yield* put("replaced.mp4", yield* inLibrary("notes.mp4"))
        const broken = yield* waitFor("replaced.mp4", ({ status }) => status === "failed")
        assert.strictEqual(broken.id, before.id)
        yield* put("replaced.mp4", newer)
        const mended = yield* waitFor("replaced.mp4", isReady)
        assert.strictEqual(mended.id, before.id)
        assert.isNull(mended.failure)
      })
    )

    it.effect("keeps the item of a renamed file, also into another folder", () =>
      Effect.gen(function* () {
        const library = yield* inLibrary("")
        yield* put("before.mp4", yield* TestMedia.video({ seconds: 2, tags: { title: "moved" } }))
        const before = yield* waitFor("before.mp4", isReady)
        mkdirSync(join(library, "shelf"))
        renameSync(join(library, "before.mp4"), join(library, "shelf/after.mp4"))
        const after = yield* waitFor("shelf/after.mp4", isReady)
        assert.strictEqual(after.id, before.id)
        assert.lengthOf(yield* keyed("before.mp4"), 0)
      })
    )

    it.effect("says of a removed file that it is missing, and takes it back when it returns", () =>
      Effect.gen(function* () {
        const { admin, folder, request } = yield* JoyUp.JoyUp
        const path = yield* inLibrary("comes-back.mp4")
        yield* put("comes-back.mp4", yield* TestMedia.video({ seconds: 2, tags: { title: "here" } }))
        const before = yield* waitFor("comes-back.mp4", isReady)
        renameSync(path, join(folder, "away.mp4"))
        const missing = yield* waitFor("comes-back.mp4", ({ status }) => status === "missing")
        assert.strictEqual(missing.id, before.id)
        const content = yield* request(`/media/${before.id}/content`, { token: admin.token })
        assert.strictEqual(content.status, 404)
        assert.match(content.text, /content-unavailable/)
        renameSync(join(folder, "away.mp4"), path)
        const back = yield* waitFor("comes-back.mp4", isReady)
        assert.strictEqual(back.id, before.id)
        assert.strictEqual((yield* request(`/media/${before.id}/content`, { token: admin.token })).status, 200)
      })
    )

    it.effect("scans when it is asked to, one scan at a time, and tells how far it is", () =>
      Effect.gen(function* () {
        const { admin } = yield* JoyUp.JoyUp
        const started = yield* Effect.replicateEffect(admin.client.media.refresh({ query: {} }), 5, { concurrency: 5 })
        assert.isAtMost(new Set(started.map(({ scanId }) => scanId)).size, 2)
        const finished = yield* scan
        assert.strictEqual(finished.status, "finished")
        assert.isAtLeast(finished.listed, 10)
        assert.strictEqual(finished.new, 0)
        assert.strictEqual(finished.changed, 0)
        assert.isAtLeast(finished.failed, process.platform === "linux" ? 3 : 2)
        assert.isNotNull(finished.finishedAt)
      })
    )

    it.effect("lists failures, and tries again what it is asked to", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const failed = Effect.map(admin.client.media.failures({ query: { limit: 200 } }), ({ items }) =>
          items.map(({ s3Key }) => String(s3Key)).toSorted()
        )
        const before = yield* failed
        for (const key of ["notes.mp4", "half.mp4", "empty.mp4", "dangling.mp4"]) assert.include(before, key)
        assert.isTrue((yield* items).filter(({ status }) => status === "failed").length === before.length)

        const [notes] = yield* keyed("notes.mp4")
        const again = yield* request(`/media/${notes?.id}/retry`, { method: "POST", token: admin.token })
        assert.strictEqual(again.status, 202)
        const retried = yield* waitFor(
          "notes.mp4",
          ({ failure, status, version }) => status === "failed" && failure !== null && version > (notes?.version ?? 0)
        )
        assert.strictEqual(retried.id, notes?.id)
        const { retried: many } = yield* admin.client.media.retryFailures()
        assert.isAtLeast(many, 4)
        yield* Joy.until(items, settled)
        assert.deepStrictEqual(yield* failed, before)

        // Mended behind its back, it becomes what it always should have been.
        yield* put("half.mp4", yield* TestMedia.video())
        const mended = yield* waitFor("half.mp4", isReady)
        assert.isNull(mended.failure)
      })
    )

    it.effect("is never written to [M8]", () =>
      Effect.gen(function* () {
        const { joy, library } = yield* JoyUp.JoyUp
        const ours = new Set([
          ..."notes half empty playlist dangling leads-out good growing after-them replaced comes-back"
            .split(" ")
            .map((name) => `${name}.mp4`),
          "choose.en.srt",
          "choose.mkv",
          "folder.mp4",
          "folder.mp4/inside.mp4",
          "hollow.mp3",
          "ignored.txt",
          "noise.jpg",
          "shelf",
          "shelf/after.mp4",
          longName,
          ...(process.platform === "linux" ? ["caf\ufffd.mp4"] : [])
        ])
        assert.deepStrictEqual(listing(library), [...ours].toSorted())
        const counts = Map.groupBy(yield* items, ({ s3Key }) => String(s3Key))
        assert.deepStrictEqual(
          [...counts].filter(([, { length }]) => length > 1).map(([key]) => key),
          []
        )
        assert.notMatch(joy.stdout(), /not foreseen|"level":"(ERROR|FATAL)"/)
      })
    )
  })
})
