import { ItemIngest } from "@joy/catalog/ItemIngest"
import { StoredObject } from "@joy/domain/StoredObject"
import { Probe } from "@joy/media/Probe"
import { ProbeResult } from "@joy/media/ProbeResult"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import type { DerivativeKind, Made } from "./DerivativeKind.ts"
import { Derivatives } from "./Derivatives.ts"
import * as FileNames from "./FileNames.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as IngestMetrics from "./IngestMetrics.ts"
import { ObjectLedger } from "./ObjectLedger.ts"
import { Outbox, type TakenWork } from "./Outbox.ts"
import * as Retries from "./Retries.ts"
import { Signals } from "./Signals.ts"
import { Slots } from "./Slots.ts"
import { ofMedia, StepFailed, Superseded } from "./StepErrors.ts"

/** An object that was begun this much more often than it was tried takes the process with it each time. */
const deadlyStarts = 10
/** Steps of a run that count their beginning, at the most. */
const countedSteps = 3

/** A derivative with the kind that it is of. */
export interface MadeOfKind {
  readonly kind: DerivativeKind
  readonly made: Made
}

const objectOf = (work: TakenWork) =>
  new StoredObject({ key: work.key, etag: work.etag, sizeBytes: work.sizeBytes, modifiedAt: 0 })
const superseded = () => Effect.fail(new Superseded())

/** The steps that make an item out of an object. Each may be done twice, and reads only the version it is meant for. */
export class IngestSteps extends Context.Service<
  IngestSteps,
  {
    /** Finds out what the object is and writes it down. */
    readonly probe: (work: TakenWork) => Effect.Effect<void, StepFailed | Superseded>
    /** Makes a derivative. */
    readonly derive: (work: TakenWork, kind: DerivativeKind) => Effect.Effect<Made, StepFailed | Superseded>
    /** Shows the item with what was made, if it is there, and adds the work that follows. With that the work is done. */
    readonly publish: (work: TakenWork, made: ReadonlyArray<MadeOfKind>) => Effect.Effect<void, StepFailed | Superseded>
    /** Puts a derivative that was made alone in its place, if it is there. With that the work is done. */
    readonly replace: (work: TakenWork, made: MadeOfKind) => Effect.Effect<void, StepFailed | Superseded>
    /** Ends a run that failed: with another one later, or with a failure that stands. */
    readonly conclude: (work: TakenWork, failed: StepFailed) => Effect.Effect<"again" | "failed">
    /** Ends a run whose object is another one by now, or gone. */
    readonly withdraw: (work: TakenWork) => Effect.Effect<void>
  }
>()("@joy/ingest/IngestSteps") {
  static readonly layer = Layer.effect(
    IngestSteps,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const config = yield* IngestConfig
      const source = yield* SourceStore
      const derived = yield* DerivedStore
      const derivatives = yield* Derivatives
      const items = yield* ItemIngest
      const ledger = yield* ObjectLedger
      const outbox = yield* Outbox
      const prober = yield* Probe
      const signals = yield* Signals
      const slots = yield* Slots
      const transaction = <A, E>(effect: Effect.Effect<A, E>) =>
        sql.withTransaction(effect).pipe(Effect.catchIf(isSqlError, Effect.die))

      /** Isolates what a type system can't: an object that ends the whole process when it is read. */
      const begin = Effect.fnUntraced(function* (work: TakenWork, step: string) {
        const starts = yield* outbox.begun(work)
        if (starts - countedSteps < deadlyStarts) return
        const message = `Ingest ended ${deadlyStarts} times while it was reading this object`
        return yield* new StepFailed({ step, message, failure: "media" })
      })

      const look = (work: TakenWork) => prober.probe(source, objectOf(work)).pipe(Effect.mapError(ofMedia("probe")))

      const probe = Effect.fn("IngestSteps.probe")(
        function* (work: TakenWork) {
          yield* items.startProcessing(work.itemId, work.etag)
          yield* begin(work, "probe")
          const found = yield* look(work)
          const { title: _title, ...named } = FileNames.read(work.key)
          // Of songs the tags know best what they are called; of films they often tell who made the file.
          const title = found.type === "audio" ? (found.tags["title"] ?? null) : null
          yield* items.recordProbe(work.itemId, work.etag, title, {
            ...found,
            metadata: {
              ...named,
              tags: found.tags,
              orientation: found.orientation,
              pictures: found.pictures,
              location: found.location,
              frameRateFraction: found.frameRateFraction
            }
          })
        },
        Effect.catchTag("ItemSuperseded", superseded),
        IngestMetrics.timed("probe")
      )

      /** The result of the probe as it stands in the catalogue: a workflow carries keys, not contents. */
      const probed = Effect.fnUntraced(function* (work: TakenWork) {
        const { metadata, ...found } = yield* items.probedOf(work.itemId, work.etag)
        const known = Schema.decodeUnknownOption(ProbeResult)(
          typeof metadata === "object" && metadata !== null ? { ...found, ...metadata } : found
        )
        // Written by a version that looked for less.
        return Option.isSome(known) ? known.value : yield* look(work)
      })

      const derive = Effect.fn("IngestSteps.derive")(
        function* (work: TakenWork, kind: DerivativeKind) {
          yield* begin(work, kind.step)
          return yield* kind.make(work, yield* probed(work)).pipe(IngestMetrics.timed(kind.step))
        },
        Effect.catchTag("ItemSuperseded", superseded)
      )

      /** Derivatives of versions that the item no longer has. That they are still there for a while harms nobody. */
      const tidy = Effect.fnUntraced(function* (work: TakenWork) {
        const current = DerivedKeys.thumbnail(work.itemId, work.etag, 0, "webp")
        const folder = current.slice(0, current.lastIndexOf("/") + 1)
        const { objects } = yield* derived.list({ prefix: `${work.itemId}/` })
        const old = objects.filter(({ key }) => !key.startsWith(folder))
        yield* Effect.forEach(old, ({ key }) => derived.delete(key), { discard: true })
      })

      const record = Effect.fnUntraced(function* (work: TakenWork, made: ReadonlyArray<MadeOfKind>) {
        for (const one of made) yield* one.kind.record(work, one.made)
        const versions = Object.fromEntries(made.map(({ kind }) => [kind.name, kind.version]))
        yield* ledger.derived(work.key, work.etag, versions)
        yield* outbox.done(work)
      })

      const publish = Effect.fn("IngestSteps.publish")(
        function* (work: TakenWork, made: ReadonlyArray<MadeOfKind>) {
          for (const one of made) yield* derivatives.believe("publish", one.made)
          yield* transaction(
            Effect.gen(function* () {
              yield* record(work, made)
              yield* items.publishReady(work.itemId, work.etag)
              yield* ledger.processed(work.key, work.etag)
              const { type } = yield* items.probedOf(work.itemId, work.etag)
              for (const { after, name, types } of derivatives.kinds) {
                if (after !== "ready" || !types.includes(type)) continue
                yield* outbox.addDerivatives([work], { kind: name, rebuildId: null })
              }
            })
          )
          if (work.run > 1) yield* Effect.ignore(tidy(work))
        },
        Effect.catchTag("ItemSuperseded", superseded),
        IngestMetrics.timed("publish")
      )

      const replace = Effect.fn("IngestSteps.replace")(
        function* (work: TakenWork, made: MadeOfKind) {
          yield* derivatives.believe(made.kind.step, made.made)
          yield* transaction(record(work, [made]))
        },
        Effect.catchTag("ItemSuperseded", superseded)
      )

      /** An item that is shown already stays so; whoever wanted the derivative made anew is to know. */
      const standing = (work: TakenWork, { message, step }: StepFailed) =>
        work.kind === null
          ? items
              .recordFailure(work.itemId, work.etag, { step, message, attempts: work.attempt })
              .pipe(Effect.catchTag("ItemSuperseded", () => Effect.void))
          : Effect.andThen(
              outbox.countFailed(work),
              derivatives.kinds.find(({ name }) => name === work.kind)?.recordFailure?.(work, message) ?? Effect.void
            )

      const conclude = Effect.fn("IngestSteps.conclude")(function* (work: TakenWork, failed: StepFailed) {
        const { failure, message, step } = failed
        const what = `Ingest of ${JSON.stringify(work.key)} failed at ${step} (attempt ${work.attempt}): ${message}`
        yield* IngestMetrics.countFailure(failure)
        if (failure === "space") yield* slots.rest(config.fullDiskRest)
        const retry = yield* Retries.after(config, failure, work.attempt)
        if (retry._tag === "Again") {
          yield* outbox.retry(work, retry)
          yield* Effect.logInfo(what)
          return "again"
        }
        yield* transaction(Effect.andThen(standing(work, failed), outbox.done(work)))
        yield* Effect.logWarning(what)
        return "failed"
      })

      // The scanner is to see what the object is by now.
      const withdraw = Effect.fn("IngestSteps.withdraw")((work: TakenWork) =>
        transaction(Effect.andThen(outbox.done(work), signals.wakeScanner))
      )

      return IngestSteps.of({ probe, derive, publish, replace, conclude, withdraw })
    })
  )
}
