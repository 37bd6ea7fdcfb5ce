import { get, type IncomingMessage } from "node:http"

import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import type * as Scope from "effect/Scope"

import * as Joy from "./Joy.ts"

export interface SeenEvent {
  readonly id: string
  readonly name: string
  readonly data: string
}

/** A stream of `GET /events`, as it comes in. */
export interface EventStream {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  /** What came up to now. */
  readonly events: ReadonlyArray<SeenEvent>
  /** From where to go on: also told when nothing happened. */
  readonly lastId: () => string | undefined
  /** Everything as it came, of an answer that is no stream above all. */
  readonly text: () => string
  /** How it ended: by the server, in the middle, or not yet. */
  readonly over: () => "ended" | "cut" | null
  /** Hangs up. */
  readonly cut: Effect.Effect<void>
  /** Takes nothing from the socket any more, and goes on with it. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

export interface OpenOptions {
  readonly token?: string | undefined
  readonly query?: string
  readonly lastEventId?: string | undefined
}

/** Opens a stream on a connection of its own, up to the head of its answer. Ends with the scope. */
export const open = (
  base: string,
  { lastEventId, query = "", token }: OpenOptions
): Effect.Effect<EventStream, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<EventStream>((resume) => {
      const request = get(
        `${base}/events${query}`,
        {
          agent: false,
          headers: {
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId })
          }
        },
        (response) => {
          const events: Array<SeenEvent> = []
          let text = ""
          let lastId: string | undefined
          let over: "ended" | "cut" | null = null
          const parser = Sse.makeParser((event) => {
            if (event._tag === "Event") events.push({ id: event.id ?? "", name: event.event, data: event.data })
          })
          response.setEncoding("utf8")
          response.on("data", (chunk: string) => {
            text = (text + chunk).slice(-100_000)
            parser.feed(chunk)
            for (const [, id] of chunk.matchAll(/^id: (.+)$/gm)) lastId = id
          })
          response.on("error", () => undefined)
          response.on("close", () => (over ??= response.complete ? "ended" : "cut"))
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              headers: response.headers,
              events,
              lastId: () => lastId,
              text: () => text,
              over: () => over,
              cut: Effect.sync(() => {
                over = "cut"
                request.destroy()
              }),
              pause: Effect.sync(() => void response.socket.pause()),
              resume: Effect.sync(() => void response.socket.resume())
            })
          )
        }
      )
      request.on("error", (cause) => resume(Effect.die(cause)))
    }),
    ({ cut }) => cut
  )

/** Waits until a stream is over. */
export const over = (stream: EventStream, seconds?: number) =>
  Joy.until(Effect.sync(stream.over), (how) => how !== null, {
    what: "the end of a stream",
    ...(seconds === undefined ? {} : { seconds })
  })

/** Waits until so many events have come. */
export const seen = (stream: EventStream, count: number, seconds?: number) =>
  Joy.until(
    Effect.sync(() => stream.events),
    (events) => events.length >= count,
    { what: `${count} events`, ...(seconds === undefined ? {} : { seconds }) }
  )
