import type { MediaContent } from "@joy/catalog/PlayableItems"
import type { MediaItemId } from "@joy/domain/Ids"
import { type ETag, type ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, type ObjectStore, SourceStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"

/** One version of the object of an item, or of its rendition: what everything that is played is made from. */
export interface SourceVersion {
  readonly itemId: MediaItemId
  readonly key: ObjectKey
  readonly etag: ETag
  readonly sizeBytes: number
  /** Lies in the derived store. */
  readonly isRendition?: boolean | undefined
}

/** As the store names it. When it was written is of no interest: the version says which one it is. */
export const objectOf = ({ etag, key, sizeBytes }: SourceVersion): StoredObject =>
  StoredObject.make({ key, etag, sizeBytes, modifiedAt: 0 })

/** What players get of an item: the rendition, where there is one. */
export const playedOf = ({ etag, id, key, rendition, sizeBytes }: MediaContent): SourceVersion =>
  rendition === null
    ? { itemId: id, key, etag, sizeBytes }
    : { itemId: id, key: DerivedKeys.rendition(id, etag), ...rendition, isRendition: true }

/** Finds the store that a version lies in. */
export const stores = Effect.gen(function* () {
  const derived = yield* DerivedStore
  const originals = yield* SourceStore
  return ({ isRendition }: SourceVersion): ObjectStore => (isRendition === true ? derived : originals)
})
