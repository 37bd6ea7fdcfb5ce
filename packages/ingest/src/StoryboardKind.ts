import { ItemIngest } from "@joy/catalog/ItemIngest"
import { StoredObject } from "@joy/domain/StoredObject"
import type { ProbeResult } from "@joy/media/ProbeResult"
import { Storyboards } from "@joy/media/Storyboards"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { SourceStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import { type DerivativeKind, type Made, storyboard } from "./DerivativeKind.ts"
import { writer } from "./DerivedFiles.ts"
import type { TakenWork } from "./Outbox.ts"
import { ofMedia } from "./StepErrors.ts"

/** How many sheets there are. */
const Sheets = Schema.NullOr(Schema.Int)

/** Small pictures of a video's keyframes, for the time line. */
export const make = Effect.gen(function* () {
  const source = yield* SourceStore
  const items = yield* ItemIngest
  const artist = yield* Storyboards
  const writeFiles = yield* writer

  const write = Effect.fnUntraced(function* (work: TakenWork, probed: ProbeResult) {
    const object = new StoredObject({ key: work.key, etag: work.etag, sizeBytes: work.sizeBytes, modifiedAt: 0 })
    const drawn = yield* artist.make(source, object, probed).pipe(Effect.mapError(ofMedia(storyboard.step)))
    if (drawn === null) return { keys: [], facts: null }
    const keys = yield* writeFiles(storyboard.step, [
      ...drawn.sheets.map((bytes, number) => ({
        key: DerivedKeys.storyboardSheet(work.itemId, work.etag, number),
        bytes,
        contentType: "image/webp"
      })),
      {
        key: DerivedKeys.storyboard(work.itemId, work.etag),
        bytes: new TextEncoder().encode(drawn.vtt),
        contentType: "text/vtt"
      }
    ])
    return { keys, facts: drawn.sheets.length }
  })

  const record = Effect.fnUntraced(function* (work: TakenWork, made: Made) {
    const sheets = yield* Effect.orDie(Schema.decodeUnknownEffect(Sheets)(made.facts))
    yield* items.recordStoryboard(work.itemId, work.etag, sheets)
  })

  const kind: DerivativeKind = { ...storyboard, make: write, record }
  return kind
})
