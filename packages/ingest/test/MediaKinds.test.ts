import { assert, describe, it } from "@effect/vitest"

import * as MediaKinds from "../src/MediaKinds.ts"

const seen = (ignore: ReadonlyArray<string>, keys: ReadonlyArray<string>) => {
  const kinds = MediaKinds.make(ignore)
  return keys.filter((key) => kinds.typeOf(key) !== null)
}

describe("MediaKinds", () => {
  it("tells the type by the ending, in capitals too", () => {
    const kinds = MediaKinds.make([])
    assert.deepStrictEqual(
      ["a.mp4", "b/C.MKV", "d.Flac", "e.heic", "f.NEF", "mp4", "f", "g.", "h.svg", "i.m3u8", ".mp4"].map(kinds.typeOf),
      ["video", "video", "audio", "image", "image", null, null, null, null, null, null]
    )
  })

  it("holds a glob without a slash against each part of a key, and one with a slash against the whole", () => {
    const keys = ["a.mp4", "drafts/a.mp4", "b/drafts/a.mp4", "b/a-sample.mp4"]
    assert.deepStrictEqual(seen(["drafts"], keys), ["a.mp4", "b/a-sample.mp4"])
    assert.deepStrictEqual(seen(["*-sample.*"], keys), ["a.mp4", "drafts/a.mp4", "b/drafts/a.mp4"])
    assert.deepStrictEqual(seen(["drafts/**"], keys), ["a.mp4", "b/drafts/a.mp4", "b/a-sample.mp4"])
    assert.deepStrictEqual(seen(["/drafts/"], keys), ["a.mp4", "b/drafts/a.mp4", "b/a-sample.mp4"])
    assert.deepStrictEqual(seen(["**/a.mp4"], keys), ["b/a-sample.mp4"])
  })
})
