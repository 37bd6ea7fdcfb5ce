import { Api } from "@joy/domain/Api"
import { Playbacks } from "@joy/playback/Playbacks"
import { type Elsewhere, type Played, Plays } from "@joy/playback/Plays"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

import * as ContentResponse from "./ContentResponse.ts"

/** The URL names the version, and is worth nothing after the grant. */
const cacheControl = (secondsLeft: number) => `private, max-age=${secondsLeft}, immutable`

export const PlaybackHandlers = HttpApiBuilder.group(
  Api,
  "playback",
  Effect.fn(function* (handlers) {
    const playbacks = yield* Playbacks
    const plays = yield* Plays
    const send = yield* ContentResponse.responder

    const respond = (answer: Played | Elsewhere) => {
      switch (answer._tag) {
        case "Here":
          return send(answer, { cacheControl: cacheControl(answer.secondsLeft), ended: answer.ended })
        case "Bucket":
          return Effect.succeed(HttpServerResponse.redirect(answer.url, { status: 302 }))
        case "Proxy":
          return Effect.succeed(
            HttpServerResponse.empty({
              status: 200,
              headers: {
                "x-accel-redirect": answer.path,
                "content-type": answer.mimeType,
                "cache-control": cacheControl(answer.secondsLeft)
              }
            })
          )
      }
    }

    return handlers.handleAll({
      prepare: ({ params }) => playbacks.prepare(params.id),
      content: Effect.fnUntraced(function* ({ params }) {
        return yield* respond(yield* plays.content(params.grant, yield* ContentResponse.wanted))
      }),
      storyboard: Effect.fnUntraced(function* ({ params }) {
        return yield* respond(yield* plays.storyboard(params.grant, yield* ContentResponse.wanted))
      }),
      storyboardSheet: Effect.fnUntraced(function* ({ params }) {
        const sheet = Number(params.sheet)
        return yield* respond(yield* plays.storyboardSheet(params.grant, sheet, yield* ContentResponse.wanted))
      }),
      subtitles: Effect.fnUntraced(function* ({ params }) {
        const track = Number(params.track)
        return yield* respond(yield* plays.subtitles(params.grant, track, yield* ContentResponse.wanted))
      })
    })
  })
)
