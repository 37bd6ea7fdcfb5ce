import type { _Object } from "@aws-sdk/client-s3"
import { ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

import type { ObjectPage, ObjectStore, UnusableEntry } from "../ObjectStore.ts"
import { isReservedKey, reservedFolder } from "../ReservedKeys.ts"
import { StoreUnavailable } from "../StoreError.ts"
import type { Bucket } from "./Bucket.ts"
import { unquote } from "./Reading.ts"

const maxLimit = 1000

const decodeUri = Option.liftThrowable(decodeURIComponent)

/** S3 has no longer keys than ours (*Creating object key names*), and lists none without a name. */
const unchecked = { disableChecks: true }

/** Behind every key of the reserved folder: going on from here skips a million derivatives in one step. */
const behindReserved = `${reservedFolder}\u{10FFFF}`

/**
 * Undoes `EncodingType: "url"`, which writes a space as `+`. Asked for because XML can't hold every character that a
 * key can; servers that don't know it say so by not saying it back, and their keys are as they are, but for characters
 * that XML has no place for: those are U+FFFD by then, and nobody knows which key it was, nor where it sorts.
 */
const decodeKey = (key: string, encoding: string | undefined): string | null => {
  if (encoding !== "url") return key.includes("\uFFFD") ? null : key
  if (!key.includes("%") && !key.includes("+")) return key
  return Option.getOrNull(decodeUri(key.replaceAll("+", " ")))
}

const toObject = (key: string, entry: _Object): StoredObject | null =>
  !entry.ETag || entry.Size === undefined || entry.LastModified === undefined
    ? null
    : new StoredObject(
        {
          key: ObjectKey.make(key, unchecked),
          etag: unquote(entry.ETag),
          sizeBytes: entry.Size,
          modifiedAt: entry.LastModified.getTime()
        },
        unchecked
      )

/** Where a key stands in the order of bytes: negative before `end`, positive behind it. */
const placeBy = (end: string | undefined) => {
  if (end === undefined) return () => -1
  const bytes = Buffer.from(end)
  return (key: string) => Buffer.compare(Buffer.from(key), bytes)
}

export const list = (bucket: Bucket): ObjectStore["list"] =>
  Effect.fn("S3Store.list")(function* (options = {}): Effect.fn.Return<ObjectPage, StoreUnavailable> {
    const { prefix = "" } = options
    // Behind the prefix itself at least, where consoles put an empty object that is none of ours.
    const startAfter = bucket.prefix + (options.startAfter ?? "")
    if (isReservedKey(prefix)) return { objects: [], unusable: [], nextStartAfter: null }
    const answer = yield* bucket
      .request((abort) =>
        bucket.client.send(
          new bucket.sdk.ListObjectsV2Command({
            Bucket: bucket.name,
            Prefix: bucket.prefix + prefix,
            // Not a continuation token: those expire, and a scan must be able to go on after a day.
            ...(startAfter === "" ? {} : { StartAfter: startAfter }),
            MaxKeys: Math.min(Math.max(options.limit ?? maxLimit, 1), maxLimit),
            EncodingType: "url"
          }),
          abort
        )
      )
      .pipe(Effect.mapError(bucket.unavailable("list")))

    const objects: Array<StoredObject> = []
    const unusable: Array<UnusableEntry> = []
    let last: string | null = null
    const placeOf = placeBy(options.upTo)
    for (const entry of answer.Contents ?? []) {
      const key = decodeKey(entry.Key ?? "", answer.EncodingType)?.slice(bucket.prefix.length) ?? null
      if (key === null) {
        unusable.push({
          key: (entry.Key ?? "").slice(bucket.prefix.length),
          reason: "Its key holds bytes or characters that the server can't tell: rename it"
        })
        continue
      }
      if (placeOf(key) > 0) return { objects, unusable, nextStartAfter: null }
      last = key
      // Consoles make an empty object `name/` for what they show as a folder.
      if ((key.endsWith("/") && entry.Size === 0) || isReservedKey(key)) continue
      const object = toObject(key, entry)
      if (object === null) unusable.push({ key, reason: "The server told no size, ETag or date of it" })
      else objects.push(object)
    }
    if (answer.IsTruncated !== true) return { objects, unusable, nextStartAfter: null }
    if (last === null) {
      return yield* new StoreUnavailable({
        operation: "list",
        reason: "the server says that there is more and gives no key to go on from",
        retryable: false
      })
    }
    if (placeOf(last) === 0) return { objects, unusable, nextStartAfter: null }
    return { objects, unusable, nextStartAfter: isReservedKey(last) && last !== ".joy" ? behindReserved : last }
  })
