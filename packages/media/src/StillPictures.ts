import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import type { Demuxer } from "./Demuxer.ts"
import type { Ffmpeg } from "./Ffmpeg.ts"
import { maxPixels, readImage } from "./Images.ts"
import { type MediaError, UnreadableMedia } from "./MediaError.ts"
import * as ObjectBytes from "./ObjectBytes.ts"
import { type Picture, pictureOfImage, pictureOfPixels, thumbnailSize } from "./Pictures.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { maxPreviewBytes, readRawFile } from "./RawFile.ts"
import { turns } from "./StoryboardPlan.ts"

/** The largest preview of a raw file that can be read. */
const ofRaw = Effect.fnUntraced(function* (
  step: string,
  store: ObjectStore,
  object: StoredObject,
  probe: ProbeResult
): Effect.fn.Return<Picture, MediaError, Scope.Scope> {
  const bytes = yield* ObjectBytes.open(store, object, { step })
  const { previews } = (yield* readRawFile(bytes)) ?? { previews: [] }
  for (const { length, offset } of previews) {
    if (length > maxPreviewBytes) continue
    const preview = yield* bytes.read(offset, offset + length)
    const picture = yield* Effect.result(pictureOfImage(step, preview, probe.orientation))
    if (picture._tag === "Success") return picture.success
  }
  return yield* new UnreadableMedia({ step, reason: "is a raw picture whose previews can't be read" })
}, Effect.scoped)

/** HEVC, which sharp's build has no decoder of: the tiles are taken out here, and ffmpeg puts them together. */
const ofHeic = Effect.fnUntraced(function* (
  step: string,
  store: ObjectStore,
  object: StoredObject,
  probe: ProbeResult,
  tools: { readonly ffmpeg: Ffmpeg["Service"]; readonly demuxer: Demuxer["Service"] }
) {
  const bytes = yield* ObjectBytes.open(store, object, { step })
  const tiles = yield* tools.demuxer.tiles(bytes)
  if (tiles === null || tiles.width * tiles.height > maxPixels) return null
  const size = thumbnailSize(probe)
  if (size === null) return null
  const pixels = yield* tools.ffmpeg.run({
    step,
    input: { bytes: tiles.bytes },
    call: {
      tool: "ffmpeg",
      output: [
        ..."-an -sn -dn -map 0:v:0 -frames:v 1 -pix_fmt rgb24 -c:v rawvideo -vf".split(" "),
        [
          `tile=${tiles.columns}x${tiles.rows}`,
          `crop=${tiles.width}:${tiles.height}:0:0`,
          ...(turns[tiles.rotation] ?? []),
          `scale=${size.width}:${size.height}:flags=bicubic`
        ].join(",")
      ],
      format: "rawvideo"
    },
    limits: { outputBytes: size.width * size.height * 3 }
  })
  return pixels.length === size.width * size.height * 3 ? pictureOfPixels(pixels, size) : null
}, Effect.scoped)

/** The picture in an image's object; `null` for a HEIC file that can't be decoded with what is installed. */
export const stillPicture = Effect.fnUntraced(function* (
  step: string,
  store: ObjectStore,
  object: StoredObject,
  probe: ProbeResult,
  tools: { readonly ffmpeg: Ffmpeg["Service"]; readonly demuxer: Demuxer["Service"] }
): Effect.fn.Return<Picture | null, MediaError> {
  if (probe.container === "raw") return yield* ofRaw(step, store, object, probe)
  if (probe.container !== "heif") return yield* pictureOfImage(step, yield* readImage(store, object, step))
  return yield* ofHeic(step, store, object, probe, tools).pipe(
    // Its header was read: what it shows is for programs that know more of it.
    Effect.catchTag(["Undecided", "UnreadableMedia", "FfmpegMissing"], () => Effect.succeed(null))
  )
})
