import type { ObjectKey } from "@joy/domain/StoredObject"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import { DerivedStore, type ObjectStore, SourceStore } from "./ObjectStore.ts"
import { isReservedKey } from "./ReservedKeys.ts"
import * as Bucket from "./s3/Bucket.ts"
import * as Failure from "./s3/Failure.ts"
import * as Listing from "./s3/Listing.ts"
import type { Options } from "./s3/Options.ts"
import * as Reading from "./s3/Reading.ts"
import * as Writing from "./s3/Writing.ts"
import { PresignUnsupported, StoreReadOnly } from "./StoreError.ts"

export type { Options } from "./s3/Options.ts"

/** S3 allows seven days, and no part of a second. */
const toExpirySeconds = (expiresIn: Duration.Input) =>
  Math.min(Math.max(Math.ceil(Duration.toSeconds(expiresIn)), 1), 7 * 24 * 60 * 60)

/**
 * A store whose objects are those of a bucket below a prefix. Nothing is asked of the server until the first call, so
 * that one that is down at start is an error of that call and not of the start.
 */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<ObjectStore, never, Scope.Scope> {
  const bucket = yield* Bucket.open(options)
  const { client, sdk } = bucket
  const at = (key: ObjectKey) => ({ Bucket: bucket.name, Key: bucket.prefix + key })
  const readOnly = options.readOnly ?? false
  const { getSignedUrl } = yield* Effect.promise(() => import("@aws-sdk/s3-request-presigner"))

  /** A URL is made here, without the server: what can go wrong is that there are no credentials to sign with. */
  const signed = (effect: Effect.Effect<string, Failure.S3Error>) =>
    effect.pipe(
      Effect.tapError((error) =>
        Effect.logWarning(`No URL could be signed: ${bucket.unavailable("presign")(error).reason}`)
      ),
      Effect.mapError(() => new PresignUnsupported({}))
    )

  return {
    kind: "s3",
    location: `s3://${bucket.name}/${bucket.prefix}`,
    list: Listing.list(bucket),
    head: Effect.fn("S3Store.head")(function* (key) {
      return yield* Reading.head(bucket, key)
    }),
    read: Effect.fn("S3Store.read")(function* (key, read = {}) {
      return yield* Reading.read(bucket, key, read)
    }),
    watch: null,
    openLocal: () => Effect.succeed(null),
    write: Effect.fn("S3Store.write")(function* (key, body, write = {}) {
      if (readOnly) return yield* new StoreReadOnly({ key })
      return yield* Writing.write(bucket, key, body, write.contentType)
    }),
    writeFile: Effect.fn("S3Store.writeFile")(function* (key, path, write = {}) {
      if (readOnly) return yield* new StoreReadOnly({ key })
      return yield* Writing.writeFile(bucket, key, path, write.contentType)
    }),
    delete: Effect.fn("S3Store.delete")(function* (key) {
      if (readOnly) return yield* new StoreReadOnly({ key })
      if (isReservedKey(key)) return
      yield* bucket
        .request((abort) => client.send(new sdk.DeleteObjectCommand(at(key)), abort))
        .pipe(
          Effect.catch((error) =>
            Failure.isNotFound(error) ? Effect.void : Effect.fail(bucket.unavailable("delete")(error))
          )
        )
    }),
    presignGet: Effect.fn("S3Store.presignGet")(function* (key, { contentType, expiresIn }) {
      const command = new sdk.GetObjectCommand({ ...at(key), ResponseContentType: contentType })
      return yield* signed(
        bucket.request(() => getSignedUrl(client, command, { expiresIn: toExpirySeconds(expiresIn) }))
      )
    }),
    presignPut: Effect.fn("S3Store.presignPut")(function* (key, { contentType, expiresIn, sizeBytes }) {
      if (readOnly) return yield* new PresignUnsupported({})
      const command = new sdk.PutObjectCommand({ ...at(key), ContentType: contentType, ContentLength: sizeBytes })
      return yield* signed(
        bucket.request(() =>
          getSignedUrl(client, command, {
            expiresIn: toExpirySeconds(expiresIn),
            // Without these two the URL would take any type and any length.
            signableHeaders: new Set(["host", "content-type", "content-length"])
          })
        )
      )
    })
  }
})

export const layerSource = (options: Options): Layer.Layer<SourceStore> => Layer.effect(SourceStore, make(options))

export const layerDerived = (options: Options): Layer.Layer<DerivedStore> => Layer.effect(DerivedStore, make(options))
