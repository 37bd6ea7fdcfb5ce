import type { MediaContent } from "@joy/catalog/PlayableItems"
import { ContentUnavailable } from "@joy/domain/MediaItem"
import { ContentChanged, type Grant, NothingToPlay } from "@joy/domain/Playback"
import { ServiceUnavailable } from "@joy/domain/Problem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import * as ByteRanges from "./ByteRanges.ts"
import { type DeliveryBody, sentRange, unavailable, type Wanted } from "./Delivery.ts"
import { type GrantRefused, Grants, type OpenGrant } from "./Grants.ts"
import { Hls, type HlsFailure, type HlsPart } from "./Hls.ts"
import { here, type Played } from "./Plays.ts"
import { playedOf } from "./SourceVersion.ts"

/** Where a segment is: of which rendition, and its number, counted from 0. */
export interface SegmentName {
  readonly rendition: string
  readonly segment: number
  /** What its ending says: packed audio is `.mp3`, all else `.m4s`. */
  readonly isPacked: boolean
}

type Answer = Effect.Effect<Played, GrantRefused | NothingToPlay | ServiceUnavailable, Scope.Scope>

const bodyOf = ({ body, head }: HlsPart): DeliveryBody => {
  if (body === null) return { _tag: "Bytes", bytes: head }
  return body._tag === "File" ? { ...body, head } : { _tag: "Stream", stream: Stream.prepend(body.stream, [head]) }
}

/** A rendition that was made anew at this moment is another one soon; the item stays the same. */
const changed = ({ content }: OpenGrant) =>
  content.rendition === null ? new ContentChanged({}) : new ServiceUnavailable({ retryAfterSeconds: 1 })

const gone = ({ content }: OpenGrant) =>
  content.rendition === null ? new ContentUnavailable({}) : new NothingToPlay({})

/** The tracks as a rendition's folder sees them. */
const subtitlesOf = ({ subtitles }: MediaContent) =>
  subtitles.map((track, number) => ({ ...track, uri: `../../subtitles/${number}.vtt` }))

/** HLS by a grant. The URIs of playlists are relative, so the grant goes on in what they lead to. */
export class HlsPlays extends Context.Service<
  HlsPlays,
  {
    /** The multivariant playlist. It changes when text tracks come. */
    readonly main: (grant: Grant, wanted: Wanted) => Answer
    readonly playlist: (grant: Grant, rendition: string, wanted: Wanted) => Answer
    readonly init: (grant: Grant, rendition: string, wanted: Wanted) => Answer
    readonly segment: (grant: Grant, name: SegmentName, wanted: Wanted) => Answer
  }
>()("@joy/playback/HlsPlays") {
  static readonly layer: Layer.Layer<HlsPlays, never, Grants | Hls> = Layer.effect(
    HlsPlays,
    Effect.gen(function* () {
      const grants = yield* Grants
      const hls = yield* Hls

      const answer = (
        grant: Grant,
        wanted: Wanted,
        make: (content: MediaContent) => Effect.Effect<HlsPart, HlsFailure | NothingToPlay, Scope.Scope>
      ) =>
        Effect.flatMap(grants.open(grant), (open) =>
          make(open.content).pipe(
            Effect.map((part) => {
              const version = { etag: part.etag, sizeBytes: part.sizeBytes, modifiedAt: null }
              // Parts are fetched whole: a server may leave a range unheeded (RFC 9110, 14.2).
              const decision = ByteRanges.decide({ ...wanted.request, range: undefined }, version)
              const body = sentRange(wanted, decision, version) === null ? null : bodyOf(part)
              return here(open, { version, mimeType: part.mimeType, decision, ranges: "none", body })
            }),
            Effect.catchTags({
              NoSuchPart: () => Effect.fail(new NothingToPlay({})),
              NotPackageable: () => Effect.fail(new NothingToPlay({})),
              ObjectNotFound: () => Effect.fail(gone(open)),
              ObjectChanged: () => Effect.fail(changed(open)),
              StoreUnavailable: unavailable
            })
          )
        )

      return HlsPlays.of({
        main: Effect.fn("HlsPlays.main")((grant, wanted) =>
          answer(grant, wanted, (content) => hls.main(playedOf(content), subtitlesOf(content)))
        ),
        playlist: Effect.fn("HlsPlays.playlist")((grant, rendition, wanted) =>
          answer(grant, wanted, (content) => hls.playlist(playedOf(content), rendition, subtitlesOf(content)))
        ),
        init: Effect.fn("HlsPlays.init")((grant, rendition, wanted) =>
          answer(grant, wanted, (content) => hls.init(playedOf(content), rendition))
        ),
        segment: Effect.fn("HlsPlays.segment")((grant, { isPacked, rendition, segment }, wanted) =>
          answer(grant, wanted, (content) =>
            Effect.filterOrFail(
              hls.segment(playedOf(content), rendition, segment),
              ({ mimeType }) => (mimeType === "audio/mpeg") === isPacked,
              () => new NothingToPlay({})
            )
          )
        )
      })
    })
  )
}
