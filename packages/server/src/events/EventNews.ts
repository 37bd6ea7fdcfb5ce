import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"

import { channel } from "../EventLog.ts"

/** Hears that there are events, on one connection for the whole process. While that is lost it hears nothing. */
export class EventNews extends Context.Service<
  EventNews,
  {
    /** Waits until something was heard since the last time, at most so long. */
    readonly heard: (atMost: Duration.Input) => Effect.Effect<void>
  }
>()("@joy/server/EventNews") {
  static readonly layer: Layer.Layer<EventNews, never, PgClient.PgClient> = Layer.effect(
    EventNews,
    Effect.gen(function* () {
      const pg = yield* PgClient.PgClient
      const news = yield* Queue.sliding<void>(1)

      const listen = Effect.gen(function* () {
        const queue = yield* pg.listen(channel)
        // What was said before may have been missed.
        yield* Queue.offer(news, undefined)
        return yield* Effect.forever(Effect.andThen(Queue.takeAll(queue), Queue.offer(news, undefined)))
      }).pipe(
        Effect.scoped,
        Effect.sandbox,
        Effect.tapError((cause) => Effect.logDebug("News of events are not heard; looking instead", cause)),
        Effect.retry(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]))
      )
      yield* Effect.forkScoped(listen)

      return EventNews.of({ heard: (atMost) => Effect.asVoid(Effect.timeoutOption(Queue.take(news), atMost)) })
    })
  )
}
