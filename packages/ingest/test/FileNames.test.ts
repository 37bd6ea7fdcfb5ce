import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"

import * as FileNames from "../src/FileNames.ts"

const titles: ReadonlyArray<readonly [name: string, title: string]> = [
  // Films by the custom.
  ["The.Film.2019.1080p.x264-GRP.mkv", "The Film (2019)"],
  ["The_Film_2019_720p_BluRay.mkv", "The Film (2019)"],
  ["The Film 2019 2160p UHD HDR10 HEVC TrueHD 7.1 Atmos.mkv", "The Film (2019)"],
  ["The.Film.(2019).[1080p].mkv", "The Film (2019)"],
  ["Blade.Runner.2049.2017.1080p.WEB-DL.DD5.1.H.264.mkv", "Blade Runner 2049 (2017)"],
  ["2001.A.Space.Odyssey.1968.REMUX.mkv", "2001 A Space Odyssey (1968)"],
  ["1917.2019.1080p.mkv", "1917 (2019)"],
  ["2012.1080p.mkv", "2012"],
  ["Dr.Strangelove.1964.mkv", "Dr Strangelove (1964)"],
  ["Amélie.2001.DVDRip.XviD.avi", "Amélie (2001)"],
  ["Сталкер.1979.1080p.mkv", "Сталкер (1979)"],
  ["千と千尋の神隠し.2001.1080p.mkv", "千と千尋の神隠し (2001)"],
  ["Film.1080p.mkv", "Film"],
  ["The.Film.mkv", "The.Film"],
  ["A.Film.About.Nothing.mkv", "A Film About Nothing"],
  // Series.
  ["The.Show.S02E05.720p.HDTV.x264-GRP.mkv", "The Show S02E05"],
  ["The Show - S02E05 - The One With The Name.mkv", "The Show S02E05 The One With The Name"],
  ["the.show.s2e5.mkv", "the show S02E05"],
  ["The Show 2x05.avi", "The Show S02E05"],
  ["The.Show.2019.S01E01.1080p.mkv", "The Show 2019 S01E01"],
  ["S01E01.mkv", "S01E01"],
  ["[Group] Some Anime - 05 [1080p].mkv", "Some Anime - 05"],
  // What people wrote themselves stays.
  ["My Film (1999).en.mp4", "My Film (1999).en"],
  ["Holiday in Rome.mp4", "Holiday in Rome"],
  ["Party 2023.mp4", "Party 2023"],
  ["Wedding of A. and B..mp4", "Wedding of A. and B."],
  ["99 Luftballons.mp3", "99 Luftballons"],
  ["7 Rings.mp3", "7 Rings"],
  ["01 - So What.flac", "So What"],
  ["03. Blue in Green.mp3", "Blue in Green"],
  ["web of lies.mp4", "web of lies"],
  ["v1.2.mp4", "v1.2"],
  ["1920x1080.mp4", "1920x1080"],
  // What cameras wrote.
  ["IMG_20230714_123456.jpg", "IMG_20230714_123456"],
  ["DSC04711.ARW", "DSC04711"],
  ["PXL_20230714_045512345.MP.jpg", "PXL_20230714_045512345.MP"],
  ["20230714_123456.mp4", "20230714_123456"],
  ["VID-20230714-WA0001.mp4", "VID-20230714-WA0001"],
  ["Screenshot_2023-07-14.png", "Screenshot_2023-07-14"],
  // What is hardly a name.
  [".x.mp4", ".x"],
  ["plain", "plain"],
  ["...mp4", ".."],
  ["1080p.mkv", "1080p"],
  ["2019.mp4", "2019"],
  ["(2019).mp4", "(2019)"],
  ["-.mp4", "-"]
]

describe("the name of a file", () => {
  for (const [name, title] of titles) {
    it(`makes ${JSON.stringify(title)} of ${JSON.stringify(name)}`, () => {
      assert.strictEqual(FileNames.read(`some/folder.2001.1080p/${name}`).title, title)
    })
  }

  it("tells year, season and episode", () => {
    const { episode, originalName, season, year } = FileNames.read("shows/The.Show.S02E05.720p.mkv")
    assert.deepStrictEqual(
      { episode, originalName, season, year },
      { episode: 5, originalName: "The.Show.S02E05.720p.mkv", season: 2, year: null }
    )
    assert.strictEqual(FileNames.read("The.Film.2019.1080p.mkv").year, 2019)
    assert.isNull(FileNames.read("Blade Runner 2049.mkv").year)
  })

  it("is never lost, and always makes a title that can be seen where it can be seen itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 120 }), (name) => {
        const read = FileNames.read(`folder/${name.replaceAll("/", "")}.mkv`)
        assert.strictEqual(read.originalName, `${name.replaceAll("/", "")}.mkv`)
        assert.isAbove(read.title.length, 0)
      }),
      { numRuns: 500 }
    )
  })

  it("costs little, whatever it is", () => {
    const started = performance.now()
    for (const part of ["a.", "2019.", "1080p", "S01E0", "[", " -", "_".repeat(10)]) FileNames.read(part.repeat(300))
    assert.isBelow(performance.now() - started, 1000)
  })
})
