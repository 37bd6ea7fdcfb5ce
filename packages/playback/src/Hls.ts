import { createHash } from "node:crypto"

import type { MediaIndex } from "@joy/media/index/MediaIndex"
import type { BadMedia, StoreFailure } from "@joy/media/MediaError"
import type { DerivedStore, LocalFile, SourceStore } from "@joy/storage/ObjectStore"
import { ObjectChanged } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import { ContentIndexes } from "./ContentIndexes.ts"
import { withSamples } from "./hls/CuePlan.ts"
import { initSegment } from "./hls/InitSegment.ts"
import { layoutOf, maxSegmentBytes } from "./hls/Layout.ts"
import { timestampTag } from "./hls/PackedAudio.ts"
import { type Plan, planOf, type Rendition, renditionsOf } from "./hls/Plan.ts"
import { mediaPlaylist, multivariantPlaylist, subtitlePlaylist, type SubtitleTrack } from "./hls/Playlists.ts"
import { segmentHead } from "./hls/SegmentHead.ts"
import { SourceBlocks } from "./SourceBlocks.ts"
import { cutOut, SourceStretches } from "./SourceStretches.ts"
import { type SourceVersion, stores } from "./SourceVersion.ts"

/** No segments can be made of the object: of its container, its codecs, or because it is damaged. */
export class NotPackageable extends Schema.TaggedError<NotPackageable>()("NotPackageable", { reason: Schema.String }) {}

/** The presentation has no rendition of this name, or no segment of this number. */
export class NoSuchPart extends Schema.TaggedError<NoSuchPart>()("NoSuchPart", {}) {}

export type HlsFailure = NotPackageable | NoSuchPart | StoreFailure

/** Something that a player asked for: `head`, and behind it `body`. Of one URL always the same bytes. */
export interface HlsPart {
  readonly mimeType: string
  readonly sizeBytes: number
  /** Strong, without quotes. */
  readonly etag: string
  readonly head: Uint8Array
  readonly body:
    | null
    /** Bytes of the object itself, `end` included: they are sent by the edge, past any stream. */
    | { readonly _tag: "File"; readonly file: LocalFile; readonly start: number; readonly end: number }
    | { readonly _tag: "Stream"; readonly stream: Stream.Stream<Uint8Array, StoreFailure> }
}

/** Changes whenever a segment of the same object would have other bytes. */
const packagingVersion = 1

const mediaType = ({ isPacked, tracks }: Rendition): string =>
  isPacked ? "audio/mpeg" : tracks.some(({ track }) => track.kind === "video") ? "video/mp4" : "audio/mp4"

/** What is made whole, and is small. */
const made = (mimeType: string, head: Uint8Array): HlsPart => ({
  mimeType,
  sizeBytes: head.length,
  etag: createHash("sha256").update(head).digest("base64url").slice(0, 22),
  head,
  body: null
})

const playlistOf = (text: string): HlsPart => made("application/vnd.apple.mpegurl", new TextEncoder().encode(text))

const refuseBadMedia = <A>(
  effect: Effect.Effect<A, BadMedia | StoreFailure>
): Effect.Effect<A, NotPackageable | StoreFailure> =>
  Effect.catchTag(effect, ["UnreadableMedia", "MediaResourceExceeded", "MediaTimeout"], (error) =>
    Effect.fail(new NotPackageable({ reason: error.message }))
  )

type Sources = ContentIndexes | DerivedStore | SourceBlocks | SourceStore | SourceStretches

/** Packages objects for HLS as they are asked for: nothing is transcoded, and nothing stored but where their samples are. */
export class Hls extends Context.Service<
  Hls,
  {
    /** Whether `main` would succeed. */
    readonly isPackageable: (source: SourceVersion) => Effect.Effect<boolean, StoreFailure>
    /** The multivariant playlist. URIs are relative to its own folder. */
    readonly main: (
      source: SourceVersion,
      subtitles: ReadonlyArray<SubtitleTrack>
    ) => Effect.Effect<HlsPart, HlsFailure>
    /** The media playlist of a rendition that `main` names; `subtitles-<n>` are those of text tracks. */
    readonly playlist: (
      source: SourceVersion,
      rendition: string,
      subtitles: ReadonlyArray<SubtitleTrack>
    ) => Effect.Effect<HlsPart, HlsFailure>
    readonly init: (source: SourceVersion, rendition: string) => Effect.Effect<HlsPart, HlsFailure>
    /** A segment, counted from 0: what playlists name `<n>.m4s`, and `<n>.mp3` where it is packed audio. What is open closes with the scope. */
    readonly segment: (
      source: SourceVersion,
      rendition: string,
      segment: number
    ) => Effect.Effect<HlsPart, HlsFailure, Scope.Scope>
  }
>()("@joy/playback/Hls") {
  static readonly layerNoDeps: Layer.Layer<Hls, never, Sources> = Layer.effect(
    Hls,
    Effect.gen(function* () {
      const blocks = yield* SourceBlocks
      const indexes = yield* ContentIndexes
      const storeOf = yield* stores
      const stretches = yield* SourceStretches
      const plans = new WeakMap<MediaIndex, Plan | null>()

      const planFor = Effect.fnUntraced(function* (source: SourceVersion) {
        const index = yield* refuseBadMedia(indexes.get(source))
        const known = plans.get(index)
        const plan = known === undefined ? planOf(index) : known
        plans.set(index, plan)
        if (plan === null) return yield* new NotPackageable({ reason: "has nothing that segments are made of" })
        return { index, plan }
      })

      const renditionOf = Effect.fnUntraced(function* (source: SourceVersion, name: string) {
        const { index, plan } = yield* planFor(source)
        const rendition = renditionsOf(plan).get(name)
        return rendition === undefined ? yield* new NoSuchPart() : { index, plan, rendition }
      })

      const main = Effect.fn("Hls.main")(function* (source: SourceVersion, subtitles: ReadonlyArray<SubtitleTrack>) {
        const { plan } = yield* planFor(source)
        return playlistOf(multivariantPlaylist(plan, subtitles))
      })

      const playlist = Effect.fn("Hls.playlist")(function* (
        source: SourceVersion,
        name: string,
        subtitles: ReadonlyArray<SubtitleTrack>
      ) {
        const track = subtitles.find((_, i) => name === `subtitles-${i}`)
        if (track !== undefined) {
          const { plan } = yield* planFor(source)
          return playlistOf(subtitlePlaylist(track, plan))
        }
        const { rendition } = yield* renditionOf(source, name)
        return playlistOf(mediaPlaylist(rendition))
      })

      const init = Effect.fn("Hls.init")(function* (source: SourceVersion, name: string) {
        const { rendition } = yield* renditionOf(source, name)
        if (rendition.isPacked) return yield* new NoSuchPart()
        return made(mediaType(rendition), initSegment(rendition))
      })

      /** The segment with its samples; and where those show in the object alone, what was read of it. */
      const sampledOf = Effect.fnUntraced(function* (
        source: SourceVersion,
        index: MediaIndex,
        rendition: Rendition,
        segment: number
      ) {
        const stretch = rendition.stretches?.[segment]
        const { cues } = index
        if (stretch === undefined || cues === null) return { rendition, segment, read: null }
        const wanted = { source, index: { ...index, cues }, stretch }
        const { bytes, samples } = yield* refuseBadMedia(stretches.read(wanted))
        return { rendition: withSamples(rendition, index, samples), segment: 0, read: { bytes, start: stretch.start } }
      })

      const segment = Effect.fn("Hls.segment")(
        function* (source: SourceVersion, name: string, number: number) {
          const { index, plan, rendition } = yield* renditionOf(source, name)
          if (!Number.isInteger(number) || number < 0 || number >= rendition.starts.length - 1)
            return yield* new NoSuchPart()
          const { read, ...sampled } = yield* sampledOf(source, index, rendition, number)
          const layout = layoutOf(sampled.rendition, sampled.segment)
          if (layout.bytes > maxSegmentBytes)
            return yield* new NotPackageable({ reason: "has segments beyond all size" })
          const head = rendition.isPacked
            ? timestampTag(sampled.rendition.tracks[0], sampled.segment)
            : segmentHead(layout, number + 1)
          const whole: HlsPart = {
            mimeType: mediaType(rendition),
            sizeBytes: head.length + layout.bytes,
            etag: `${encodeURIComponent(source.etag)}.${packagingVersion}.${name}.${number}`,
            head,
            body: null
          }
          const [piece, ...others] = layout.pieces
          if (piece === undefined || piece.start === piece.end) return whole
          if (others.length === 0) {
            const file = yield* storeOf(source).openLocal(source.key, { ifMatch: source.etag })
            const range = { start: piece.start, end: piece.end - 1 }
            if (file !== null) return { ...whole, body: { _tag: "File" as const, file, ...range } }
            // Where sound is fetched by itself, it is read in the same blocks.
            if (plan.sounds.length === 0 && read === null) {
              const { stream } = yield* storeOf(source).read(source.key, { ifMatch: source.etag, range })
              return { ...whole, body: { _tag: "Stream" as const, stream } }
            }
          }
          const stream =
            read === null ? blocks.gather(source, layout.pieces) : Stream.succeed(cutOut(read, layout.pieces))
          return { ...whole, body: { _tag: "Stream" as const, stream } }
        },
        Effect.catchTag("RangeNotSatisfiable", ({ key }) => Effect.fail(new ObjectChanged({ key })))
      )

      const isPackageable = Effect.fn("Hls.isPackageable")(
        (source: SourceVersion) => Effect.as(planFor(source), true),
        Effect.catchTag("NotPackageable", () => Effect.succeed(false))
      )

      return Hls.of({ isPackageable, main, playlist, init, segment })
    })
  )

  static readonly layer = Hls.layerNoDeps.pipe(
    Layer.provide([ContentIndexes.layer, SourceBlocks.layer, SourceStretches.layer])
  )
}
