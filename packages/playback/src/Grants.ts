import { type MediaContent, PlayableItems } from "@joy/catalog/PlayableItems"
import { CredentialHolders } from "@joy/domain/CredentialHolders"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import type { MediaItemId } from "@joy/domain/Ids"
import { ContentUnavailable, type MediaItemNotFound } from "@joy/domain/MediaItem"
import { ContentChanged, type Grant, InvalidGrant } from "@joy/domain/Playback"
import { Signer } from "@joy/domain/Signer"
import type { ETag } from "@joy/domain/StoredObject"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

import * as GrantToken from "./GrantToken.ts"
import { PlaybackConfig } from "./PlaybackConfig.ts"

/** Why a grant opens nothing. */
export type GrantRefused = InvalidGrant | MediaItemNotFound | ContentUnavailable | ContentChanged

/** What a grant leads to, at the moment that it was shown. */
export interface OpenGrant {
  readonly content: MediaContent
  /** For how long its URLs hold still, in whole seconds. */
  readonly secondsLeft: number
  /** Fails when the grant holds no longer, and never succeeds: for answers that take long. */
  readonly ended: Effect.Effect<never, GrantRefused>
}

/** How long an answer goes on after its grant has ended, at most; it takes a look as often. */
const lookEvery = "2 seconds"

/** Who asks again within the same part of a grant's life gets the same URLs, which caches know already. */
const stableParts = 12

export class Grants extends Context.Service<
  Grants,
  {
    /** A grant for the item at this version, for who asks. That they may see it is the caller's to know. */
    readonly issue: (item: {
      readonly id: MediaItemId
      readonly etag: ETag
    }) => Effect.Effect<{ readonly grant: Grant; readonly expiresAt: Timestamp }, never, CurrentPrincipal>
    /**
     * What a grant leads to. It is asked of the database each time whether the credential behind it lives, and whether
     * its holder may see the item; so nothing has to be told to end a grant.
     */
    readonly open: (grant: Grant) => Effect.Effect<OpenGrant, GrantRefused>
  }
>()("@joy/playback/Grants") {
  static readonly layer: Layer.Layer<Grants, never, CredentialHolders | PlayableItems | PlaybackConfig | Signer> =
    Layer.effect(
      Grants,
      Effect.gen(function* () {
        const holders = yield* CredentialHolders
        const items = yield* PlayableItems
        const signer = yield* Signer
        const { grantTtl } = yield* PlaybackConfig
        const ttl = Math.floor(Duration.toSeconds(grantTtl))
        const stable = Math.max(1, Math.floor(ttl / stableParts))

        const issue = Effect.fn("Grants.issue")(function* (item: { readonly id: MediaItemId; readonly etag: ETag }) {
          const { credential } = yield* CurrentPrincipal
          const now = (yield* Clock.currentTimeMillis) / 1000
          const expiresAt = Math.min(Math.floor((now + ttl) / stable) * stable, GrantToken.latestExpiry)
          const granted = { itemId: item.id, version: GrantToken.versionOf(item.etag), credential, expiresAt }
          return {
            grant: GrantToken.encode(signer, granted),
            expiresAt: Timestamp.make(new Date(expiresAt * 1000).toISOString())
          }
        })

        const look = Effect.fnUntraced(
          function* (granted: GrantToken.Granted) {
            const secondsLeft = granted.expiresAt - (yield* Clock.currentTimeMillis) / 1000
            if (secondsLeft <= 0) return yield* new InvalidGrant({})
            const principal = yield* holders.principalOf(granted.credential)
            if (principal === null) return yield* new InvalidGrant({})
            const content = yield* items
              .content(granted.itemId)
              .pipe(Effect.provideService(CurrentPrincipal, principal))
            if (content.status === "missing") return yield* new ContentUnavailable({})
            if (GrantToken.versionOf(content.etag) !== granted.version) return yield* new ContentChanged({})
            return { content, secondsLeft: Math.floor(secondsLeft) }
          },
          Effect.catchTag("Forbidden", () => Effect.fail(new InvalidGrant({})))
        )

        const open = Effect.fn("Grants.open")(function* (grant: Grant) {
          const granted = GrantToken.decode(signer, grant)
          if (granted === null) return yield* new InvalidGrant({})
          const ended = Effect.andThen(
            look(granted).pipe(Effect.repeat(Schedule.spaced(lookEvery)), Effect.delay(lookEvery)),
            Effect.never
          )
          return { ...(yield* look(granted)), ended }
        })

        return Grants.of({ issue, open })
      })
    )
}
