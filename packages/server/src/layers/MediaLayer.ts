import * as Demuxer from "@joy/media/Demuxer"
import * as Ffmpeg from "@joy/media/Ffmpeg"
import * as Probe from "@joy/media/Probe"
import * as Thumbnails from "@joy/media/Thumbnails"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"

/** Reading what is inside objects. The tools are looked for once. */
export const layer = Layer.mergeAll(Probe.layerNoDeps(), Thumbnails.layerNoDeps).pipe(
  Layer.provideMerge(
    Layer.unwrap(
      Effect.map(Configuration, ({ ffmpegPath, ffprobePath }) =>
        Layer.merge(Ffmpeg.layer({ ffmpegPath, ffprobePath }), Demuxer.layer())
      )
    )
  )
)
