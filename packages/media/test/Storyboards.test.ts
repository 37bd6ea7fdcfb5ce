import { execFileSync } from "node:child_process"

import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import sharp from "sharp"

import { Probe } from "../src/Probe.ts"
import { Storyboards } from "../src/Storyboards.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg } from "./Fixtures.ts"
import * as MemoryStore from "./MemoryStore.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const make = Effect.fnUntraced(function* (name: string) {
  const { object, store } = yield* Library
  const found = yield* object(name)
  const probed = yield* (yield* Probe).probe(store, found)
  return yield* (yield* Storyboards).make(store, found, probed)
})

interface Tile {
  readonly from: string
  readonly to: string
  readonly sheet: number
  readonly at: { readonly left: number; readonly top: number; readonly width: number; readonly height: number }
}

const tilesOf = (vtt: string): ReadonlyArray<Tile> => {
  assert.isTrue(vtt.startsWith("WEBVTT\n\n"))
  const cue = /^(\S+) --> (\S+)\nstoryboard-(\d+)\.webp#xywh=(\d+),(\d+),(\d+),(\d+)\n/gm
  return [...vtt.matchAll(cue)].map(([, from = "", to = "", sheet, x, y, width, height]) => ({
    from,
    to,
    sheet: Number(sheet),
    at: { left: Number(x), top: Number(y), width: Number(width), height: Number(height) }
  }))
}

/** How far two pictures of the same size are apart, on the average over all samples (0 to 255). */
const distance = async (a: Buffer, b: Buffer) => {
  const [left, right] = await Promise.all([a, b].map((picture) => sharp(picture).removeAlpha().raw().toBuffer()))
  const samples = Uint8Array.from(left ?? [])
  return samples.reduce((sum, value, i) => sum + Math.abs(value - (right?.[i] ?? 0)), 0) / samples.length
}

const small = (picture: Buffer) => sharp(picture).resize(160, 90, { fit: "fill" }).png().toBuffer()

/** The picture at a time, as ffmpeg alone finds it. */
const frameAt = Effect.fnUntraced(function* (name: string, seconds: number) {
  const { folder } = yield* Library
  const args = `-v error -i ${name} -ss ${seconds} -frames:v 1 -c:v png -f image2pipe -`.split(" ")
  return execFileSync("ffmpeg", args, { cwd: folder, maxBuffer: 2 ** 26 })
})

const frameless = { left: 0, top: 0, width: 1, height: 1 }

const secondsOf = (time: string) => Number(time.slice(6))

describe.skipIf(!hasFfmpeg)(`Storyboards${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    for (const name of ["gop.mp4", "gop.mkv"]) {
      it.effect(`show each keyframe of ${name} from its time on`, () =>
        Effect.gen(function* () {
          const { sheets, vtt } = (yield* make(name)) ?? { sheets: [], vtt: "" }
          const tiles = tilesOf(vtt)
          assert.deepStrictEqual(
            tiles.map(({ from, to }) => `${from} ${to}`),
            [
              "00:00:00.000 00:00:01.000",
              "00:00:01.000 00:00:02.400",
              "00:00:02.400 00:00:05.000",
              "00:00:05.000 00:00:06.000"
            ]
          )
          assert.lengthOf(sheets, 1)
          for (const { at, from } of tiles) {
            assert.deepStrictEqual([at.width, at.height], [160, 90])
            const tile = yield* Effect.promise(() => sharp(sheets[0]).extract(at).png().toBuffer())
            const frame = yield* frameAt(name, secondsOf(from))
            const other = yield* Effect.promise(() => sharp(frame).negate().png().toBuffer())
            const [near, far] = yield* Effect.promise(async () => [
              await distance(tile, await small(frame)),
              await distance(tile, await small(other))
            ])
            assert.isBelow(near ?? 255, 12, from)
            assert.isAbove(far ?? 0, 40, from)
          }
        })
      )
    }

    it.effect("have a sheet for every hundred tiles, and tiles that follow on each other", () =>
      Effect.gen(function* () {
        const { sheets, vtt } = (yield* make("long.mp4")) ?? { sheets: [], vtt: "" }
        const tiles = tilesOf(vtt)
        assert.lengthOf(sheets, 2)
        assert.lengthOf(tiles, 110)
        assert.deepStrictEqual([tiles[0]?.from, tiles.at(-1)?.to], ["00:00:00.000", "00:18:20.000"])
        for (const [i, tile] of tiles.entries()) {
          assert.strictEqual(tile.sheet, Math.floor(i / 100))
          assert.strictEqual(tile.to, tiles[i + 1]?.from ?? tile.to)
        }
        for (const sheet of sheets) {
          const { format, height, width } = yield* Effect.promise(() => sharp(sheet).metadata())
          assert.deepStrictEqual([format, width, height], ["webp", 1600, 900])
        }
      })
    )

    for (const [name, size] of [
      ["rotated.mp4", [90, 160]],
      ["anamorphic.mp4", [160, 68]],
      ["h264.avi", [160, 90]],
      ["h264.ts", [160, 90]],
      ["vp9.webm", [160, 90]],
      ["av1.mp4", [160, 90]],
      ["hevc.mp4", [160, 90]],
      ["wmv2.wmv", [160, 90]]
    ] as const) {
      it.effect(`show ${name} as it is displayed`, () =>
        Effect.gen(function* () {
          const { sheets, vtt } = (yield* make(name)) ?? { sheets: [], vtt: "" }
          const [tile] = tilesOf(vtt)
          assert.deepStrictEqual([tile?.at.width, tile?.at.height], [...size])
          const frame = yield* Effect.flatMap(frameAt(name, 0), (png) =>
            Effect.promise(() => sharp(png).resize(size[0], size[1], { fit: "fill" }).png().toBuffer())
          )
          const first = yield* Effect.promise(() =>
            sharp(sheets[0])
              .extract(tile?.at ?? frameless)
              .png()
              .toBuffer()
          )
          assert.isBelow(yield* Effect.promise(() => distance(first, frame)), 14)
        })
      )
    }

    it.effect("read the index and the keyframes, and nothing else", () =>
      Effect.gen(function* () {
        const store = MemoryStore.make()
        const bytes = yield* bytesOf("heavy.mp4")
        const object = store.put("a.mp4", bytes, "v1")
        const probed = yield* (yield* Probe).probe(store, object)
        store.reads.length = 0
        assert.isNotNull(yield* (yield* Storyboards).make(store, object, probed))
        const read = store.reads.map((range) => range.split("-").map(Number)).map(([from = 0, to = 0]) => to - from + 1)
        assert.isBelow(read.reduce((sum, count) => sum + count, 0) / bytes.length, 0.3)
      })
    )

    it.effect("are not made of sound and pictures", () =>
      Effect.gen(function* () {
        assert.isNull(yield* make("cover.mp3"))
        assert.isNull(yield* make("exif.jpg"))
      })
    )
  })
})
