import { ItemIngest } from "@joy/catalog/ItemIngest"
import { SubtitleTrack } from "@joy/domain/MediaStream"
import { StoredObject } from "@joy/domain/StoredObject"
import type { ProbeResult } from "@joy/media/ProbeResult"
import { type Sidecar, Subtitles } from "@joy/media/Subtitles"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { SourceStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

import { type DerivativeKind, type Made, subtitles } from "./DerivativeKind.ts"
import { writer } from "./DerivedFiles.ts"
import type { TakenWork } from "./Outbox.ts"
import { ofMedia } from "./StepErrors.ts"

const Tracks = Schema.Array(SubtitleTrack)

/** The text tracks of a video, and the subtitle files beside it. */
export const make = Effect.gen(function* () {
  const source = yield* SourceStore
  const items = yield* ItemIngest
  const reader = yield* Subtitles
  const writeFiles = yield* writer

  /** A file beside a film that can't be read is no reason to leave the others out. */
  const ofSidecar = (sidecar: Sidecar) =>
    reader.ofSidecar(source, sidecar).pipe(
      Effect.asSome,
      Effect.catchTag(["UnreadableMedia", "MediaResourceExceeded", "ObjectChanged", "ObjectNotFound"], (error) =>
        Effect.as(
          Effect.logWarning(`The subtitles ${JSON.stringify(sidecar.object.key)} are left out: ${error.message}`),
          Option.none()
        )
      )
    )

  const read = Effect.fnUntraced(function* (object: StoredObject, probed: ProbeResult) {
    const inside = yield* reader.embedded(source, object, probed)
    const beside = yield* Effect.forEach(yield* reader.sidecars(source, object), ofSidecar)
    return [...inside, ...beside.flatMap(Option.toArray)]
  })

  const write = Effect.fnUntraced(function* (work: TakenWork, probed: ProbeResult) {
    const object = new StoredObject({ key: work.key, etag: work.etag, sizeBytes: work.sizeBytes, modifiedAt: 0 })
    const tracks = yield* read(object, probed).pipe(Effect.mapError(ofMedia(subtitles.step)))
    const files = tracks.map(({ vtt }, number) => ({
      key: DerivedKeys.subtitle(work.itemId, work.etag, number),
      bytes: new TextEncoder().encode(vtt),
      contentType: "text/vtt"
    }))
    // Without the text, which is in the files.
    const facts = yield* Effect.orDie(Schema.encodeEffect(Tracks)(tracks))
    return { keys: yield* writeFiles(subtitles.step, files), facts }
  })

  const record = Effect.fnUntraced(function* (work: TakenWork, made: Made) {
    const tracks = yield* Effect.orDie(Schema.decodeUnknownEffect(Tracks)(made.facts))
    yield* items.recordSubtitles(work.itemId, work.etag, tracks)
  })

  const kind: DerivativeKind = { ...subtitles, make: write, record }
  return kind
})
