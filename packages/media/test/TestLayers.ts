import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import * as Demuxer from "../src/Demuxer.ts"
import * as Ffmpeg from "../src/Ffmpeg.ts"
import type { FfmpegOptions } from "../src/FfmpegTools.ts"
import * as Media from "../src/Media.ts"
import * as Probe from "../src/Probe.ts"
import * as Fixtures from "./Fixtures.ts"

/** Everything of this package, wired as in production, and a library to try it on. */
export const everything = Media.layer().pipe(Layer.provideMerge(Layer.merge(Fixtures.layer, NodeServices.layer)))

/** Only what starts tools, of these paths. */
export const ffmpegOf = (options: FfmpegOptions) => Layer.provideMerge(Ffmpeg.layer(options), NodeServices.layer)

const undecided = Effect.fail(new Demuxer.Undecided({ reason: "the test leaves it to ffprobe" }))

/** `Probe` that asks ffprobe about everything but images. */
export const probeByFfprobe = Probe.layerNoDeps().pipe(
  Layer.provide(
    Layer.succeed(Demuxer.Demuxer, {
      probe: () => undecided,
      cover: () => undecided,
      frames: () => undecided,
      tiles: () => undecided
    })
  ),
  Layer.provide(Ffmpeg.layer()),
  Layer.provide(NodeServices.layer)
)

/** As on a machine without ffmpeg. */
export const probeWithoutFfmpeg = Probe.layer({ ffmpegPath: "/nowhere/ffmpeg", ffprobePath: "/nowhere/ffprobe" }).pipe(
  Layer.provide(NodeServices.layer)
)

export const layerOptions = { excludeTestServices: true, timeout: "2 minutes" } as const
