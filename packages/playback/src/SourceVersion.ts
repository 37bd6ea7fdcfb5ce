import type { MediaItemId } from "@joy/domain/Ids"
import { type ETag, type ObjectKey, StoredObject } from "@joy/domain/StoredObject"

/** One version of the object of an item: what everything that is played is made from. */
export interface SourceVersion {
  readonly itemId: MediaItemId
  readonly key: ObjectKey
  readonly etag: ETag
  readonly sizeBytes: number
}

/** As the store names it. When it was written is of no interest: the version says which one it is. */
export const objectOf = ({ etag, key, sizeBytes }: SourceVersion): StoredObject =>
  StoredObject.make({ key, etag, sizeBytes, modifiedAt: 0 })
