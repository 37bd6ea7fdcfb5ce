import { readFileSync } from "node:fs"

import { assert, it } from "@effect/vitest"
import { examine } from "@joy/testing/IndexMutants"
import { mutant } from "@joy/testing/Mutants"
import { describeWith } from "@joy/testing/Needs"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Effect from "effect/Effect"

/** What `npm run soak -- indexes` does a million times. */
const count = 3_000

describeWith(["ffmpeg"], "Damaged containers", () => {
  it.effect(
    "end in an index that holds together or in a failure of ours, and nothing is read outside of them [M11]",
    () =>
      Effect.gen(function* () {
        const small = { seconds: 1, width: 64, height: 36, gop: 10 }
        const flags = (movflags: string) => ({ ...small, extra: ["-movflags", movflags] })
        const paths = yield* Effect.all({
          "end.mp4": TestMedia.video(small),
          "start.mp4": TestMedia.video(flags("+faststart")),
          "fragments.mp4": TestMedia.video(flags("+frag_keyframe+empty_moov+default_base_moof")),
          "sidx.mp4": TestMedia.video(flags("+frag_keyframe+empty_moov+delay_moov+default_base_moof+global_sidx")),
          "end.mov": TestMedia.video({ ...small, container: "mov" }),
          "sound.m4a": TestMedia.audio({ container: "m4a", seconds: 1 }),
          "cues.mkv": TestMedia.video({ ...small, container: "mkv" }),
          "live.mkv": TestMedia.video({ ...small, container: "mkv", extra: ["-live", "1"] }),
          "sound.webm": TestMedia.audio({ container: "webm", seconds: 1 }),
          "sound.mp3": TestMedia.audio({ container: "mp3", seconds: 1 }),
          "sound.aac": TestMedia.audio({ container: "aac", seconds: 1 }),
          "sound.flac": TestMedia.audio({ container: "flac", seconds: 1 }),
          "sound.opus": TestMedia.audio({ container: "opus", seconds: 1 })
        })
        const files = new Map(Object.entries(paths).map(([name, path]) => [name, readFileSync(path)]))
        const results = new Map<string, number>()
        const before = process.memoryUsage().rss
        for (let number = 0; number < count; number++) {
          const made = mutant(files, 1, number)
          const { broken, result } = yield* examine(made.bytes)
          assert.isNull(broken, `number ${number}, ${made.name}`)
          results.set(result, (results.get(result) ?? 0) + 1)
        }
        // Both ends are reached, or the damage is not what it should be.
        assert.isAbove(results.get("indexed") ?? 0, count / 10)
        assert.isAbove(results.get("refused") ?? 0, count / 10)
        assert.isBelow(process.memoryUsage().rss - before, 512 * 2 ** 20)
      })
  )
})
