import { open } from "node:fs/promises"

import { type ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

import { isReservedKey } from "../ReservedKeys.ts"
import { StoreUnavailable } from "../StoreError.ts"
import type { Bucket } from "./Bucket.ts"
import * as Failure from "./Failure.ts"
import * as Reading from "./Reading.ts"

/** Larger files are sent in parts, of which S3 takes 10,000 at the most; the whole of one part is in memory. */
const partBytes = 16 * 2 ** 20
const maxParts = 10_000

const refused = (reason: string) => new StoreUnavailable({ operation: "write", reason, retryable: false })

const at = (bucket: Bucket, key: ObjectKey) => ({ Bucket: bucket.name, Key: bucket.prefix + key })

const stored = Effect.fnUntraced(function* (key: ObjectKey, etag: string | undefined, sizeBytes: number) {
  if (!etag) return yield* refused(`the server told no ETag of ${key}: is it an S3 server?`)
  // The answer tells no time. This one differs from S3's by a second or so, which saves a request per derivative.
  const modifiedAt = yield* Clock.currentTimeMillis
  return new StoredObject({ key, etag: Reading.unquote(etag), sizeBytes, modifiedAt })
})

export const write = Effect.fnUntraced(function* (
  bucket: Bucket,
  key: ObjectKey,
  body: Uint8Array,
  contentType = "application/octet-stream"
) {
  if (isReservedKey(key)) return yield* refused(`${key} is a reserved name`)
  const command = new bucket.sdk.PutObjectCommand({
    ...at(bucket, key),
    Body: body,
    ContentLength: body.byteLength,
    ContentType: contentType
  })
  const answer = yield* bucket
    .request((abort) => bucket.client.send(command, abort))
    .pipe(Effect.mapError(bucket.unavailable("write")))
  return yield* stored(key, answer.ETag, body.byteLength)
})

const fromFile = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => refused(`what was to be written could not be read: ${Failure.inspect(cause).detail}`)
  })

/** An upload in parts, which is seen when it is complete. One that fails is taken back. */
const inParts = Effect.fnUntraced(function* (
  bucket: Bucket,
  key: ObjectKey,
  file: {
    readonly sizeBytes: number
    readonly read: (from: number, to: number) => Effect.Effect<Uint8Array, StoreUnavailable>
  },
  contentType: string
) {
  const { client, sdk } = bucket
  const unavailable = bucket.unavailable("write")
  const target = at(bucket, key)
  const size = Math.max(partBytes, Math.ceil(file.sizeBytes / maxParts))
  return yield* Effect.acquireUseRelease(
    bucket
      .request((abort) =>
        client.send(new sdk.CreateMultipartUploadCommand({ ...target, ContentType: contentType }), abort)
      )
      .pipe(
        Effect.mapError(unavailable),
        Effect.flatMap(({ UploadId }) =>
          UploadId === undefined
            ? Effect.fail(refused("the server began no upload: is it an S3 server?"))
            : Effect.succeed({ ...target, UploadId })
        )
      ),
    Effect.fnUntraced(function* (upload) {
      const parts = yield* Effect.forEach(
        Array.from({ length: Math.ceil(file.sizeBytes / size) }, (_, i) => i),
        Effect.fnUntraced(function* (i) {
          const body = yield* file.read(i * size, Math.min(file.sizeBytes, (i + 1) * size))
          const PartNumber = i + 1
          const command = new sdk.UploadPartCommand({
            ...upload,
            PartNumber,
            Body: body,
            ContentLength: body.byteLength
          })
          const { ETag } = yield* Effect.mapError(
            bucket.request((abort) => client.send(command, abort)),
            unavailable
          )
          return { PartNumber, ETag }
        })
      )
      const command = new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } })
      const { ETag } = yield* Effect.mapError(
        bucket.request((abort) => client.send(command, abort)),
        unavailable
      )
      return yield* stored(key, ETag, file.sizeBytes)
    }),
    (upload, exit) =>
      Exit.isSuccess(exit)
        ? Effect.void
        : Effect.ignore(bucket.request((abort) => client.send(new sdk.AbortMultipartUploadCommand(upload), abort)))
  )
})

export const writeFile = Effect.fnUntraced(function* (
  bucket: Bucket,
  key: ObjectKey,
  path: string,
  contentType = "application/octet-stream"
) {
  if (isReservedKey(key)) return yield* refused(`${key} is a reserved name`)
  const file = yield* Effect.acquireRelease(
    fromFile(() => open(path, "r")),
    (file) => Effect.promise(() => file.close())
  )
  const sizeBytes = (yield* fromFile(() => file.stat())).size
  const read = Effect.fnUntraced(function* (from: number, to: number) {
    const bytes = new Uint8Array(to - from)
    for (let filled = 0; filled < bytes.length;) {
      const { bytesRead } = yield* fromFile(() => file.read(bytes, filled, bytes.length - filled, from + filled))
      if (bytesRead === 0) return yield* refused("what was to be written became shorter meanwhile")
      filled += bytesRead
    }
    return bytes
  })
  return sizeBytes <= partBytes
    ? yield* write(bucket, key, yield* read(0, sizeBytes), contentType)
    : yield* inParts(bucket, key, { sizeBytes, read }, contentType)
}, Effect.scoped)
