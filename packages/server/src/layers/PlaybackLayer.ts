import { StandingPrincipals } from "@joy/auth/StandingPrincipals"
import { PlayableItems } from "@joy/catalog/PlayableItems"
import { RenditionRequests } from "@joy/catalog/RenditionRequests"
import * as Demands from "@joy/ingest/Demands"
import { Grants } from "@joy/playback/Grants"
import { Hls } from "@joy/playback/Hls"
import { HlsPlays } from "@joy/playback/HlsPlays"
import { Originals } from "@joy/playback/Originals"
import { PlaybackConfig } from "@joy/playback/PlaybackConfig"
import { Playbacks } from "@joy/playback/Playbacks"
import { Plays } from "@joy/playback/Plays"
import { ThumbnailImages } from "@joy/playback/ThumbnailImages"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"

const config = Layer.unwrap(
  Effect.map(Configuration, ({ accelPrefix, grantTtl, playbackRedirect }) =>
    PlaybackConfig.layer({ accelPrefix, grantTtl: Duration.millis(grantTtl), redirect: playbackRedirect })
  )
)

/** What delivers bytes. Needs the stores, the catalogue and who signs in. */
export const layer = Layer.mergeAll(
  Originals.layer,
  HlsPlays.layer,
  Playbacks.layer,
  Plays.layer,
  ThumbnailImages.layer
).pipe(
  Layer.provide([Grants.layer, Hls.layer]),
  Layer.provide(RenditionRequests.layer.pipe(Layer.provide(Demands.layer))),
  Layer.provide([PlayableItems.layer, StandingPrincipals.layerCredentialHolders, config])
)
