import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import { read } from "./MkvReading.ts"
import { cluster, element, float64, frame, info, key, segment, simpleBlock, tracks } from "./SmallMkv.ts"

const mastering = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000, 0.005]
const color = element(
  0x55b0,
  element(0x55b1, 9),
  element(0x55ba, 16),
  element(0x55bb, 9),
  element(0x55bc, 1000),
  element(0x55bd, 400),
  element(0x55d0, ...mastering.map((value, i) => element(0x55d1 + i, float64(value))))
)

/** Pixels twice as wide as high. */
const hevc = (...more: ReadonlyArray<Uint8Array>) =>
  element(
    0xae,
    element(0xd7, 1),
    element(0x83, 1),
    element(0x86, "V_MPEGH/ISO/HEVC"),
    element(0x63a2, new Uint8Array(23).fill(1)),
    element(0xe0, element(0xb0, 64), element(0xba, 36), element(0x54b0, 128), element(0x54ba, 36), color),
    ...more
  )

const dolby = (profile: number) => {
  const record = Uint8Array.of(1, 0, profile << 1, 8 << 3, 0x10)
  return element(0x41e4, element(0x41e7, 0x6476_6343), element(0x41ed, record))
}

const entryOf = Effect.fnUntraced(function* (entry: Uint8Array) {
  const { index } = yield* read(segment(info, tracks(entry), cluster(0, simpleBlock(0, key, frame(5)))))
  const [track] = index.tracks
  assert.deepStrictEqual([track?.width, track?.height], [128, 36])
  return { text: Buffer.from(track?.sampleEntries[0] ?? []).toString("hex"), codecString: track?.codecString }
})

const hex = (name: string) => Buffer.from(name).toString("hex")

describe("Pictures of Matroska", () => {
  it.effect("keeps what is said of colours, of the screen, and of Dolby Vision, as MP4 has it", () =>
    Effect.gen(function* () {
      const plain = yield* entryOf(hevc(dolby(8)))
      assert.include(plain.text, hex("hvc1"))
      assert.include(plain.text, `${hex("colr")}${hex("nclx")}00090010000900`)
      assert.include(plain.text, `${hex("pasp")}0000000200000001`)
      assert.include(plain.text, `${hex("mdcv")}33c286c41d4c0bb884d03e803d1340420098968000000032`)
      assert.include(plain.text, `${hex("clli")}03e80190`)
      assert.include(plain.text, `${hex("dvcC")}0100104010`)
      const own = yield* entryOf(hevc(dolby(5)))
      assert.include(own.text, hex("dvh1"))
      assert.strictEqual(own.codecString, "dvh1.05.08")
    })
  )
})
