import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"

export interface PlaybackOptions {
  /** How long a grant holds at most. */
  readonly grantTtl: Duration.Duration
  /** Whether players are sent to the bucket for originals. */
  readonly redirect: boolean
  /** Where a proxy in front finds the files of the library; `null`: it is not asked. */
  readonly accelPrefix: string | null
}

/** What the operator decides about playback. */
export class PlaybackConfig extends Context.Service<PlaybackConfig, PlaybackOptions>()("@joy/playback/PlaybackConfig") {
  static readonly layer = (options: PlaybackOptions): Layer.Layer<PlaybackConfig> =>
    Layer.succeed(PlaybackConfig, options)
}
