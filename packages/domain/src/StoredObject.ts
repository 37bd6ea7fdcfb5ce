import * as Schema from "effect/Schema"

/**
 * The name of an object inside its store: the path below the library folder with `/` between its parts, or the S3 key
 * below `S3_PREFIX`. At most 1,024 bytes of UTF-8 (the limit of S3, *Creating object key names*). Keys are ordered by
 * their bytes, which is the order S3 lists in and is not the order JavaScript compares strings in.
 */
export const ObjectKey = Schema.String.check(
  Schema.makeFilter((key: string) => key.length > 0 && new TextEncoder().encode(key).length <= 1024, {
    expected: "a key of 1 to 1,024 bytes"
  })
).pipe(Schema.brand("ObjectKey"), Schema.annotate({ identifier: "ObjectKey" }))
export type ObjectKey = typeof ObjectKey.Type

/**
 * The opaque validator of one version of an object, without quotes: S3's own ETag, or for a folder one made of size,
 * modification time in nanoseconds and inode.
 */
export const ETag = Schema.NonEmptyString.pipe(Schema.brand("ETag"), Schema.annotate({ identifier: "ETag" }))
export type ETag = typeof ETag.Type

/** What a store says about an object without reading it. */
export class StoredObject extends Schema.Class<StoredObject>("StoredObject")({
  key: ObjectKey,
  etag: ETag,
  /** Length of the object in bytes. */
  sizeBytes: Schema.Finite,
  /** Milliseconds since the epoch at which the store last saw it written. */
  modifiedAt: Schema.Finite
}) {}
