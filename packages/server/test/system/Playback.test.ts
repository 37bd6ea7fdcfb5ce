import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import type { MediaItemId } from "@joy/domain/Ids"
import { UserId } from "@joy/domain/Ids"
import type { Playback } from "@joy/domain/Playback"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as SlowReader from "@joy/testing/SlowReader"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

import { ready } from "./LibraryItems.ts"

const playbackOf = ({ client }: JoyUp.SignedIn, id: MediaItemId) =>
  Effect.orDie(client.playback.prepare({ params: { id } }))

/** Every URL of an answer. */
const urlsOf = ({ hls, progressive, storyboard, subtitles }: Playback) => [
  progressive.url,
  ...(hls === null
    ? []
    : [hls.url, hls.url.replace("main.m3u8", "main/index.m3u8"), hls.url.replace("main.m3u8", "main/0.m4s")]),
  ...(storyboard === null ? [] : [storyboard.url]),
  ...subtitles.map(({ url }) => url)
]

const problem = (answer: JoyHttp.Answer) =>
  Effect.map(JoyHttp.decode(JoyHttp.Problem, answer), ({ type }) => `${answer.status} ${type}`)

/** Until the URL answers so. Whatever ends a grant has done so within 5 seconds. */
const becomes = Effect.fnUntraced(function* (url: string, expected: string) {
  const { request } = yield* JoyUp.JoyUp
  yield* Joy.until(
    Effect.flatMap(request(url), (answer) => (answer.status < 400 ? Effect.succeed("plays") : problem(answer))),
    (said) => said === expected,
    { seconds: 5, what: `${expected} at ${url}` }
  )
})

const invalid = "401 urn:joy:invalid-grant"

const settings = { RATE_LIMITS: "off", CORS_ORIGINS: "https://player.example" }

describeWith(["ffmpeg"], "playback", () => {
  layer(JoyUp.JoyUp.layer(settings), { excludeTestServices: true, timeout: "120 seconds" })("of a library", (it) => {
    it.effect("gives URLs that play the original by range without a header, and may be kept [M9]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const path = yield* TestMedia.video()
        const file = readFileSync(path)
        const { etag, id } = yield* ready("film.mp4", path)
        const { grantExpiresAt, hls, preparedPercent, progressive, resumeAtSeconds, status } = yield* playbackOf(
          admin,
          id
        )
        assert.deepStrictEqual(
          { status, preparedPercent, resumeAtSeconds, mimeType: progressive.mimeType, direct: progressive.direct },
          {
            status: "ready",
            preparedPercent: 100,
            resumeAtSeconds: null,
            mimeType: "video/mp4",
            direct: true
          }
        )
        assert.strictEqual(hls?.url, progressive.url.replace(/content$/, "hls/main.m3u8"))
        const hours = (Date.parse(grantExpiresAt) - Date.now()) / 3_600_000
        assert.isTrue(10.9 < hours && hours <= 12, String(hours))
        assert.match(progressive.url, /^\/play\/[\w-]{82}\/content$/)

        const whole = yield* request(progressive.url)
        assert.strictEqual(whole.status, 200)
        assert.isTrue(whole.bytes.equals(file))
        assert.deepInclude(whole.headers, { etag: `"${etag}"`, "accept-ranges": "bytes", "content-type": "video/mp4" })
        assert.match(String(whole.headers["cache-control"]), /^private, max-age=\d{4,5}, immutable$/)
        for (const [headers, expected, bytes] of [
          [{ range: "bytes=0-99" }, 206, file.subarray(0, 100)],
          [{ range: "bytes=-100" }, 206, file.subarray(-100)],
          [{ range: "bytes=1000-" }, 206, file.subarray(1000)],
          [{ range: "bytes=0-1,5-6" }, 200, file],
          [{ range: "bytes=0-9", "if-range": `"${etag}"` }, 206, file.subarray(0, 10)],
          [{ range: "bytes=0-9", "if-range": '"another"' }, 200, file],
          [{ "if-none-match": `"${etag}"` }, 304, Buffer.alloc(0)]
        ] as const) {
          const part = yield* request(progressive.url, { headers })
          assert.strictEqual(part.status, expected, JSON.stringify(headers))
          assert.isTrue(part.bytes.equals(bytes), JSON.stringify(headers))
        }
        const head = yield* request(progressive.url, { method: "HEAD" })
        assert.deepInclude(head.headers, { "content-length": String(file.length), etag: `"${etag}"` })
        const beyond = yield* request(progressive.url, { headers: { range: `bytes=${file.length}-` } })
        assert.strictEqual(yield* problem(beyond), "416 urn:joy:range-not-satisfiable")
        assert.strictEqual(beyond.headers["content-range"], `bytes */${file.length}`)
        // Nobody is asked twice: the same right has the same URL, for a part of its life.
        assert.strictEqual((yield* playbackOf(admin, id)).progressive.url, progressive.url)
      })
    )

    it.effect("gives the storyboard with its sheets, and the text tracks", () =>
      Effect.gen(function* () {
        const { admin, library, request } = yield* JoyUp.JoyUp
        writeFileSync(join(library, "spoken.en.srt"), "1\n00:00:00,500 --> 00:00:01,500\nHello\n")
        const { id } = yield* ready("spoken.mp4", yield* TestMedia.video({ seconds: 3 }))
        const playback = yield* Joy.until(
          playbackOf(admin, id),
          ({ storyboard, subtitles }) => storyboard !== null && subtitles.length > 0
        )
        assert.deepStrictEqual(
          playback.subtitles.map(({ label, language }) => ({ label, language })),
          [{ label: "English", language: "en" }]
        )
        const text = yield* request(playback.subtitles[0]?.url ?? "")
        assert.strictEqual(text.headers["content-type"], "text/vtt; charset=utf-8")
        assert.match(text.text, /^WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello/)
        assert.match(String(text.headers["cache-control"]), /immutable/)
        const track = yield* request(playback.storyboard?.url ?? "")
        assert.strictEqual(track.headers["content-type"], "text/vtt; charset=utf-8")
        const [sheet] = /storyboard-\d+\.webp/.exec(track.text) ?? []
        // As a player resolves it: the grant is in the path.
        const picture = yield* request(new URL(sheet ?? "", `http://joy${playback.storyboard?.url}`).pathname)
        assert.strictEqual(picture.headers["content-type"], "image/webp")
        assert.strictEqual(picture.bytes.toString("latin1", 8, 12), "WEBP")
        for (const answer of [text, track, picture]) {
          assert.match(String(answer.headers.etag), /^"[^"]+"$/)
        }
        const base = playback.progressive.url.replace("/content", "")
        const again = yield* request(`${base}/storyboard.vtt`, {
          headers: { "if-none-match": String(track.headers.etag) }
        })
        assert.strictEqual(again.status, 304)
        for (const rest of ["subtitles/1.vtt", "storyboard-1.webp", "storyboard-99999999.webp"]) {
          assert.strictEqual(yield* problem(yield* request(`${base}/${rest}`)), "404 urn:joy:not-found", rest)
        }
      })
    )

    it.effect("lets the pages of CORS_ORIGINS read what it gives, also what is sent past the router [E5]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const { id } = yield* ready("for-pages.mp4", yield* TestMedia.video())
        const playback = yield* playbackOf(admin, id)
        for (const url of [playback.progressive.url, `/media/${id}/content`]) {
          const answer = yield* request(url, { token: admin.token, headers: { origin: "https://player.example" } })
          assert.strictEqual(answer.headers["access-control-allow-origin"], "https://player.example")
          assert.match(String(answer.headers["access-control-expose-headers"]), /Content-Range/)
          assert.match(String(answer.headers.vary), /Origin/)
          const other = yield* request(url, { token: admin.token, headers: { origin: "https://elsewhere.example" } })
          assert.notProperty(other.headers, "access-control-allow-origin")
        }
      })
    )

    it.effect("is no use by whatever else stands in the place of a grant [G1]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const { id } = yield* ready("guarded.mp4", yield* TestMedia.video())
        const { progressive } = yield* playbackOf(admin, id)
        const grant = progressive.url.split("/")[2] ?? ""
        for (const wrong of [
          "x",
          grant.slice(1),
          grant.slice(0, -1),
          grant.slice(0, 60),
          `${grant}A`,
          `B${grant.slice(1)}`,
          grant.slice(0, -1) + (grant.endsWith("A") ? "B" : "A"),
          "A".repeat(82),
          `${grant}%2f`,
          `${grant}%00`,
          "%2e%2e",
          "..%2f..%2fetc%2fpasswd",
          "%ff",
          "é",
          id,
          admin.token
        ]) {
          for (const rest of ["content", "storyboard.vtt", "storyboard-0.webp", "subtitles/0.vtt"]) {
            const answer = yield* request(`/play/${wrong}/${rest}`)
            assert.isTrue(answer.status >= 400 && answer.status < 500, `${answer.status} ${wrong} ${rest}`)
            yield* JoyHttp.decode(JoyHttp.Problem, answer)
          }
        }
        assert.strictEqual(yield* problem(yield* request(`/play/${"A".repeat(82)}/content`)), invalid)
        for (const rest of [
          "storyboard-.webp",
          "storyboard--1.webp",
          "storyboard-1e1.webp",
          "storyboard-00.webp",
          "storyboard-%2e%2e%2f0.webp",
          "subtitles/..%2f0.vtt",
          "subtitles/%2e%2e/content",
          "subtitles/0.vtt%00",
          "../content",
          "content/..%2fcontent"
        ]) {
          const answer = yield* request(`/play/${grant}/${rest}`)
          assert.isTrue(answer.status === 400 || answer.status === 404, `${answer.status} ${rest}`)
        }
        for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
          assert.strictEqual((yield* request(progressive.url, { method })).status, 405, method)
        }
      })
    )

    it.effect("is reading alone: a grant opens no other door [T4]", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const { id } = yield* ready("read-only.mp4", yield* TestMedia.video())
        const { progressive } = yield* playbackOf(admin, id)
        const grant = progressive.url.split("/")[2] ?? ""
        for (const path of [`/media/${id}`, `/media/${id}/content`, "/protected", "/media"]) {
          assert.strictEqual((yield* request(path, { token: grant })).status, 401, path)
        }
        const signed = yield* request(`/media/${id}/thumbnail?exp=9999999999&sig=${grant.slice(60)}`)
        assert.strictEqual(signed.status, 401)
      })
    )

    it.effect("ends with the session, the key, the account and the right behind it [G2]", () =>
      Effect.gen(function* () {
        const { account, admin, request, signIn } = yield* JoyUp.JoyUp
        const { id } = yield* ready("ends.mp4", yield* TestMedia.video())
        const play = (signedIn: JoyUp.SignedIn) =>
          Effect.map(playbackOf(signedIn, id), ({ progressive }) => progressive.url)
        const works = (url: string) => Effect.map(request(url), ({ status }) => assert.strictEqual(status, 200))

        const watcher = yield* account("watcher")
        const other = yield* signIn("watcher", JoyUp.accountPassword)
        const [first, second] = [yield* play(watcher), yield* play(other)]
        assert.notStrictEqual(first, second)
        yield* works(first)
        yield* Effect.orDie(watcher.client.auth.logout())
        yield* becomes(first, invalid)
        yield* works(second)

        const made = yield* Effect.orDie(
          other.client.apiKeys.create({ payload: { name: "a player", permissions: ["media:read"] } })
        )
        const asked = yield* request(`/media/${id}/playback`, { method: "POST", token: Redacted.value(made.key) })
        const byKey = String((JSON.parse(asked.text) as Playback).progressive.url)
        yield* works(byKey)
        yield* Effect.orDie(other.client.apiKeys.revoke({ params: { id: made.id } }))
        yield* becomes(byKey, invalid)

        yield* works(second)
        const { client } = admin
        yield* Effect.orDie(
          client.users.setRoles({ params: { id: UserId.make(other.userId) }, payload: { roles: [] } })
        )
        yield* becomes(second, invalid)
        yield* Effect.orDie(
          client.users.setRoles({ params: { id: UserId.make(other.userId) }, payload: { roles: ["viewer"] } })
        )
        yield* works(second)
        yield* Effect.orDie(
          client.users.update({ params: { id: UserId.make(other.userId) }, payload: { disabled: true } })
        )
        yield* becomes(second, invalid)
      })
    )

    it.effect("ends with what the holder may see, and tells what was replaced or is gone [G3]", () =>
      Effect.gen(function* () {
        const { account, admin, library, request } = yield* JoyUp.JoyUp
        const film = yield* TestMedia.video()
        const owner = yield* account("filmer")
        const guest = yield* account("guest")
        const { id } = yield* ready("seen.mp4", film)
        const [mine, theirs] = [yield* playbackOf(owner, id), yield* playbackOf(guest, id)]

        // It moves into a folder that is the owner's alone.
        mkdirSync(join(library, "users", owner.userId), { recursive: true })
        const home = join("users", owner.userId, "seen.mp4")
        renameSync(join(library, "seen.mp4"), join(library, home))
        yield* Joy.until(
          Effect.orDie(admin.client.media.byId({ params: { id } })),
          ({ s3Key, visibility }) => String(s3Key) === home && visibility === "private"
        )
        for (const url of urlsOf(theirs)) yield* becomes(url, "404 urn:joy:not-found")
        assert.strictEqual((yield* request(mine.progressive.url)).status, 200)
        const asked = yield* request(`/media/${id}/playback`, { method: "POST", token: guest.token })
        assert.strictEqual(yield* problem(asked), "404 urn:joy:not-found")

        writeFileSync(join(library, home), readFileSync(yield* TestMedia.video({ seconds: 3 })))
        yield* becomes(mine.progressive.url, "410 urn:joy:content-changed")
        const now = yield* Joy.until(
          playbackOf(owner, id),
          ({ progressive, status }) => status === "ready" && progressive.url !== mine.progressive.url
        )
        yield* becomes(now.progressive.url, "plays")
        assert.strictEqual(yield* problem(yield* request(mine.progressive.url)), "410 urn:joy:content-changed")

        rmSync(join(library, home))
        yield* becomes(now.progressive.url, "404 urn:joy:content-unavailable")
      })
    )

    it.effect("goes on where the user stopped, also under another name, and from the beginning when all was seen", () =>
      Effect.gen(function* () {
        const { account, admin, library } = yield* JoyUp.JoyUp
        const viewer = yield* account("goes-on")
        const { id } = yield* ready("stopped.mp4", yield* TestMedia.video({ seconds: 4 }))
        const put = (positionSeconds: number, finished?: boolean) =>
          viewer.client.progress
            .put({ params: { id }, payload: { positionSeconds, ...(finished === undefined ? {} : { finished }) } })
            .pipe(Effect.orDie)
        const resumesAt = (signedIn: JoyUp.SignedIn) =>
          Effect.map(playbackOf(signedIn, id), ({ resumeAtSeconds }) => resumeAtSeconds)
        const watching = Effect.map(Effect.orDie(viewer.client.progress.continueWatching({ query: {} })), ({ items }) =>
          items.map(({ id, positionSeconds }) => [id, positionSeconds])
        )
        assert.isNull(yield* resumesAt(viewer))
        yield* put(1.5)
        yield* put(2.25)
        assert.strictEqual(yield* resumesAt(viewer), 2.25)
        assert.isNull(yield* resumesAt(admin))
        assert.deepStrictEqual(yield* watching, [[id, 2.25]])

        renameSync(join(library, "stopped.mp4"), join(library, "moved.mp4"))
        yield* Joy.until(
          Effect.orDie(admin.client.media.byId({ params: { id } })),
          ({ s3Key, status }) => String(s3Key) === "moved.mp4" && status === "ready"
        )
        assert.strictEqual(yield* resumesAt(viewer), 2.25)
        assert.deepStrictEqual(yield* watching, [[id, 2.25]])
        yield* put(3, true)
        assert.isNull(yield* resumesAt(viewer))
        assert.deepStrictEqual(yield* watching, [])
      })
    )

    it.effect("keeps no position that there can't be", () =>
      Effect.gen(function* () {
        const { admin, request } = yield* JoyUp.JoyUp
        const { id } = yield* ready("positions.mp4", yield* TestMedia.video())
        const path = `/media/${id}/progress`
        for (const body of [
          {},
          { positionSeconds: -1 },
          { positionSeconds: "1" },
          { positionSeconds: null },
          { positionSeconds: 1e300 },
          { positionSeconds: 1, finished: "yes" },
          '{"positionSeconds":NaN}',
          '{"positionSeconds":1',
          []
        ]) {
          const headers = { "content-type": "application/json" }
          const answer = yield* request(path, { method: "PUT", token: admin.token, headers, body })
          assert.strictEqual(yield* problem(answer), "400 urn:joy:invalid-request", JSON.stringify(body))
        }
        assert.isNull((yield* playbackOf(admin, id)).resumeAtSeconds)
        const body = { positionSeconds: 0.5, other: true }
        assert.strictEqual((yield* request(path, { method: "PUT", token: admin.token, body })).status, 204)
        assert.strictEqual((yield* playbackOf(admin, id)).resumeAtSeconds, 0.5)
      })
    )

    it.effect("cuts off what is being sent when the grant ends [G2]", () =>
      Effect.gen(function* () {
        const { account, address, folder } = yield* JoyUp.JoyUp
        const size = 96 * 2 ** 20
        const long = yield* SlowReader.longFilm(folder, size)
        const { id } = yield* ready("long.mp4", long)
        const viewer = yield* account("sipper")
        const { progressive } = yield* playbackOf(viewer, id)
        let began = 0
        const received = yield* SlowReader.sip(address, progressive.url, () => {
          began = performance.now()
          Effect.runFork(Effect.orDie(viewer.client.auth.logout()))
        })
        assert.isFalse(received.complete)
        assert.isBelow(performance.now() - began, 5000)
        assert.isBelow(received.bytes, size)
      })
    )

    it.effect("is for nobody to read in the log [G4]", () =>
      Effect.gen(function* () {
        const { address, admin, joy, request } = yield* JoyUp.JoyUp
        const { id } = yield* ready("logged.mp4", yield* TestMedia.video())
        const { progressive } = yield* playbackOf(admin, id)
        const grant = progressive.url.split("/")[2] ?? ""
        const encoded = grant.replaceAll(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
        yield* request(progressive.url)
        yield* request(`/play/${encoded}/content`)
        yield* request(`/%70lay/${grant}/content?marked`)
        yield* request(`/play/${grant}/nothing-of-the-kind`)
        yield* request(`${address}${progressive.url}`)
        yield* request("/play/the-last-one/content")
        const log = yield* Joy.until(Effect.sync(joy.stdout), (text) => text.includes("/play/the-last-one/content"))
        assert.include(log, "/play/:grant/content")
        assert.notInclude(log, grant.slice(0, 40))
        assert.notInclude(log, grant.slice(60))
        assert.notInclude(log, encoded.slice(0, 60))
      })
    )
  })

  layer(JoyUp.JoyUp.layer({ ...settings, GRANT_TTL: "3s" }), { excludeTestServices: true, timeout: "120 seconds" })(
    "with a short life",
    (it) => {
      it.effect("ends with its time, and is renewed by asking again [G2]", () =>
        Effect.gen(function* () {
          const { admin, request } = yield* JoyUp.JoyUp
          const { id } = yield* ready("short.mp4", yield* TestMedia.video())
          const { grantExpiresAt, progressive } = yield* playbackOf(admin, id)
          assert.isAtMost(Date.parse(grantExpiresAt) - Date.now(), 3000)
          const answer = yield* request(progressive.url)
          assert.strictEqual(answer.status, 200)
          assert.match(String(answer.headers["cache-control"]), /^private, max-age=[012], immutable$/)
          yield* becomes(progressive.url, invalid)
          const again = yield* playbackOf(admin, id)
          assert.notStrictEqual(again.progressive.url, progressive.url)
          assert.strictEqual((yield* request(again.progressive.url)).status, 200)
        })
      )
    }
  )
})
