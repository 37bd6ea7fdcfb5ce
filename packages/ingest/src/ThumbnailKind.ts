import { ItemIngest } from "@joy/catalog/ItemIngest"
import { StoredObject } from "@joy/domain/StoredObject"
import type { FfmpegMissing } from "@joy/media/MediaError"
import type { ProbeResult } from "@joy/media/ProbeResult"
import { Thumbnails } from "@joy/media/Thumbnails"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { SourceStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import { type DerivativeKind, type Made, thumbnail } from "./DerivativeKind.ts"
import { writer } from "./DerivedFiles.ts"
import type { TakenWork } from "./Outbox.ts"
import { ofMedia } from "./StepErrors.ts"

const Pictures = Schema.Struct({
  thumbnails: Schema.Array(Schema.Struct({ width: Schema.Finite, height: Schema.Finite })),
  thumbhash: Schema.NullOr(Schema.String)
})

/** The small pictures that stand for an item. None where there is nothing to be drawn, or nothing to draw with. */
export const make = Effect.gen(function* () {
  const source = yield* SourceStore
  const writeFiles = yield* writer
  const items = yield* ItemIngest
  const artist = yield* Thumbnails
  let warned = false

  const withoutFfmpeg = Effect.fnUntraced(function* (missing: FfmpegMissing) {
    if (!warned) yield* Effect.logWarning(`Videos have no thumbnails: ${missing.message}`)
    warned = true
    return { images: [], thumbhash: null }
  })

  const draw = (work: TakenWork, probed: ProbeResult) => {
    const object = new StoredObject({ key: work.key, etag: work.etag, sizeBytes: work.sizeBytes, modifiedAt: 0 })
    const drawn = artist.make(source, object, probed)
    // An item that has pictures is not to lose them.
    return work.kind === null ? Effect.catchTag(drawn, "FfmpegMissing", withoutFfmpeg) : drawn
  }

  const write = Effect.fnUntraced(function* (work: TakenWork, probed: ProbeResult) {
    const drawn = yield* draw(work, probed).pipe(Effect.mapError(ofMedia(thumbnail.step)))
    const files = drawn.images.map(({ bytes, format, width }) => ({
      key: DerivedKeys.thumbnail(work.itemId, work.etag, width, format),
      bytes,
      contentType: `image/${format}`
    }))
    const keys = yield* writeFiles(thumbnail.step, files)
    // Both formats of a width are one thumbnail.
    const sizes = new Map(drawn.images.map(({ height, width }) => [width, { width, height }]))
    const facts = {
      thumbnails: [...sizes.values()].toSorted((a, b) => a.width - b.width),
      thumbhash: drawn.thumbhash
    }
    return { keys, facts }
  })

  const record = Effect.fnUntraced(function* (work: TakenWork, made: Made) {
    const pictures = yield* Effect.orDie(Schema.decodeUnknownEffect(Pictures)(made.facts))
    yield* items.recordThumbnails(work.itemId, work.etag, pictures)
  })

  const kind: DerivativeKind = { ...thumbnail, make: write, record }
  return kind
})
