import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

import { languageTag } from "../src/Languages.ts"
import { Probe } from "../src/Probe.ts"
import { sidecarName } from "../src/Sidecars.ts"
import { decodeText, toVtt } from "../src/SubtitleFiles.ts"
import { Subtitles } from "../src/Subtitles.ts"
import { cleanCueText, formatVtt, parseCues } from "../src/WebVtt.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import * as MemoryStore from "./MemoryStore.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const vtt = (text: string) => toVtt(Buffer.from(text))

describe("subtitle files", () => {
  it("reads SubRip, whatever its line ends and whatever stands before it", () => {
    const srt =
      "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hello</i>\r\nyou & me\r\n\r\n2\r\n00:01:00,000 --> 00:01:01,000\r\nBye\r\n"
    assert.strictEqual(
      vtt(srt),
      "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<i>Hello</i>\nyou &amp; me\n\n00:01:00.000 --> 00:01:01.000\nBye\n"
    )
  })

  it("reads WebVTT with its settings, and nothing of its styles and notes", () => {
    const text =
      "WEBVTT - x\n\nSTYLE\n::cue { color: red }\n\nNOTE a\n\nid\n01:00.000 --> 01:02.000 line:0 evil:1 align:start\nHi\n"
    assert.strictEqual(vtt(text), "WEBVTT\n\n00:01:00.000 --> 00:01:02.000 line:0 align:start\nHi\n")
  })

  it("reads the dialogue of ASS in the order of time, with its italics and without its drawings", () => {
    const ass = [
      "[Script Info]",
      "[Events]",
      "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
      "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,Later, with a comma",
      "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\pos(1,2)\\i1}One{\\i0}\\NTwo",
      "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0{\\p0}"
    ]
    assert.strictEqual(
      vtt(ass.join("\n")),
      "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<i>One</i>\nTwo\n\n00:00:03.000 --> 00:00:04.000\nLater, with a comma\n"
    )
  })

  it("knows the letters of UTF-8, UTF-16 and Windows", () => {
    assert.strictEqual(decodeText(Buffer.from("Grüße")), "Grüße")
    assert.strictEqual(decodeText(Buffer.from("\ufeffGrüße", "utf16le")).slice(-5), "Grüße")
    assert.strictEqual(decodeText(Buffer.from("Grüße", "latin1")), "Grüße")
  })

  it("takes nothing for subtitles that holds none", () => {
    for (const text of ["", "WEBVTT\n", "Dear diary", "00:00:01,000 --> nonsense\nx\n"]) assert.isNull(vtt(text))
  })

  it("shows markup instead of obeying it [M6]", () => {
    assert.strictEqual(
      cleanCueText('<script>alert(1)</script><b>x</b><img src="x">'),
      '&lt;script&gt;alert(1)&lt;/script&gt;<b>x</b>&lt;img src="x"&gt;'
    )
    assert.strictEqual(cleanCueText("a\u0000b\n\n00:00 --> 00:01\n&lt;b&gt;"), "ab\n00:00 --&gt; 00:01\n&lt;b&gt;")
  })

  it("comes back from its own form as it was, and comes to an end with whatever text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const cue = { startSeconds: 1, endSeconds: 2, settings: "", text: cleanCueText(text) }
        const written = formatVtt([cue])
        if (written !== null) assert.deepStrictEqual(parseCues(written), [cue])
        assert.isTrue(written === null || written.startsWith("WEBVTT\n\n"))
        toVtt(Buffer.from(`[Script Info]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,${text}`))
        toVtt(Buffer.from(`1\n00:00:01,000 --> 00:00:02,000\n${text}`))
      })
    )
  })

  it("reads megabytes of what never ends in no time [M4]", () => {
    const started = process.cpuUsage()
    for (const text of ["{\\p1", "<", "\n ", "--> ", "00:00:01,000 --> "])
      vtt(`[Script Info]\nDialogue: ${text.repeat(2_000_000)}`)
    for (const text of ["\n \t", "<i", "00:00:01,000 --> 00:00:02,000 "]) vtt(text.repeat(1_000_000))
    assert.isBelow(process.cpuUsage(started).user / 1e6, 20)
  })
})

const found = (candidate: string, key = "films/Film.mp4") => {
  const name = sidecarName(key, candidate)
  if (name === null) return null
  const purposes = [...(name.isForced ? ["forced"] : []), ...(name.isForHearingImpaired ? ["sdh"] : [])]
  return [name.language ?? "-", ...purposes].join(" ")
}

describe("the names of subtitle files", () => {
  const names: ReadonlyArray<readonly [candidate: string, expected: string | null]> = [
    ["films/Film.srt", "-"],
    ["films/Film.en.srt", "en"],
    ["films/Film.eng.forced.VTT", "en forced"],
    ["films/Film.pt-BR.sdh.ass", "pt-BR sdh"],
    ["films/Film.pt_br.ssa", "pt-BR"],
    ["films/Film.German.srt", "de"],
    ["films/Film.2.ger.srt", "de"],
    ["films/Film.en.hi.srt", "en sdh"],
    ["films/Film.hi.srt", "hi"],
    ["films/Film.cc.srt", "- sdh"],
    ["films/Film.Part 2.srt", null],
    ["films/Film.en.mp4", null],
    ["films/Film 2.en.srt", null],
    ["other/Film.en.srt", null],
    ["films/Film.en.txt", null],
    ["films/Film.a.b.c.d.e.srt", null]
  ]
  for (const [candidate, expected] of names) {
    it(`takes ${candidate} for ${expected ?? "none of films/Film.mp4"}`, () =>
      assert.strictEqual(found(candidate), expected))
  }

  it("knows languages by code and name", () => {
    assert.deepStrictEqual(
      ["eng", "fre", "fra", "und", "zh-Hant", "klingon", "Norwegian", null, "-i", "../en"].map(languageTag),
      ["en", "fr", "fr", null, "zh-Hant", null, "no", null, null, null]
    )
  })
})

describe.skipIf(!hasFfmpeg)(`Subtitles${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    it.effect("takes all text tracks out in one pass over the object", () =>
      Effect.gen(function* () {
        const store = MemoryStore.make()
        const bytes = yield* bytesOf("languages.mkv")
        const object = store.put("a.mkv", bytes, "v1")
        const probed = yield* (yield* Probe).probe(store, object)
        store.reads.length = 0
        const tracks = yield* (yield* Subtitles).embedded(store, object, probed)
        assert.deepStrictEqual(
          tracks.map(({ isForced, isForHearingImpaired, label, language }) => [
            label,
            language,
            isForced,
            isForHearingImpaired
          ]),
          [
            ["English", "en", false, false],
            ["German (forced)", "de", true, false],
            ["For all", "fr", false, true]
          ]
        )
        assert.strictEqual(tracks[0]?.vtt, "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello\n")
        assert.strictEqual(tracks[1]?.vtt, "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\n<i>Hallo</i>\n")
        const read = store.reads.map((range) => range.split("-").map(Number)).map(([from = 0, to = 0]) => to - from + 1)
        // The index at its end is looked at first; connections that are given up were sent some more.
        assert.isBelow(
          read.reduce((sum, count) => sum + count, 0),
          bytes.length * 2.2
        )
      })
    )

    it.effect("takes the text track of an MP4, and none of what has none", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const subtitles = yield* Subtitles
        const tracks = (name: string) =>
          Effect.gen(function* () {
            const object = yield* library.object(name)
            const probed = yield* (yield* Probe).probe(library.store, object)
            return yield* subtitles.embedded(library.store, object, probed)
          })
        const [track] = yield* tracks("subtitled.mp4")
        assert.deepInclude(track, {
          language: "de",
          label: "German",
          vtt: "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello\n"
        })
        assert.deepStrictEqual(yield* tracks("h264.mp4"), [])
      })
    )

    it.effect("finds the files beside an object and reads them", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const subtitles = yield* Subtitles
        const film = yield* put("Beside.mkv", yield* bytesOf("h264.mkv"))
        for (const name of ["Beside.en.srt", "Beside.de.forced.srt", "Beside.txt", "Beside 2.en.srt"]) {
          yield* put(name, "1\n00:00:00,000 --> 00:00:01,000\nBeside\n")
        }
        yield* put("Beside.fr.srt", "no subtitles at all")
        const found = yield* subtitles.sidecars(library.store, film)
        assert.deepStrictEqual(
          found.map(({ object }) => object.key),
          ["Beside.de.forced.srt", "Beside.en.srt", "Beside.fr.srt"]
        )
        const results = yield* Effect.forEach(found, (sidecar) =>
          Effect.result(subtitles.ofSidecar(library.store, sidecar))
        )
        assert.deepStrictEqual(
          results.map((result) => (result._tag === "Success" ? result.success.label : result.failure._tag)),
          ["German (forced)", "English", "UnreadableMedia"]
        )
      })
    )
  })
})
