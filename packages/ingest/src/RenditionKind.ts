import { ItemIngest } from "@joy/catalog/ItemIngest"
import { RenditionFile } from "@joy/catalog/PlayableItems"
import * as Playability from "@joy/domain/Playability"
import { StoredObject } from "@joy/domain/StoredObject"
import type { ProbeResult } from "@joy/media/ProbeResult"
import { Renditions } from "@joy/media/Renditions"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, SourceStore } from "@joy/storage/ObjectStore"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import { type DerivativeKind, type Made, rendition } from "./DerivativeKind.ts"
import { refused } from "./DerivedFiles.ts"
import type { TakenWork } from "./Outbox.ts"
import { ofMedia, Superseded } from "./StepErrors.ts"

/** How often the catalogue hears how far it is, at the most. */
const tellEveryMillis = 2000

const Facts = Schema.NullOr(RenditionFile)

/** One file that browsers play, of an object that they don't. */
export const make = Effect.gen(function* () {
  const source = yield* SourceStore
  const derived = yield* DerivedStore
  const items = yield* ItemIngest
  const renditions = yield* Renditions

  /** Writes down how far it is, now and then. */
  const teller = (work: TakenWork) => {
    let toldAt = 0
    let told = 0
    return Effect.fnUntraced(function* (share: number) {
      const now = yield* Clock.currentTimeMillis
      // The last of it is to write it away.
      const percent = Math.min(99, Math.floor(share * 100))
      if (percent <= told || now - toldAt < tellEveryMillis) return
      toldAt = now
      told = percent
      yield* items.recordRenditionProgress(work.itemId, work.etag, percent)
    })
  }

  const write = Effect.fnUntraced(function* (work: TakenWork, probed: ProbeResult) {
    // Who asked to play it was told that it is not played as it is, for more reasons than show here.
    if (work.rebuildId !== null && Playability.isPlayedAsItIs(probed)) return { keys: [], facts: null }
    const object = new StoredObject({ key: work.key, etag: work.etag, sizeBytes: work.sizeBytes, modifiedAt: 0 })
    const path = yield* renditions
      .make(source, object, probed, teller(work))
      .pipe(Effect.mapError(ofMedia(rendition.step)))
    // It took long: of an object that was replaced meanwhile, nobody would take the file away.
    yield* items.probedOf(work.itemId, work.etag).pipe(Effect.mapError(() => new Superseded()))
    const key = DerivedKeys.rendition(work.itemId, work.etag)
    const { etag, sizeBytes } = yield* derived
      .writeFile(key, path, { contentType: "video/mp4" })
      .pipe(refused(rendition.step))
    return { keys: [key], facts: { etag, sizeBytes } }
  }, Effect.scoped)

  const record = Effect.fnUntraced(function* (work: TakenWork, made: Made) {
    const file = yield* Effect.orDie(Schema.decodeUnknownEffect(Facts)(made.facts))
    yield* items.recordRendition(work.itemId, work.etag, file)
  })

  const recordFailure = (work: TakenWork, message: string) =>
    items.recordRenditionFailure(work.itemId, work.etag, message)

  const kind: DerivativeKind = { ...rendition, make: write, record, recordFailure }
  return kind
})
