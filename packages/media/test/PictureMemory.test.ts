import { crc32, deflateSync } from "node:zlib"

import { assert, describe, it } from "@effect/vitest"
import { pictureOfImage } from "@joy/media/Pictures"
import * as Effect from "effect/Effect"
import sharp from "sharp"

const chunk = (type: string, data: Buffer) => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

/** A PNG (RFC 2083) of 16-bit RGBA that declares a size; what follows its header is too little to be decoded. */
const declared = (side: number, interlaced: boolean) => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([16, 6, 0, 0, interlaced ? 1 : 0], 8)
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(64))),
    chunk("IEND", Buffer.alloc(0))
  ])
}

describe("the memory of pictures", () => {
  it.live("refuses, by its header, a picture that would have to be held whole and does not fit [M5]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(pictureOfImage("test", declared(16_000, true)))
      assert.strictEqual(error._tag, "MediaResourceExceeded")
    })
  )

  it.live("looks at one of the same size that is decoded line by line", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(pictureOfImage("test", declared(16_000, false)))
      assert.strictEqual(error._tag, "UnreadableMedia", "its lines are missing, which is another matter")
    })
  )

  it.live("decodes progressive pictures of a usual size, more of them than fit at once", () =>
    Effect.gen(function* () {
      const noise = { create: { width: 1200, height: 800, channels: 3, background: "#a05030" } } as const
      const jpeg = yield* Effect.promise(() => sharp(noise).jpeg({ progressive: true }).toBuffer())
      const pictures = yield* Effect.all(
        Array.from({ length: 8 }, () => pictureOfImage("test", jpeg)),
        { concurrency: 8 }
      )
      assert.isTrue(pictures.every(({ height, width }) => width === 1200 && height === 800))
    })
  )
})
