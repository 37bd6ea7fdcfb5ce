import { ObjectKey } from "@joy/domain/StoredObject"
import type { StoreNotification } from "@joy/domain/StoreNotification"
import { isReservedKey } from "@joy/storage/ReservedKeys"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"

import { ObjectEvents } from "./ObjectEvents.ts"

/** The bucket that the library is in, and the part of its keys that comes before ours. */
export interface Observed {
  readonly bucket: string
  readonly prefix: string
}

/** What changes which objects there are. Reading one must not lead to another look at it. */
const changes =
  /^(?:s3:)?(?:Object(?:Created|Removed|Restore)|Lifecycle(?:Expiration|Transition))|^Object (?:Created|Deleted|Restore|Storage Class)/

const decodeUri = Option.liftThrowable(decodeURIComponent)

/**
 * What a key may mean. S3 and MinIO write it as in a form, with `+` for a space; EventBridge and versitygw as it is. Which
 * one it was can't be seen, and need not: the store is asked, and what it does not have was not meant.
 */
const readings = (key: string): ReadonlyArray<string> => [
  ...new Set([key, ...Option.toArray(decodeUri(key)), ...Option.toArray(decodeUri(key.replaceAll("+", " ")))])
]

const isKey = (key: string) =>
  key !== "" && Buffer.byteLength(key) <= 1024 && key.isWellFormed() && !key.includes("\u0000") && !isReservedKey(key)

interface Spoken {
  readonly bucket: string
  readonly key: string
  readonly sequencer: string | null
}

const spokenOf = (notification: StoreNotification): ReadonlyArray<Spoken> => {
  if ("Event" in notification) return []
  const all =
    "Records" in notification
      ? notification.Records.map(({ eventName, s3 }) => ({ name: eventName, ...s3 }))
      : [{ name: notification["detail-type"], ...notification.detail }]
  return all.flatMap(({ bucket, name, object }) =>
    changes.test(name) ? [{ bucket: bucket.name, key: object.key, sequencer: object.sequencer ?? null }] : []
  )
}

/** Takes what an object store posts. Works in any process: whoever ingests finds it in the database. */
export class StoreNews extends Context.Service<
  StoreNews,
  {
    /**
     * Notes the keys that it speaks of. It is no more than a hint where to look: that something is there, or gone, is
     * believed when the store itself says so. What is about other buckets and prefixes is let pass.
     */
    readonly receive: (notification: StoreNotification) => Effect.Effect<void>
  }
>()("@joy/ingest/StoreNews") {
  static readonly layerNoDeps = (observed: Observed | null) =>
    Layer.effect(
      StoreNews,
      Effect.gen(function* () {
        const events = yield* ObjectEvents
        const receive = Effect.fn("StoreNews.receive")(function* (notification: StoreNotification) {
          if (observed === null) return
          const { bucket, prefix } = observed
          yield* events.add(
            spokenOf(notification)
              .filter((spoken) => spoken.bucket === bucket)
              .flatMap(({ key, sequencer }) =>
                readings(key)
                  .filter((reading) => reading.startsWith(prefix))
                  .map((reading) => reading.slice(prefix.length))
                  .filter(isKey)
                  .map((reading) => ({ key: ObjectKey.make(reading), sequencer }))
              )
          )
        })
        return StoreNews.of({ receive })
      })
    )

  /** Without a bucket nothing is noted. */
  static readonly layer = (observed: Observed | null): Layer.Layer<StoreNews, never, SqlClient.SqlClient> =>
    StoreNews.layerNoDeps(observed).pipe(Layer.provide(ObjectEvents.layer))
}
