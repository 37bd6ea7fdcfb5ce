import type { Readable } from "node:stream"

import { StandingPrincipals } from "@joy/auth/StandingPrincipals"
import type { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { EventPosition, EventsExpired } from "@joy/domain/EventStream"
import type { UserId } from "@joy/domain/Ids"
import * as Policy from "@joy/domain/Policy"
import { type Forbidden, ServiceUnavailable, TooManyRequests } from "@joy/domain/Problem"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"

import { EventListener } from "./EventListener.ts"
import { EventNews } from "./EventNews.ts"
import { EventReader } from "./EventReader.ts"
import * as Position from "./Position.ts"

/** Streams of one user at one server. Browsers keep six connections to a server, and people have several browsers. */
const mostOfUser = 32
/** News may be missed: nobody waits longer than this for an event, or to be told that their session is over. */
const lookMillis = 1000
/** What an older transaction holds back is looked for again this soon at first. */
const heldBackMillis = 20
/** A round that told many takes time; others get as much, up to this. */
const mostRestMillis = 250
const heartbeatMillis = 15_000
/** Who takes nothing for so long is cut off, and goes on from where they were when they come back. */
const stuckMillis = 30_000
/** Listeners that read by themselves at once, because they are behind. */
const readers = 4

/**
 * Tells everybody what happens. For all who have heard everything so far the table is read once; who is behind, because
 * they just came back or because they are slow, reads on by themselves until they have caught up.
 */
export class EventStreams extends Context.Service<
  EventStreams,
  {
    /** A body of Server-Sent Events that begins behind `since`, or now. For who has `media:read`. */
    readonly open: (
      since: EventPosition | undefined
    ) => Effect.Effect<Readable, EventsExpired | Forbidden | ServiceUnavailable | TooManyRequests, CurrentPrincipal>
    /** Ends all streams, and lets no other begin. */
    readonly end: Effect.Effect<void>
  }
>()("@joy/server/EventStreams") {
  static readonly layerNoDeps: Layer.Layer<EventStreams, never, EventNews | EventReader | StandingPrincipals> =
    Layer.effect(
      EventStreams,
      Effect.gen(function* () {
        const news = yield* EventNews
        const reader = yield* EventReader
        const principals = yield* StandingPrincipals
        const reading = yield* Semaphore.make(readers)
        const fork = yield* FiberSet.makeRuntime()
        const clock = yield* Clock.Clock
        const now = () => clock.currentTimeMillisUnsafe()
        const listeners = new Set<EventListener>()
        let isEnding = false
        /** Up to where all are told who are not behind; `null` while nobody listens. */
        let told: Position.Position | null = null

        /** Ends those whose right to listen is not what it was. */
        const admit = Effect.fnUntraced(function* (some: ReadonlyArray<EventListener>) {
          const stand = yield* principals.stand(some.map(({ principal }) => principal))
          some.forEach((listener, at) => {
            if (stand[at] !== true) listener.finish()
          })
        })

        const catchUp = Effect.fnUntraced(
          function* (listener: EventListener) {
            while (listener.takes) {
              if (told !== null && !Position.isAfter(told, listener.position)) {
                listener.isBehind = false
                return
              }
              const page = yield* reading.withPermit(reader.after(listener.position))
              yield* admit([listener])
              if (listener.takes) listener.give(page.events, page.position, now())
            }
          },
          // Told in words when it comes back.
          (effect, listener) => Effect.catchTag(effect, "EventsExpired", () => Effect.sync(() => listener.finish())),
          Effect.sandbox,
          Effect.tapError((cause) => Effect.logDebug("A listener could not read on", cause)),
          Effect.retry(Schedule.spaced(lookMillis))
        )

        const open = Effect.fn("EventStreams.open")(function* (since: EventPosition | undefined) {
          const principal = yield* Policy.permission("media:read")
          const end = told === null || since === undefined ? yield* reader.now : told
          const start = since === undefined ? end : Position.parse(since)
          // Read before it is answered: who comes too late is to hear that.
          const first = since === undefined ? null : yield* reader.after(start)
          if (isEnding) return yield* new ServiceUnavailable({ retryAfterSeconds: 2 })
          if (countOf(listeners, principal.userId) >= mostOfUser) {
            return yield* new TooManyRequests({ retryAfterSeconds: 30 })
          }
          const listener: EventListener = new EventListener(principal, start, {
            nowMillis: now(),
            ready: () => void (listener.isBehind && fork(catchUp(listener))),
            closed: () => void listeners.delete(listener)
          })
          if (first !== null) listener.give(first.events, first.position, now())
          listeners.add(listener)
          told ??= end
          listener.isBehind = Position.isAfter(told, listener.position)
          return listener
        })

        let admittedAt = 0
        let heldBack = heldBackMillis
        /** Tells all what is new; gives how many milliseconds there are until the next time. */
        const round = Effect.gen(function* () {
          if (listeners.size === 0) told = null
          if (told === null) return lookMillis
          const began = now()
          const page = yield* reader.after(told)
          if (page.events.length > 0 || began - admittedAt >= lookMillis) {
            yield* admit([...listeners])
            admittedAt = began
          }
          for (const listener of listeners) {
            if (listener.isBehind) continue
            if (listener.takes) listener.give(page.events, page.position, now())
            else listener.isBehind = true
          }
          told = page.position
          yield* Effect.sleep(Math.min(now() - began, mostRestMillis))
          heldBack = page.isHeldBack && page.events.length === 0 ? Math.min(2 * heldBack, lookMillis) : heldBackMillis
          if (page.isFull) return 0
          return page.isHeldBack ? heldBack : lookMillis
        }).pipe(
          // They were away for days, all of them, as was the database: each is told in words when it comes back.
          Effect.catchTag("EventsExpired", () =>
            Effect.sync(() => {
              for (const listener of listeners) listener.finish()
              told = null
              return lookMillis
            })
          ),
          Effect.catchCause((cause) =>
            Effect.as(Effect.logWarning("Events can't be told at the moment", cause), lookMillis)
          )
        )
        yield* Effect.forkScoped(Effect.forever(Effect.flatMap(round, (millis) => news.heard(millis))))

        const look = Effect.sync(() => {
          for (const listener of listeners) {
            const silent = listener.silentMillis(now())
            if (!listener.takes && silent >= stuckMillis) listener.destroy()
            else if (listener.takes && silent >= heartbeatMillis) listener.beat(now())
          }
        })
        yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(lookMillis)))

        return EventStreams.of({
          open,
          end: Effect.sync(() => {
            isEnding = true
            for (const listener of listeners) listener.finish()
          })
        })
      })
    )
}

const countOf = (listeners: ReadonlySet<EventListener>, userId: UserId) => {
  let count = 0
  for (const { principal } of listeners) if (principal.userId === userId) count++
  return count
}
