import type { MediaContent } from "@joy/catalog/PlayableItems"
import { ContentUnavailable } from "@joy/domain/MediaItem"
import { ContentChanged, type Grant, NothingToPlay } from "@joy/domain/Playback"
import { ServiceUnavailable } from "@joy/domain/Problem"
import * as DerivedKeys from "@joy/storage/DerivedKeys"
import { DerivedStore, SourceStore } from "@joy/storage/ObjectStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import { type Deliverable, deliver, type Delivery, unavailable, type Wanted } from "./Delivery.ts"
import { type GrantRefused, Grants, type OpenGrant } from "./Grants.ts"
import { PlaybackConfig } from "./PlaybackConfig.ts"
import { playedOf } from "./SourceVersion.ts"

/** What is sent by this process, for as long as the grant holds. */
export interface Played extends Delivery, Pick<OpenGrant, "secondsLeft" | "ended"> {
  readonly _tag: "Here"
}

/** What somebody else sends. */
export type Elsewhere =
  /** The bucket, at this URL. */
  | { readonly _tag: "Bucket"; readonly url: string }
  /** The proxy in front, from this path of its own. */
  | { readonly _tag: "Proxy"; readonly path: string; readonly mimeType: string; readonly secondsLeft: number }

/** How long a URL of the bucket works: nobody can take it back. */
const redirectFor = "5 minutes"

export const renditionType = ({ type }: Pick<MediaContent, "type">) => (type === "audio" ? "audio/mp4" : "video/mp4")

export const here = ({ ended, secondsLeft }: OpenGrant, delivery: Delivery): Played => ({
  _tag: "Here",
  ...delivery,
  ended,
  secondsLeft
})

/** What players get by a grant. */
export class Plays extends Context.Service<
  Plays,
  {
    /** The original, at the version of the grant and at no other. */
    readonly content: (
      grant: Grant,
      wanted: Wanted
    ) => Effect.Effect<Played | Elsewhere, GrantRefused | ServiceUnavailable, Scope.Scope>
    /** What was made of an original that browsers don't play. */
    readonly rendition: (
      grant: Grant,
      wanted: Wanted
    ) => Effect.Effect<Played, GrantRefused | NothingToPlay | ServiceUnavailable, Scope.Scope>
    readonly storyboard: (
      grant: Grant,
      wanted: Wanted
    ) => Effect.Effect<Played, GrantRefused | NothingToPlay | ServiceUnavailable, Scope.Scope>
    /** A sheet of the storyboard, counted from 0. */
    readonly storyboardSheet: (
      grant: Grant,
      sheet: number,
      wanted: Wanted
    ) => Effect.Effect<Played, GrantRefused | NothingToPlay | ServiceUnavailable, Scope.Scope>
    /** A text track, counted from 0. */
    readonly subtitles: (
      grant: Grant,
      track: number,
      wanted: Wanted
    ) => Effect.Effect<Played, GrantRefused | NothingToPlay | ServiceUnavailable, Scope.Scope>
  }
>()("@joy/playback/Plays") {
  static readonly layer: Layer.Layer<Plays, never, DerivedStore | Grants | PlaybackConfig | SourceStore> = Layer.effect(
    Plays,
    Effect.gen(function* () {
      const derived = yield* DerivedStore
      const grants = yield* Grants
      const source = yield* SourceStore
      const { accelPrefix, redirect } = yield* PlaybackConfig

      const elsewhere = Effect.fnUntraced(function* ({ content, secondsLeft }: OpenGrant, { headOnly }: Wanted) {
        const { key, mimeType } = content
        // The URL is signed for GET alone.
        if (redirect && !headOnly) {
          const options = { expiresIn: redirectFor, contentType: mimeType } as const
          const url = yield* Effect.orElseSucceed(source.presignGet(key, options), () => null)
          if (url !== null) return { _tag: "Bucket", url } as const
        }
        if (accelPrefix === null || source.kind !== "folder") return null
        const path = [accelPrefix.replace(/\/+$/, ""), ...key.split("/").map(encodeURIComponent)].join("/")
        return { _tag: "Proxy", path, mimeType, secondsLeft } as const
      })

      const content = Effect.fn("Plays.content")(
        function* (grant: Grant, wanted: Wanted) {
          const open = yield* grants.open(grant)
          const original = { ...open.content, version: open.content }
          const sender = yield* elsewhere(open, wanted)
          if (sender === null) return here(open, yield* deliver(source, original, wanted))
          // Whoever sends it decides on range and preconditions; whether it is the version of the grant is asked here.
          yield* deliver(source, original, { headOnly: true, request: {} })
          return sender
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new ContentUnavailable({})),
          ObjectChanged: () => Effect.fail(new ContentChanged({})),
          RangeNotSatisfiable: () => Effect.fail(new ContentChanged({})),
          StoreUnavailable: unavailable
        })
      )

      /** A file that was made from the object. */
      const made = Effect.fnUntraced(
        function* (open: OpenGrant, file: Deliverable, wanted: Wanted) {
          return here(open, yield* deliver(derived, file, wanted))
        },
        Effect.catchTags({
          ObjectNotFound: () => Effect.fail(new NothingToPlay({})),
          // Made anew at this moment.
          ObjectChanged: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          RangeNotSatisfiable: () => Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })),
          StoreUnavailable: unavailable
        })
      )

      const rendition = Effect.fn("Plays.rendition")(function* (grant: Grant, wanted: Wanted) {
        const open = yield* grants.open(grant)
        if (open.content.rendition === null) return yield* new NothingToPlay({})
        const version = playedOf(open.content)
        return yield* made(open, { key: version.key, mimeType: renditionType(open.content), version }, wanted)
      })

      const storyboard = Effect.fn("Plays.storyboard")(function* (grant: Grant, wanted: Wanted) {
        const open = yield* grants.open(grant)
        const { etag, id, storyboardSheets } = open.content
        if (storyboardSheets === null) return yield* new NothingToPlay({})
        return yield* made(open, { key: DerivedKeys.storyboard(id, etag), mimeType: "text/vtt; charset=utf-8" }, wanted)
      })

      const storyboardSheet = Effect.fn("Plays.storyboardSheet")(function* (
        grant: Grant,
        sheet: number,
        wanted: Wanted
      ) {
        const open = yield* grants.open(grant)
        const { etag, id, storyboardSheets } = open.content
        if (storyboardSheets === null || sheet >= storyboardSheets) return yield* new NothingToPlay({})
        return yield* made(open, { key: DerivedKeys.storyboardSheet(id, etag, sheet), mimeType: "image/webp" }, wanted)
      })

      const subtitles = Effect.fn("Plays.subtitles")(function* (grant: Grant, track: number, wanted: Wanted) {
        const open = yield* grants.open(grant)
        const { etag, id, subtitles } = open.content
        if (track >= subtitles.length) return yield* new NothingToPlay({})
        return yield* made(
          open,
          { key: DerivedKeys.subtitle(id, etag, track), mimeType: "text/vtt; charset=utf-8" },
          wanted
        )
      })

      return Plays.of({ content, rendition, storyboard, storyboardSheet, subtitles })
    })
  )
}
