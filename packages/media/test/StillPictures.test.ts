import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import sharp from "sharp"

import { Probe } from "../src/Probe.ts"
import { Thumbnails } from "../src/Thumbnails.ts"
import { bytesOf, hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import { cr3, heic, raf, tiff } from "./StillFiles.ts"
import { everything, layerOptions } from "./TestLayers.ts"

const probeOf = Effect.fnUntraced(function* (name: string, bytes: Uint8Array) {
  const { store } = yield* Library
  const object = yield* put(name, bytes)
  return { store, object, result: yield* (yield* Probe).probe(store, object) }
})

const look = Effect.fnUntraced(function* (name: string, bytes: Uint8Array) {
  const { object, result, store } = yield* probeOf(name, bytes)
  const { images } = yield* (yield* Thumbnails).make(store, object, result)
  const largest = images.findLast(({ format }) => format === "jpeg")
  return { result, size: largest === undefined ? null : `${largest.width}x${largest.height}`, image: largest?.bytes }
})

const jpeg = (width: number, height: number) =>
  Effect.promise(() =>
    sharp({ create: { width, height, channels: 3, background: "#c04020" } })
      .jpeg()
      .toBuffer()
  )

const exif = { 0x9003: "2024:05:06 07:08:09", 0x9011: "+02:00" }
/** Compression, photometric interpretation, and the one strip. */
const strip = (compression: number, photometric: number, at: number) => ({
  0x0103: compression,
  0x0106: photometric,
  0x0111: at,
  0x0117: at - 1
})

/** Its samples, turned and made small. */
const samples = (bytes: Uint8Array | undefined, turn: number) =>
  Effect.promise(() => sharp(bytes).rotate(turn).resize(64, 64, { fit: "fill" }).removeAlpha().raw().toBuffer())

describe.skipIf(!hasFfmpeg)(`Pictures that only their makers know${needsFfmpeg}`, () => {
  layer(
    everything,
    layerOptions
  )((it) => {
    it.effect("shows the largest preview of a DNG, turned as its camera was", () =>
      Effect.gen(function* () {
        const small = yield* jpeg(160, 120)
        const large = yield* jpeg(1024, 768)
        const sensor = { 0x0100: 4000, 0x0101: 3000, ...strip(7, 32_803, -1) }
        const file = tiff(
          [
            {
              0x010f: "Joy Optics",
              0x0110: "Kunga 1",
              0x0112: 6,
              0x014a: [sensor, strip(7, 6, -3)],
              0x8769: [exif],
              0xc612: 0x01040000
            }
          ],
          [small, large]
        )
        const { result, size } = yield* look("a.dng", file)
        assert.deepInclude(result, {
          type: "image",
          container: "raw",
          width: 3000,
          height: 4000,
          orientation: 6,
          capturedAt: "2024-05-06T05:08:09.000Z"
        })
        assert.deepInclude(result.tags, { make: "Joy Optics", model: "Kunga 1" })
        assert.strictEqual(size, "768x1024")
      })
    )

    it.effect("shows the previews of CR2, NEF, RW2, RAF and CR3", () =>
      Effect.gen(function* () {
        const small = yield* jpeg(160, 120)
        const large = yield* jpeg(640, 426)
        const files: ReadonlyArray<readonly [name: string, file: Buffer]> = [
          [
            "a.cr2",
            tiff([strip(6, 6, -3), { 0x0201: -1, 0x0202: -2 }], [small, large], {
              header: Buffer.from("CR\x02\0\0\0\0\0")
            })
          ],
          ["a.nef", tiff([{ 0x014a: [{ 0x0201: -3, 0x0202: -4 }, { 0x0106: 32_803 }] }], [small, large])],
          ["a.orf", tiff([{}, { 0x0201: -3, 0x0202: -4 }], [small, large], { magic: "IIRO" })],
          ["a.raf", raf(large)],
          ["a.cr3", cr3(large)]
        ]
        for (const [name, file] of files) {
          const { result, size } = yield* look(name, file)
          assert.deepStrictEqual([result.container, size], ["raw", "640x426"], name)
        }
      })
    )

    it.effect("says that it can't show a raw file without a preview, and goes on behind a broken one", () =>
      Effect.gen(function* () {
        const none = tiff([{ 0xc612: 1, 0x014a: [{ 0x0106: 32_803 }] }], [])
        const error = yield* Effect.flip(probeOf("none.dng", none))
        assert.match(error.message, /is a raw picture without a preview/)
        const large = yield* jpeg(640, 426)
        const broken = Buffer.from(large)
        broken.fill(0xff, 200)
        const file = tiff(
          [{ 0xc612: 1, 0x014a: [strip(7, 6, -1), strip(7, 6, -3)] }],
          [Buffer.concat([broken, Buffer.alloc(5000)]), large]
        )
        assert.strictEqual((yield* look("broken.dng", file)).size, "640x426")
      })
    )

    it.effect("takes a TIFF for a TIFF", () =>
      Effect.gen(function* () {
        const { result, size } = yield* look("plain.tiff", yield* bytesOf("picture.tiff"))
        assert.deepStrictEqual([result.container, size], ["tiff", "640x360"])
      })
    )

    for (const [quarters, expected] of [
      [0, "500x380"],
      [3, "380x500"]
    ] as const) {
      it.effect(`puts the tiles of a HEIC file together, turned by ${quarters} quarters`, () =>
        Effect.gen(function* () {
          const { folder } = yield* Library
          const { image, result, size } = yield* look("a.heic", heic(folder, quarters))
          assert.deepStrictEqual([result.container, size], ["heif", expected])
          // As the whole picture was, before it was cut into tiles.
          const { image: whole } = yield* look("whole.png", yield* bytesOf("whole.png"))
          const angle = quarters * -90
          const shown = yield* samples(image, -angle)
          const wanted = yield* samples(whole, 0)
          const apart = shown.reduce((sum, value, i) => sum + Math.abs(value - (wanted[i] ?? 0)), 0) / shown.length
          assert.isBelow(apart, 12)
        })
      )
    }

    it.effect("leaves a HEIC file without a picture when its tiles are damaged", () =>
      Effect.gen(function* () {
        const { folder } = yield* Library
        const file = heic(folder, 0)
        file.fill(0, file.indexOf("hvcC") + 4, file.indexOf("hvcC") + 40)
        assert.isNull((yield* look("damaged.heic", file)).size)
      })
    )
  })
})
