import { Api } from "@joy/domain/Api"
import { HlsPlays } from "@joy/playback/HlsPlays"
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
    const hls = yield* HlsPlays
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
      rendition: Effect.fnUntraced(function* ({ params }) {
        return yield* respond(yield* plays.rendition(params.grant, yield* ContentResponse.wanted))
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
      }),
      hlsMain: Effect.fnUntraced(function* ({ params }) {
        const answer = yield* hls.main(params.grant, yield* ContentResponse.wanted)
        // It names text tracks that came after it was first asked for.
        return yield* send(answer, { cacheControl: "private, no-cache", ended: answer.ended })
      }),
      hlsPlaylist: Effect.fnUntraced(function* ({ params: { grant, rendition } }) {
        return yield* respond(yield* hls.playlist(grant, rendition, yield* ContentResponse.wanted))
      }),
      hlsInit: Effect.fnUntraced(function* ({ params: { grant, rendition } }) {
        return yield* respond(yield* hls.init(grant, rendition, yield* ContentResponse.wanted))
      }),
      hlsSegment: Effect.fnUntraced(function* ({ params: { grant, rendition, segment } }) {
        const name = { rendition, segment: Number(segment), isPacked: false }
        return yield* respond(yield* hls.segment(grant, name, yield* ContentResponse.wanted))
      }),
      hlsPackedSegment: Effect.fnUntraced(function* ({ params: { grant, rendition, segment } }) {
        const name = { rendition, segment: Number(segment), isPacked: true }
        return yield* respond(yield* hls.segment(grant, name, yield* ContentResponse.wanted))
      })
    })
  })
)
