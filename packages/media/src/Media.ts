import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"

import * as Demuxer from "./Demuxer.ts"
import * as Ffmpeg from "./Ffmpeg.ts"
import type { FfmpegOptions } from "./FfmpegTools.ts"
import * as LoopbackReader from "./LoopbackReader.ts"
import * as Probe from "./Probe.ts"
import * as Renditions from "./Renditions.ts"
import * as Storyboards from "./Storyboards.ts"
import * as Subtitles from "./Subtitles.ts"
import * as Thumbnails from "./Thumbnails.ts"

/** All services of this package over one loopback listener, one look for the tools and one set of threads. */
export const layer = (
  options: FfmpegOptions & Probe.ProbeOptions = {}
): Layer.Layer<
  | Probe.Probe
  | Thumbnails.Thumbnails
  | Storyboards.Storyboards
  | Subtitles.Subtitles
  | Renditions.Renditions
  | Ffmpeg.Ffmpeg
  | Demuxer.Demuxer,
  never,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem
> =>
  Layer.mergeAll(
    Probe.layerNoDeps(options),
    Thumbnails.layerNoDeps,
    Storyboards.layerNoDeps,
    Subtitles.layerNoDeps,
    Renditions.layerNoDeps
  ).pipe(
    Layer.provideMerge(Layer.merge(Ffmpeg.layerNoDeps(options), Demuxer.layer())),
    Layer.provide(LoopbackReader.layer)
  )
