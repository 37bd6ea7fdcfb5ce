import { endOf, samplesIn, type Stretch } from "@joy/media/index/matroska/Stretches"
import type { Cues, MediaIndex, Samples } from "@joy/media/index/MediaIndex"
import type { BadMedia, StoreFailure } from "@joy/media/MediaError"
import * as ObjectBytes from "@joy/media/ObjectBytes"
import type { DerivedStore, SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"

import * as ByteCache from "./ByteCache.ts"
import type { Piece } from "./hls/Layout.ts"
import { objectOf, type SourceVersion, stores } from "./SourceVersion.ts"

const mebibyte = 2 ** 20
/** The last seconds of a few viewers: each sound asks for the same stretches as the pictures. */
const capacityBytes = 64 * mebibyte
/** Of stretches that are on their way at once. */
const inFlightMebibytes = 256

export interface SampledStretch {
  readonly bytes: Uint8Array
  /** Of each track of the index in turn; their offsets are those in the object. */
  readonly samples: ReadonlyArray<Samples>
}

interface Wanted {
  readonly source: SourceVersion
  readonly index: MediaIndex & { readonly cues: Cues }
  readonly stretch: Stretch
}

/** Pieces of an object, one behind the other, out of bytes of it that begin at `start`. */
export const cutOut = (
  { bytes, start }: { readonly bytes: Uint8Array; readonly start: number },
  pieces: ReadonlyArray<Piece>
): Uint8Array => {
  const [part = new Uint8Array(), ...others] = pieces.map((piece) =>
    bytes.subarray(piece.start - start, piece.end - start)
  )
  return others.length === 0 ? part : Buffer.concat([part, ...others])
}

/** Stretches of objects whose samples show in them alone, each read once by all who want something of it. */
export class SourceStretches extends Context.Service<
  SourceStretches,
  {
    /** Of a stretch of a plan. Fails with a `BadMedia` where the index doesn't lead to what it names. */
    readonly read: (wanted: Wanted) => Effect.Effect<SampledStretch, BadMedia | StoreFailure>
  }
>()("@joy/playback/SourceStretches") {
  static readonly layer: Layer.Layer<SourceStretches, never, DerivedStore | SourceStore> = Layer.effect(
    SourceStretches,
    Effect.gen(function* () {
      const storeOf = yield* stores
      const inFlight = yield* Semaphore.make(inFlightMebibytes)

      const load = Effect.fn("SourceStretches.load")(function* ({
        index,
        source,
        stretch
      }: Wanted): Effect.fn.Return<SampledStretch, BadMedia | StoreFailure> {
        const end = endOf(stretch, index.cues)
        const size = end - stretch.start
        const bytes = yield* inFlight.withPermits(Math.ceil(size / mebibyte))(
          ObjectBytes.readPart(storeOf(source), objectOf(source), stretch.start, end)
        )
        return { bytes, samples: yield* samplesIn(index, stretch, bytes) }
      }, Effect.scoped)

      const cache = yield* ByteCache.make<Wanted, SampledStretch, BadMedia | StoreFailure>({
        capacityBytes,
        idOf: ({ source: { etag, key }, stretch: { next, nextSkip, skip, start } }) =>
          `${key}\0${etag}\0${start}+${skip}-${next}+${nextSkip}`,
        bytesOf: ({ bytes, samples }) => samples.reduce((sum, { count }) => sum + count * 24, bytes.byteLength),
        load
      })

      return SourceStretches.of({ read: cache.get })
    })
  )
}
