import { Readable } from "node:stream"

import type { GetObjectCommandOutput } from "@aws-sdk/client-s3"
import { ETag, type ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import * as ByteRanges from "../ByteRanges.ts"
import type { ByteRange, ObjectBody, ReadOptions } from "../ObjectStore.ts"
import { isReservedKey } from "../ReservedKeys.ts"
import { ObjectChanged, ObjectNotFound, RangeNotSatisfiable, StoreUnavailable } from "../StoreError.ts"
import * as Body from "./Body.ts"
import type { Bucket } from "./Bucket.ts"
import * as Failure from "./Failure.ts"

/** S3 gives and takes validators in quotes; elsewhere they have none. */
export const unquote = (etag: string): ETag =>
  ETag.make(etag.length > 2 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag)
const quote = (etag: ETag): string => (etag.startsWith("W/") ? etag : `"${etag}"`)

interface Described {
  readonly ETag?: string | undefined
  readonly LastModified?: Date | undefined
}

const describe = (
  operation: string,
  key: ObjectKey,
  sizeBytes: number | undefined,
  answer: Described
): Effect.Effect<StoredObject, StoreUnavailable> =>
  sizeBytes === undefined || !answer.ETag || answer.LastModified === undefined
    ? Effect.fail(
        new StoreUnavailable({
          operation,
          reason: `the server told no size, ETag or date of ${key}: is it an S3 server?`,
          retryable: false
        })
      )
    : Effect.succeed(
        new StoredObject({
          key,
          etag: unquote(answer.ETag),
          sizeBytes,
          modifiedAt: answer.LastModified.getTime()
        })
      )

export const head = Effect.fnUntraced(function* (
  bucket: Bucket,
  key: ObjectKey
): Effect.fn.Return<StoredObject, ObjectNotFound | StoreUnavailable> {
  if (isReservedKey(key)) return yield* new ObjectNotFound({ key })
  const answer = yield* bucket
    .request((abort) =>
      bucket.client.send(new bucket.sdk.HeadObjectCommand({ Bucket: bucket.name, Key: bucket.prefix + key }), abort)
    )
    .pipe(
      Effect.mapError((error) =>
        Failure.isNotFound(error) ? new ObjectNotFound({ key }) : bucket.unavailable("head")(error)
      )
    )
  return yield* describe("head", key, answer.ContentLength, answer)
})

/** A range that was refused, with the size that it was refused for, which the refusal itself need not tell. */
const refuse = Effect.fnUntraced(function* (bucket: Bucket, key: ObjectKey, options: ReadOptions) {
  const object = yield* head(bucket, key)
  if (options.ifMatch !== undefined && options.ifMatch !== object.etag) return yield* new ObjectChanged({ key })
  return yield* new RangeNotSatisfiable({ key, sizeBytes: object.sizeBytes })
})

/** The answer, whose body is destroyed with the scope even when the fiber is interrupted as it arrives. */
const get = Effect.fnUntraced(function* (
  bucket: Bucket,
  key: ObjectKey,
  options: ReadOptions
): Effect.fn.Return<
  { readonly answer: GetObjectCommandOutput; readonly body: Readable | null },
  Failure.S3Error,
  Scope.Scope
> {
  const { ifMatch, range } = options
  const held: { body: Readable | null; closed: boolean } = { body: null, closed: false }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      held.closed = true
      held.body?.destroy()
    })
  )
  const command = new bucket.sdk.GetObjectCommand({
    Bucket: bucket.name,
    Key: bucket.prefix + key,
    ...(range === undefined
      ? {}
      : { Range: `bytes=${range.start}-${Number.isSafeInteger(range.end) ? range.end : ""}` }),
    ...(ifMatch === undefined ? {} : { IfMatch: quote(ifMatch) })
  })
  const answer = yield* bucket.request((abort) =>
    bucket.client.send(command, abort).then((answer) => {
      if (answer.Body instanceof Readable) {
        held.body = answer.Body
        // Whoever pulls next is told of an error; one that comes while nobody does must not end the process.
        answer.Body.on("error", () => {})
        if (held.closed || abort.abortSignal.aborted) answer.Body.destroy()
      }
      return answer
    })
  )
  return { answer, body: held.body }
})

/** What the answer covers: "bytes 0-4/10" (RFC 9110, 14.4), or the whole object where it doesn't say. */
const parseContentRange = (answer: GetObjectCommandOutput) => {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "")
  if (match === null) return { covered: undefined, sizeBytes: answer.ContentLength }
  return { covered: { start: Number(match[1]), end: Number(match[2]) }, sizeBytes: Number(match[3]) }
}

const isSame = (left: ByteRange | null, right: ByteRange | null) =>
  left?.start === right?.start && left?.end === right?.end

export const read = Effect.fnUntraced(function* (
  bucket: Bucket,
  key: ObjectKey,
  options: ReadOptions
): Effect.fn.Return<ObjectBody, ObjectNotFound | ObjectChanged | RangeNotSatisfiable | StoreUnavailable, Scope.Scope> {
  if (isReservedKey(key)) return yield* new ObjectNotFound({ key })
  // S3 ignores a header that says nothing, and would send everything.
  if (options.range !== undefined && !ByteRanges.isRange(options.range)) return yield* refuse(bucket, key, options)
  const { answer, body } = yield* get(bucket, key, options).pipe(
    Effect.catch(
      (error): Effect.Effect<never, ObjectNotFound | ObjectChanged | RangeNotSatisfiable | StoreUnavailable> => {
        if (Failure.isNotFound(error)) return Effect.fail(new ObjectNotFound({ key }))
        if (Failure.isChanged(error)) return Effect.fail(new ObjectChanged({ key }))
        if (Failure.isUnsatisfiable(error)) return refuse(bucket, key, options)
        return Effect.fail(bucket.unavailable("read")(error))
      }
    )
  )
  const { covered, sizeBytes } = parseContentRange(answer)
  const object = yield* describe("read", key, sizeBytes, answer)
  const range = ByteRanges.cut(options.range, object.sizeBytes)
  if (range === "unsatisfiable") return yield* new RangeNotSatisfiable({ key, sizeBytes: object.sizeBytes })
  const whole = ByteRanges.cut(undefined, object.sizeBytes)
  if (body === null || whole === "unsatisfiable" || !isSame(range, covered ?? whole)) {
    return yield* new StoreUnavailable({
      operation: "read",
      reason: `the server sent other bytes of ${key} than it was asked for`,
      retryable: false
    })
  }
  return { object, range, stream: Body.stream(body, range === null ? 0 : range.end - range.start + 1) }
})
