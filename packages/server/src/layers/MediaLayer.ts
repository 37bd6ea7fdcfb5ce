import * as Media from "@joy/media/Media"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"

/** Reading what is inside objects, with the tools that the environment names or that are found. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ ffmpegPath, ffprobePath, keepLocation }) =>
    Media.layer({ ffmpegPath, ffprobePath, keepLocation })
  )
)
