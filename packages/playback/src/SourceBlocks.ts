import type { StoreFailure } from "@joy/media/MediaError"
import * as ObjectBytes from "@joy/media/ObjectBytes"
import type { DerivedStore, SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

import * as ByteCache from "./ByteCache.ts"
import type { Piece } from "./hls/Layout.ts"
import { objectOf, type SourceVersion, stores } from "./SourceVersion.ts"

const blockBytes = 2 ** 20
/** The last seconds of a few viewers: sound and pictures of the same time ask for the same blocks. */
const capacityBytes = 64 * 2 ** 20
/** Together they are never more bytes than this many blocks. */
const readsAtOnce = 32

interface Block {
  readonly source: SourceVersion
  readonly number: number
}

/** What is wanted of one block: its pieces, one behind the other. */
interface Share {
  readonly number: number
  readonly pieces: ReadonlyArray<Piece>
}

const sharesOf = (pieces: ReadonlyArray<Piece>): ReadonlyArray<Share> => {
  const shares: Array<{ number: number; pieces: Array<Piece> }> = []
  for (const { end, start } of pieces) {
    for (let at = start; at < end;) {
      const number = Math.floor(at / blockBytes)
      const until = Math.min(end, (number + 1) * blockBytes)
      const share = shares.at(-1)
      if (share?.number === number) share.pieces.push({ start: at, end: until })
      else shares.push({ number, pieces: [{ start: at, end: until }] })
      at = until
    }
  }
  return shares
}

/**
 * Small parts of objects, read in blocks that all who want something of them share: the sound of a film lies between its
 * pictures in a hundred pieces a segment, and whoever plays both would read all of it twice.
 */
export class SourceBlocks extends Context.Service<
  SourceBlocks,
  {
    /** The bytes of the pieces, in their order, a block at a time as they are consumed. */
    readonly gather: (source: SourceVersion, pieces: ReadonlyArray<Piece>) => Stream.Stream<Uint8Array, StoreFailure>
  }
>()("@joy/playback/SourceBlocks") {
  static readonly layer: Layer.Layer<SourceBlocks, never, DerivedStore | SourceStore> = Layer.effect(
    SourceBlocks,
    Effect.gen(function* () {
      const storeOf = yield* stores
      const reads = yield* Semaphore.make(readsAtOnce)
      const blocks = yield* ByteCache.make<Block, Uint8Array, StoreFailure>({
        capacityBytes,
        idOf: ({ number, source }) => `${source.key}\0${source.etag}\0${number}`,
        bytesOf: (bytes) => bytes.byteLength,
        load: ({ number, source }) => {
          const start = number * blockBytes
          const end = Math.min(source.sizeBytes, start + blockBytes)
          return reads.withPermits(1)(ObjectBytes.readPart(storeOf(source), objectOf(source), start, end))
        }
      })

      const gather = (source: SourceVersion, pieces: ReadonlyArray<Piece>) =>
        Stream.fromIterable(sharesOf(pieces)).pipe(
          Stream.mapEffect(
            ({ number, pieces }) =>
              Effect.map(blocks.get({ source, number }), (block): Uint8Array => {
                const parts = pieces.map(({ end, start }) =>
                  block.subarray(start - number * blockBytes, end - number * blockBytes)
                )
                return parts.length === 1 ? (parts[0] ?? block) : Buffer.concat(parts)
              }),
            // The next one is on its way while this one is sent.
            { concurrency: 2 }
          )
        )

      return SourceBlocks.of({ gather })
    })
  )
}
