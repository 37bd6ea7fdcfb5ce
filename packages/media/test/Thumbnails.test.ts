import * as fs from "node:fs"
import * as path from "node:path"

import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import sharp from "sharp"
import { thumbHashToRGBA } from "thumbhash"

import { Probe } from "../src/Probe.ts"
import { writeSamples, type SampleProgress } from "../src/Samples.ts"
import { Thumbnails } from "../src/Thumbnails.ts"
import { hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const make = Effect.fnUntraced(function* (name: string) {
  const { store, object } = yield* Library
  const { probe } = yield* Probe
  const thumbnails = yield* Thumbnails
  const found = yield* object(name)
  return yield* thumbnails.make(store, found, yield* probe(store, found))
})

const expected: ReadonlyArray<readonly [name: string, sizes: ReadonlyArray<string>]> = [
  ["h264.mp4", ["320x180"]],
  ["wide.mp4", ["320x180", "640x360", "1280x720"]],
  ["rotated.mp4", ["180x320"]],
  ["anamorphic.mp4", ["320x135", "427x180"]],
  ["single.mp4", ["320x180"]],
  ["tenth.mp4", ["320x180"]],
  ["hevc.mp4", ["320x180"]],
  ["vp9.webm", ["320x180"]],
  ["av1.mp4", ["320x180"]],
  ["h264.avi", ["320x180"]],
  ["h264.ts", ["320x180"]],
  ["cover.mp3", ["320x320", "600x600"]],
  ["cover.m4a", ["320x320", "600x600"]],
  ["mp3.mp3", []],
  ["exif.jpg", ["320x569", "360x640"]],
  ["alpha.png", ["320x180", "640x360"]],
  ["picture.webp", ["320x180", "640x360"]],
  ["picture.gif", ["100x56"]],
  ["picture.avif", ["320x180", "640x360"]],
  ["picture.tiff", ["320x180", "640x360"]]
]

describe.skipIf(!hasFfmpeg)(`Thumbnails${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    for (const [name, sizes] of expected) {
      it.effect(`makes ${sizes.length === 0 ? "none" : sizes.join(" and ")} of ${name}`, () =>
        Effect.gen(function* () {
          const { images, thumbhash } = yield* make(name)
          for (const format of ["webp", "jpeg"]) {
            const made = images.filter((image) => image.format === format)
            assert.deepStrictEqual(
              made.map(({ width, height }) => `${width}x${height}`),
              sizes
            )
          }
          for (const image of images) {
            const metadata = yield* Effect.promise(() => sharp(image.bytes).metadata())
            assert.deepStrictEqual(
              [metadata.format, metadata.width, metadata.height, metadata.orientation],
              [image.format, image.width, image.height, undefined]
            )
          }
          if (sizes.length === 0) return assert.isNull(thumbhash)
          const placeholder = thumbHashToRGBA(Buffer.from(thumbhash ?? "", "base64"))
          const [first] = images
          const ratio = (first?.width ?? 0) / (first?.height ?? 1)
          assert.isAtMost(Math.abs(placeholder.w / placeholder.h - ratio) / ratio, 0.2)
        })
      )
    }

    it.effect("carry nothing of what the picture says about itself [M10]", () =>
      Effect.gen(function* () {
        for (const { bytes } of (yield* make("place.jpg")).images) {
          const { exif, icc, iptc, xmp } = yield* Effect.promise(() => sharp(bytes).metadata())
          assert.deepStrictEqual([exif, icc, iptc, xmp], [undefined, undefined, undefined, undefined])
        }
      })
    )

    it.effect("looks for a frame that shows something", () =>
      Effect.gen(function* () {
        const { images } = yield* make("black.mp4")
        const { channels } = yield* Effect.promise(() => sharp(images[0]?.bytes).stats())
        assert.isAtLeast(Math.max(...channels.map(({ mean }) => mean)), 50)
      })
    )

    it.effect("takes a song with a broken cover for a song", () =>
      Effect.gen(function* () {
        const { folder, object } = yield* Library
        yield* object("cover.mp3")
        const bytes = fs.readFileSync(path.join(folder, "cover.mp3"))
        bytes.fill(0, bytes.indexOf("IHDR") + 4, bytes.indexOf("IHDR") + 400)
        yield* put("broken.mp3", bytes)
        assert.deepStrictEqual(yield* make("broken.mp3"), { images: [], thumbhash: null })
      })
    )
  })
})

describe.skipIf(!hasFfmpeg)(`Samples${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    it.effect("appear complete, are readable, and are left alone the second time", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const folder = path.join(library.folder, "samples")
        const progress: Array<SampleProgress> = []
        const onProgress = (step: SampleProgress) => Effect.sync(() => void progress.push(step))
        const paths = yield* writeSamples(folder, { onProgress })
        assert.deepStrictEqual(
          paths.map((file) => path.basename(file)),
          ["Welcome to Joy.mp4", "First Light.mp3", "A Picture.jpg"]
        )
        const visible = fs.readdirSync(folder).filter((name) => name !== ".joy")
        assert.deepStrictEqual(visible.toSorted(), paths.map((file) => path.basename(file)).toSorted())
        assert.deepStrictEqual(fs.readdirSync(path.join(folder, ".joy")), [])
        const { probe } = yield* Probe
        const [video, audio, image] = yield* Effect.forEach(paths, (file) =>
          Effect.flatMap(library.object(path.relative(library.folder, file)), (object) => probe(library.store, object))
        )
        assert.deepInclude(video, { type: "video", videoCodec: "h264", audioCodec: "aac", width: 1280, height: 720 })
        assert.deepInclude(audio?.tags, { title: "First Light", artist: "Joy Kunga Stream" })
        assert.deepInclude(image, { type: "image", container: "jpeg", width: 1600 })
        const bytes = fs.readFileSync(paths[0] ?? "")
        assert.isBelow(bytes.indexOf("moov"), bytes.indexOf("mdat"))

        const times = paths.map((file) => fs.statSync(file).mtimeMs)
        yield* writeSamples(folder, { onProgress })
        assert.deepStrictEqual(
          paths.map((file) => fs.statSync(file).mtimeMs),
          times
        )
        assert.deepStrictEqual(
          progress.map(({ done, total, isKept }) => [done, total, isKept]),
          [false, true].flatMap((isKept) => [1, 2, 3].map((done) => [done, 3, isKept]))
        )
      })
    )
  })
})
