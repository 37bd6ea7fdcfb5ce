import { statSync } from "node:fs"

import { assert, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"

describeWith(["ffmpeg"], "TestMedia", () => {
  it.live("makes each file once", () =>
    Effect.gen(function* () {
      const paths = yield* Effect.all([
        TestMedia.video(),
        TestMedia.video({ container: "mkv", seconds: 1, audioCodec: null }),
        TestMedia.audio({ tags: { title: "A tone" } }),
        TestMedia.image({ format: "png" }),
        TestMedia.video()
      ])
      assert.strictEqual(new Set(paths).size, 4)
      assert.strictEqual(paths[0], paths[4])
      for (const path of paths) assert.isAbove(statSync(path).size, 1000)
    })
  )
})
