import { ItemIngest } from "@joy/catalog/ItemIngest"
import { StoredObject } from "@joy/domain/StoredObject"
import type { FfmpegMissing, MediaError } from "@joy/media/MediaError"
import { Probe } from "@joy/media/Probe"
import { ProbeResult } from "@joy/media/ProbeResult"
import { Thumbnails } from "@joy/media/Thumbnails"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, SourceStore } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { IngestConfig } from "./IngestConfig.ts"
import { ObjectLedger } from "./ObjectLedger.ts"
import { Outbox, type TakenWork } from "./Outbox.ts"
import * as Retries from "./Retries.ts"
import { Signals } from "./Signals.ts"
import { Slots } from "./Slots.ts"

/** The object or its item is another one by now, or gone. Not a failure: somebody else's turn. */
export class Superseded extends Schema.TaggedError<Superseded>()("Superseded", {}) {}

/** A step failed. Its class says whether it may go better later. */
export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", {
  step: Schema.String,
  message: Schema.String,
  failure: Retries.FailureClass
}) {}

export const StepError = Schema.Union([Superseded, StepFailed])

/** What was drawn: the pictures themselves are in the derived store. */
export const Pictures = Schema.Struct({
  thumbnails: Schema.Array(Schema.Struct({ width: Schema.Finite, height: Schema.Finite })),
  thumbhash: Schema.NullOr(Schema.String)
})
export type Pictures = typeof Pictures.Type

/** Raised when thumbnails are drawn in another way: those of an older version can be told and drawn anew. */
const thumbnailVersion = 1

/** An object that was begun this much more often than it was tried takes the process with it each time. */
const deadlyStarts = 10
/** Steps that count their beginning. */
const countedSteps = 2

const objectOf = (target: TakenWork) =>
  new StoredObject({ key: target.key, etag: target.etag, sizeBytes: target.sizeBytes, modifiedAt: 0 })

const storeFailing = (step: string) => (error: StoreUnavailable) =>
  new StepFailed({
    step,
    message: error.message,
    failure: error.isFull ? "space" : error.retryable ? "network" : "refused"
  })

const failing = (step: string) => (error: MediaError) => {
  switch (error._tag) {
    case "ObjectChanged":
    case "ObjectNotFound":
      return new Superseded()
    case "StoreUnavailable":
      return storeFailing(step)(error)
    case "FfmpegMissing":
      return new StepFailed({ step, message: error.message, failure: "refused" })
    default:
      return new StepFailed({ step, message: error.message, failure: "media" })
  }
}
const superseded = () => Effect.fail(new Superseded())

/** The steps that make an item out of an object. Each may be done twice, and reads only the version it is meant for. */
export class IngestSteps extends Context.Service<
  IngestSteps,
  {
    /** Finds out what the object is and writes it down. */
    readonly probe: (target: TakenWork) => Effect.Effect<void, StepFailed | Superseded>
    /** Draws the thumbnails into the derived store. None where there is nothing to be drawn, or nothing to draw with. */
    readonly thumbnails: (target: TakenWork) => Effect.Effect<Pictures, StepFailed | Superseded>
    /** Looks whether the pictures are there, and shows the item. With that the work is done. */
    readonly publish: (target: TakenWork, pictures: Pictures) => Effect.Effect<void, StepFailed | Superseded>
    /** Ends a run that failed: with another one later, or with a failure that stands and is shown. */
    readonly conclude: (target: TakenWork, failed: StepFailed) => Effect.Effect<"again" | "failed">
    /** Ends a run whose object is another one by now, or gone. */
    readonly withdraw: (target: TakenWork) => Effect.Effect<void>
  }
>()("@joy/ingest/IngestSteps") {
  static readonly layer = Layer.effect(
    IngestSteps,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const config = yield* IngestConfig
      const source = yield* SourceStore
      const derived = yield* DerivedStore
      const items = yield* ItemIngest
      const ledger = yield* ObjectLedger
      const outbox = yield* Outbox
      const prober = yield* Probe
      const artist = yield* Thumbnails
      const signals = yield* Signals
      const slots = yield* Slots
      let warned = false
      const transaction = <A, E>(effect: Effect.Effect<A, E>) =>
        sql.withTransaction(effect).pipe(Effect.catchIf(isSqlError, Effect.die))

      /** Isolates what a type system can't: an object that ends the whole process when it is read. */
      const begin = Effect.fnUntraced(function* (target: TakenWork, step: string) {
        const starts = yield* outbox.begun(target)
        if (starts - countedSteps < deadlyStarts) return
        const message = `Ingest ended ${deadlyStarts} times while it was reading this object`
        return yield* new StepFailed({ step, message, failure: "media" })
      })

      const probe = Effect.fn("IngestSteps.probe")(
        function* (target: TakenWork) {
          yield* items.startProcessing(target.itemId, target.etag)
          yield* begin(target, "probe")
          const found = yield* prober.probe(source, objectOf(target)).pipe(Effect.mapError(failing("probe")))
          yield* items.recordProbe(target.itemId, target.etag, {
            ...found,
            metadata: {
              tags: found.tags,
              orientation: found.orientation,
              pictures: found.pictures,
              location: found.location,
              frameRateFraction: found.frameRateFraction
            }
          })
        },
        Effect.catchTag("ItemSuperseded", superseded)
      )

      /** The result of the probe as it stands in the catalogue: a workflow carries keys, not contents. */
      const probed = Effect.fnUntraced(function* (target: TakenWork) {
        const { metadata, ...found } = yield* items.probedOf(target.itemId, target.etag)
        return yield* Effect.orDie(
          Schema.decodeUnknownEffect(ProbeResult)(
            typeof metadata === "object" && metadata !== null ? { ...found, ...metadata } : found
          )
        )
      })

      const withoutFfmpeg = Effect.fnUntraced(function* (missing: FfmpegMissing) {
        if (!warned) yield* Effect.logWarning(`Videos have no thumbnails: ${missing.message}`)
        warned = true
        return { images: [], thumbhash: null }
      })

      const thumbnails = Effect.fn("IngestSteps.thumbnails")(
        function* (target: TakenWork) {
          yield* begin(target, "thumbnails")
          const found = yield* probed(target)
          const drawn = yield* artist
            .make(source, objectOf(target), found)
            .pipe(Effect.catchTag("FfmpegMissing", withoutFfmpeg), Effect.mapError(failing("thumbnails")))
          yield* Effect.forEach(
            drawn.images,
            (image) =>
              derived.write(DerivedKeys.thumbnail(target.itemId, target.etag, image.width, image.format), image.bytes, {
                contentType: `image/${image.format}`
              }),
            { concurrency: 4, discard: true }
          ).pipe(
            Effect.catchTags({
              StoreUnavailable: (error) => Effect.fail(storeFailing("thumbnails")(error)),
              StoreReadOnly: () =>
                Effect.fail(
                  new StepFailed({
                    step: "thumbnails",
                    message: "The folder or bucket for what is made from the originals can't be written to",
                    failure: "refused"
                  })
                )
            })
          )
          // Both formats of a width are one thumbnail.
          const sizes = new Map(drawn.images.map(({ height, width }) => [width, { width, height }]))
          return { thumbnails: [...sizes.values()].toSorted((a, b) => a.width - b.width), thumbhash: drawn.thumbhash }
        },
        Effect.catchTag("ItemSuperseded", superseded)
      )

      /** Pictures of versions that the item no longer has. That they are still there for a while harms nobody. */
      const tidy = Effect.fnUntraced(function* (target: TakenWork) {
        const current = DerivedKeys.thumbnail(target.itemId, target.etag, 0, "webp")
        const folder = current.slice(0, current.lastIndexOf("/") + 1)
        const { objects } = yield* derived.list({ prefix: `${target.itemId}/` })
        const old = objects.filter(({ key }) => !key.startsWith(folder))
        yield* Effect.forEach(old, ({ key }) => derived.delete(key), { discard: true })
      })

      const publish = Effect.fn("IngestSteps.publish")(
        function* (target: TakenWork, pictures: Pictures) {
          const keys = pictures.thumbnails.flatMap(({ width }) =>
            (["webp", "jpeg"] as const).map((format) =>
              DerivedKeys.thumbnail(target.itemId, target.etag, width, format)
            )
          )
          // The step before this one may have ended before a restart, and the folder been emptied since.
          yield* Effect.forEach(keys, derived.head, { concurrency: 4, discard: true }).pipe(
            Effect.catchTags({
              StoreUnavailable: (error) => Effect.fail(storeFailing("publish")(error)),
              ObjectNotFound: (error) =>
                Effect.fail(
                  new StepFailed({
                    step: "publish",
                    message: `The thumbnail ${error.key} is gone`,
                    failure: "unforeseen"
                  })
                )
            })
          )
          yield* transaction(
            Effect.gen(function* () {
              yield* items.publishReady(target.itemId, target.etag, pictures)
              yield* ledger.processed(target.key, target.etag, thumbnailVersion)
              yield* outbox.done(target)
            })
          )
          if (target.run > 1) yield* Effect.ignore(tidy(target))
        },
        Effect.catchTag("ItemSuperseded", superseded)
      )

      const conclude = Effect.fn("IngestSteps.conclude")(function* (target: TakenWork, failed: StepFailed) {
        const { failure, message, step } = failed
        const what = `Ingest of ${JSON.stringify(target.key)} failed at ${step} (attempt ${target.attempt}): ${message}`
        if (failure === "space") yield* slots.rest(config.fullDiskRest)
        const retry = yield* Retries.after(config, failure, target.attempt)
        if (retry._tag === "Again") {
          yield* outbox.retry(target, retry)
          yield* Effect.logInfo(what)
          return "again"
        }
        yield* items.recordFailure(target.itemId, target.etag, { step, message, attempts: target.attempt }).pipe(
          Effect.catchTag("ItemSuperseded", () => Effect.void),
          Effect.andThen(outbox.done(target)),
          transaction
        )
        yield* Effect.logWarning(what)
        return "failed"
      })

      // The scanner is to see what the object is by now.
      const withdraw = Effect.fn("IngestSteps.withdraw")((target: TakenWork) =>
        transaction(Effect.andThen(outbox.done(target), signals.wakeScanner))
      )

      return IngestSteps.of({ probe, thumbnails, publish, conclude, withdraw })
    })
  )
}
