import { build } from "@joy/media/index/BuildIndex"
import * as IndexFile from "@joy/media/index/IndexFile"
import { type MediaIndex, residentBytes } from "@joy/media/index/MediaIndex"
import type { BadMedia, StoreFailure } from "@joy/media/MediaError"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, type SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

import * as ByteCache from "./ByteCache.ts"
import { objectOf, type SourceVersion, stores } from "./SourceVersion.ts"

/** A dozen films of two hours. */
const capacityBytes = 128 * 2 ** 20
/** Indexes that are built at once: each may hold as much as the largest index has. */
const buildsAtOnce = 4
/** Of what can't be indexed only that is kept. */
const refusalBytes = 1024

/** A bad object stays bad at its version, and is not read again for each who asks. */
type Known = Result.Result<MediaIndex, BadMedia>

const keyOf = ({ etag, isRendition, itemId, key }: SourceVersion) =>
  isRendition === true ? DerivedKeys.renditionIndex(key, etag) : DerivedKeys.containerIndex(itemId, etag)

export class ContentIndexes extends Context.Service<
  ContentIndexes,
  {
    /**
     * Where the samples of an object are. Built when it is first asked for, by one reader however many ask, kept in the derived
     * store, and in memory. Fails with `ObjectChanged` when the object has another version by now, unless it is known.
     */
    readonly get: (source: SourceVersion) => Effect.Effect<MediaIndex, BadMedia | StoreFailure>
  }
>()("@joy/playback/ContentIndexes") {
  static readonly layer: Layer.Layer<ContentIndexes, never, DerivedStore | SourceStore> = Layer.effect(
    ContentIndexes,
    Effect.gen(function* () {
      const derived = yield* DerivedStore
      const storeOf = yield* stores
      const builds = yield* Semaphore.make(buildsAtOnce)

      /** What was kept; `null` where there is nothing, or nothing of use: then it is made anew. */
      const kept = Effect.fnUntraced(
        function* (source: SourceVersion) {
          const { object, stream } = yield* derived.read(keyOf(source))
          const file = new Uint8Array(object.sizeBytes)
          let filled = 0
          yield* Stream.runForEach(stream, (chunk) =>
            Effect.sync(() => {
              file.set(chunk.subarray(0, file.length - filled), filled)
              filled += chunk.length
            })
          )
          const index = yield* IndexFile.decode(file)
          return index.sizeBytes === source.sizeBytes ? index : null
        },
        Effect.scoped,
        Effect.catchTags({
          ObjectNotFound: () => Effect.succeed(null),
          NotAnIndex: (error) => Effect.as(Effect.logDebug("A kept index is made anew", error), null),
          ObjectChanged: () => Effect.succeed(null),
          RangeNotSatisfiable: () => Effect.succeed(null),
          StoreUnavailable: (error) => Effect.as(Effect.logWarning("A kept index could not be read", error), null)
        })
      )

      /** Playing goes on without what can't be kept. */
      const keep = (source: SourceVersion, index: MediaIndex) =>
        derived.write(keyOf(source), IndexFile.encode(index), { contentType: "application/octet-stream" }).pipe(
          Effect.catchTags({
            StoreReadOnly: () => Effect.void,
            StoreUnavailable: (error) => Effect.logWarning("An index could not be kept", error)
          })
        )

      const load = Effect.fn("ContentIndexes.load")(function* (
        source: SourceVersion
      ): Effect.fn.Return<Known, StoreFailure> {
        const found = yield* kept(source)
        if (found !== null) return Result.succeed(found)
        const built = yield* Effect.result(builds.withPermits(1)(build(storeOf(source), objectOf(source))))
        if (Result.isSuccess(built)) {
          yield* keep(source, built.success)
          return Result.succeed(built.success)
        }
        switch (built.failure._tag) {
          case "UnreadableMedia":
          case "MediaResourceExceeded":
            return Result.fail(built.failure)
          default:
            return yield* built.failure
        }
      })

      const cache = yield* ByteCache.make<SourceVersion, Known, StoreFailure>({
        capacityBytes,
        idOf: ({ etag, itemId, key }) => `${itemId}\0${etag}\0${key}`,
        bytesOf: (known) => (Result.isSuccess(known) ? residentBytes(known.success) : refusalBytes),
        load
      })

      const get = Effect.fn("ContentIndexes.get")(function* (source: SourceVersion) {
        return yield* Effect.fromResult(yield* cache.get(source))
      })

      return ContentIndexes.of({ get })
    })
  )
}
