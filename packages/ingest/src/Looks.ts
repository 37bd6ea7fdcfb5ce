import type { ScanId } from "@joy/domain/Ids"
import type { ObjectKey } from "@joy/domain/StoredObject"
import { SourceStore, type StoreChange } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

import { Absences } from "./Absences.ts"
import { Arrivals } from "./Arrivals.ts"
import { Bells } from "./Bells.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as MediaKinds from "./MediaKinds.ts"
import { ObjectEvents } from "./ObjectEvents.ts"
import { PageIngest } from "./PageIngest.ts"
import { ScanJournal } from "./ScanJournal.ts"
import { Signals } from "./Signals.ts"
import { Turns } from "./Turns.ts"

/** Pages that a look lists of what is below one folder; there may be more to it than a look is for. */
const mostPages = 5

const afterFailure: Duration.Input = "5 seconds"
/** Until a store is listened to again that can't be for now, and one that the system has no room for. */
const untilWatched = { soon: Duration.seconds(5), late: Duration.minutes(10) }

/** Behind every key that begins with it. */
const endOf = (prefix: string) => `${prefix}\u{10FFFF}`

export interface LookEnd {
  /** Keys of objects that may still be being written. */
  readonly waiting: ReadonlyArray<ObjectKey>
  /** There is more to it than a look is for: a scan has to see the whole. */
  readonly needsScan: boolean
}

/**
 * Looks at some keys at once instead of waiting for a scan: those that an object store spoke of, and those of the files
 * that the system says have changed. What it is told is a hint where to look; what there is, the store says. Scans stay
 * what is relied on.
 */
export class Looks extends Context.Service<
  Looks,
  {
    /** Looks at these keys, and at what is below these folders, and writes down what is there and what is gone. */
    readonly look: (where: {
      readonly keys: ReadonlyArray<ObjectKey>
      readonly below: ReadonlyArray<string>
    }) => Effect.Effect<LookEnd, StoreUnavailable>
    /** Looks where there is something to be looked at, or waits a moment for it. */
    readonly once: Effect.Effect<void>
    /** Listens to the store, if it tells of changes; never ends. */
    readonly listen: Effect.Effect<never>
  }
>()("@joy/ingest/Looks") {
  static readonly layer = Layer.effect(
    Looks,
    Effect.gen(function* () {
      const store = yield* SourceStore
      const events = yield* ObjectEvents
      const journal = yield* ScanJournal
      const pages = yield* PageIngest
      const absences = yield* Absences
      const arrivals = yield* Arrivals
      const turns = yield* Turns
      const signals = yield* Signals
      const bells = yield* Bells
      const config = yield* IngestConfig
      const kinds = MediaKinds.make(config.ignore)

      /** What is to be looked at next. */
      let hinted = { keys: new Set<ObjectKey>(), below: new Set<string>() }
      const bell = yield* Queue.sliding<void>(1)

      const hint = Effect.fnUntraced(function* (changes: ReadonlyArray<StoreChange>) {
        for (const change of changes) {
          if (change._tag === "Anything") yield* signals.wakeScanner
          else if (change._tag === "Below") hinted.below.add(change.prefix)
          else if (kinds.typeOf(change.key) !== null) hinted.keys.add(change.key)
        }
        if (hinted.keys.size + hinted.below.size > 0) yield* Queue.offer(bell, undefined)
      })

      /** The object; nothing where there is none, and `null` where that can't be told. */
      const find = (key: ObjectKey) =>
        store.head(key).pipe(
          Effect.asSome,
          Effect.catchTags({
            ObjectNotFound: () => Effect.succeedNone,
            StoreUnavailable: (error) => (error.retryable ? Effect.fail(error) : Effect.succeed(null))
          }),
          Effect.map((object) => ({ key, object }))
        )

      const lookAtKeys = Effect.fnUntraced(function* (id: ScanId, keys: ReadonlyArray<ObjectKey>) {
        const found = yield* Effect.forEach(keys, find, { concurrency: 16 })
        const told = found.flatMap(({ key, object }) => (object === null ? [] : [{ key, object }]))
        return yield* pages.look(
          id,
          { objects: told.flatMap(({ object }) => Option.toArray(object)), unusable: [] },
          { keys: told.map(({ key }) => key) }
        )
      })

      /** False when there was more below it than a look is for. */
      const lookBelow = Effect.fnUntraced(function* (id: ScanId, prefix: string, waiting: Array<ObjectKey>) {
        const end = endOf(prefix)
        let from = prefix
        for (let count = 0; count < mostPages; count++) {
          const page = yield* store.list({ startAfter: from, upTo: end, limit: config.pageSize })
          waiting.push(...(yield* pages.look(id, page, { from, to: page.nextStartAfter ?? end })))
          if (page.nextStartAfter === null) return true
          from = page.nextStartAfter
        }
        return false
      })

      const look = Effect.fn("Looks.look")(function* (where: {
        readonly keys: ReadonlyArray<ObjectKey>
        readonly below: ReadonlyArray<string>
      }) {
        const id = yield* journal.beginLook
        const waiting = [...(yield* lookAtKeys(id, where.keys))]
        let isWhole = true
        for (const prefix of where.below) isWhole = (yield* lookBelow(id, prefix, waiting)) && isWhole
        yield* absences.verify(id)
        yield* arrivals.resolve(id)
        const outcome = yield* absences.concludeLook(id)
        yield* journal.endLook(id)
        return { waiting, needsScan: !isWhole || outcome._tag === "Waiting" }
      }, turns.alone)

      const once = Effect.gen(function* () {
        const told = yield* events.pending
        const seen = hinted
        if (told.length + seen.keys.size + seen.below.size === 0) {
          // A bell that tells of events may not be heard: they are looked for.
          yield* Effect.raceFirst(bells.woken("looker", config.poll), Queue.take(bell))
          return
        }
        hinted = { keys: new Set(), below: new Set() }
        const keys = new Set([...seen.keys, ...told.map(({ key }) => key).filter((key) => kinds.typeOf(key) !== null)])
        const end = yield* look({ keys: [...keys], below: [...seen.below] }).pipe(
          Effect.onError(() =>
            Effect.sync(() => {
              for (const key of seen.keys) hinted.keys.add(key)
              for (const prefix of seen.below) hinted.below.add(prefix)
            })
          ),
          Effect.catchTag("StoreUnavailable", (error) =>
            Effect.logWarning(`${error.message}; what is said to have changed is looked at later`).pipe(
              Effect.andThen(Effect.sleep(afterFailure)),
              Effect.as(null)
            )
          )
        )
        if (end === null) return
        yield* events.done(told)
        if (end.needsScan) yield* signals.wakeScanner
        if (end.waiting.length > 0) {
          const again = hint(end.waiting.map((key) => ({ _tag: "Key", key })))
          yield* Effect.forkChild(Effect.delay(again, config.settleLook))
        }
      }).pipe(Effect.withSpan("Looks.once"))

      let isDeaf = false
      const listenTo = Effect.fnUntraced(function* (watched: NonNullable<typeof store.watch>) {
        const failed = yield* Stream.runForEach(watched, (changes) =>
          Effect.suspend(() => {
            const told = isDeaf ? Effect.logInfo(`Changes in ${store.location} are seen at once again`) : Effect.void
            isDeaf = false
            return Effect.andThen(told, hint(changes))
          })
        ).pipe(Effect.as(null), Effect.catchTag("StoreUnavailable", Effect.succeed))
        if (!isDeaf) {
          yield* Effect.logWarning(
            `Changes in ${store.location} are found by scanning alone, every ${Duration.format(config.interval)}` +
              (failed === null ? "" : `: ${failed.reason}`)
          )
        }
        isDeaf = true
        yield* Effect.sleep(failed?.retryable === false ? untilWatched.late : untilWatched.soon)
      })
      const listen = store.watch === null ? Effect.never : Effect.forever(listenTo(store.watch))

      return Looks.of({ look, once, listen })
    })
  )
}
