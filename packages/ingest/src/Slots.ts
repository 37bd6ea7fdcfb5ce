import * as Sharding from "effect/cluster/Sharding"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

import type { Pace } from "./DerivativeKind.ts"
import { IngestConfig } from "./IngestConfig.ts"

/** How soon those that wait notice that their process stops. */
const closingLook: Duration.Input = "100 millis"

/** How much long work is done beside so many objects: it takes as much of the machine, and longer. */
export const placesOf = (pace: Pace, concurrency: number): number =>
  pace === "short" ? concurrency : Math.ceil(concurrency / 2)

interface Lane {
  readonly places: number
  working: number
  readonly waiting: Set<() => void>
}

/**
 * Room for work in this process: `INGEST_CONCURRENCY` objects at once, and beside them half as much work that takes long.
 * What else was handed to it waits here.
 */
export class Slots extends Context.Service<
  Slots,
  {
    /** Does the work of a workflow when there is room. */
    readonly run: <A, E, R>(pace: Pace, executionId: string, work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** The executions that this process has in hand: at work, or waiting for room. */
    readonly inHand: () => ReadonlySet<string>
    /** Begins nothing new for a while: a disk is full. */
    readonly rest: (duration: Duration.Duration) => Effect.Effect<void>
    readonly isResting: () => boolean
  }
>()("@joy/ingest/Slots") {
  static readonly layer: Layer.Layer<Slots, never, IngestConfig> = Layer.effect(
    Slots,
    Effect.gen(function* () {
      const { concurrency } = yield* IngestConfig
      const sharding = yield* Effect.serviceOption(Sharding.Sharding)
      const scope = yield* Effect.scope
      const inHand = new Set<string>()
      const lanes = {
        short: { places: placesOf("short", concurrency), working: 0, waiting: new Set<() => void>() },
        long: { places: placesOf("long", concurrency), working: 0, waiting: new Set<() => void>() }
      }
      let resting = 0
      let closing = false

      const letIn = () => {
        for (const lane of Object.values(lanes)) {
          // In the order of their coming.
          for (const enter of lane.waiting) {
            if (!closing && (lane.working >= lane.places || resting > 0)) break
            lane.waiting.delete(enter)
            enter()
          }
        }
      }

      // The place is noted where it is given: an interruption between that and the work can't lose it.
      const entered = (lane: Lane, ticket: { holdsPlace: boolean }) =>
        Effect.callback<void>((resume) => {
          const enter = () => {
            lane.working += 1
            ticket.holdsPlace = true
            resume(Effect.void)
          }
          lane.waiting.add(enter)
          letIn()
          return Effect.sync(() => lane.waiting.delete(enter))
        })
      const left = (lane: Lane, ticket: { readonly holdsPlace: boolean }) => {
        if (ticket.holdsPlace) lane.working -= 1
        letIn()
      }

      // A workflow can't be interrupted. In a process that stops it gets through to its next step, which the cluster
      // then leaves to another process.
      if (Option.isSome(sharding)) {
        yield* Effect.delay(sharding.value.isShutdown, closingLook).pipe(
          Effect.repeat({ until: (isShutdown) => isShutdown }),
          Effect.andThen(
            Effect.sync(() => {
              closing = true
              letIn()
            })
          ),
          Effect.forkScoped
        )
      }

      return Slots.of({
        run: (pace, executionId, work) =>
          Effect.suspend(() => {
            const ticket = { holdsPlace: false }
            inHand.add(executionId)
            return Effect.andThen(entered(lanes[pace], ticket), work).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  inHand.delete(executionId)
                  left(lanes[pace], ticket)
                })
              )
            )
          }),
        inHand: () => inHand,
        rest: (duration) =>
          Effect.suspend(() => {
            resting += 1
            const over = Effect.sync(() => {
              resting -= 1
              letIn()
            })
            return Effect.asVoid(Effect.forkIn(Effect.andThen(Effect.sleep(duration), over), scope))
          }),
        isResting: () => resting > 0
      })
    })
  )
}
