import type { StoredObject } from "@joy/domain/StoredObject"
import { SourceStore } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { type KnownObject, ObjectLedger } from "./ObjectLedger.ts"

export interface Moved {
  readonly object: StoredObject
  /** Under its old key. */
  readonly known: KnownObject
}

const versionOf = (object: { readonly etag: string; readonly sizeBytes: number }) =>
  `${object.sizeBytes} ${object.etag}`

/**
 * Tells new objects from known ones under a new key: the version is one that is known, and its old key is gone from the
 * store. Asking the store at once makes it independent of which key is listed first. Where the old key holds another
 * object by now, the path counts more than the content: its item is the replaced one's, and the new key is new.
 */
export class Moves extends Context.Service<
  Moves,
  {
    /** Gives those of the new objects that were moved; no known object twice. */
    readonly find: (added: ReadonlyArray<StoredObject>) => Effect.Effect<ReadonlyArray<Moved>, StoreUnavailable>
  }
>()("@joy/ingest/Moves") {
  static readonly layer = Layer.effect(
    Moves,
    Effect.gen(function* () {
      const store = yield* SourceStore
      const ledger = yield* ObjectLedger

      const isGone = (known: KnownObject) =>
        store.head(known.key).pipe(
          Effect.as(false),
          Effect.catchTag("ObjectNotFound", () => Effect.succeed(true))
        )

      const find = Effect.fn("Moves.find")(function* (added: ReadonlyArray<StoredObject>) {
        // Every empty object has the version of every other one.
        const candidates = added.filter((object) => object.sizeBytes > 0)
        if (candidates.length === 0) return []
        const known = yield* ledger.sameVersion(candidates)
        const gone = yield* Effect.filter(known, isGone, { concurrency: 16 })
        const free = Map.groupBy(gone, versionOf)
        return candidates.flatMap((object): ReadonlyArray<Moved> => {
          const former = free.get(versionOf(object))?.shift()
          return former === undefined ? [] : [{ object, known: former }]
        })
      })

      return Moves.of({ find })
    })
  )
}
