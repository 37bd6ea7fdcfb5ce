import type { VideoColor } from "@joy/domain/MediaStream"
import * as Schema from "effect/Schema"

import { fractionRate } from "./Codecs.ts"
import { videoColor } from "./Colors.ts"
import type { FfprobeStream } from "./FfprobeOutput.ts"
import type { ProbeResult } from "./ProbeResult.ts"

const number = Schema.optionalKey(Schema.Finite)
const fraction = Schema.optionalKey(Schema.String)

/** What ffprobe tells beside a stream or a frame, as far as it is of use here. */
export const SideData = Schema.Struct({
  rotation: number,
  red_x: fraction,
  red_y: fraction,
  green_x: fraction,
  green_y: fraction,
  blue_x: fraction,
  blue_y: fraction,
  white_point_x: fraction,
  white_point_y: fraction,
  min_luminance: fraction,
  max_luminance: fraction,
  max_content: number,
  max_average: number,
  dv_profile: number,
  dv_level: number,
  dv_bl_signal_compatibility_id: number
})
type SideData = typeof SideData.Type

const point = (x: string | undefined, y: string | undefined) => ({ x: fractionRate(x) ?? 0, y: fractionRate(y) ?? 0 })

const staticMetadata = (all: ReadonlyArray<SideData>) => {
  const screen = all.find(({ red_x }) => red_x !== undefined)
  const light = all.find(({ max_content }) => max_content !== undefined)
  return {
    masteringDisplay:
      screen === undefined
        ? null
        : {
            red: point(screen.red_x, screen.red_y),
            green: point(screen.green_x, screen.green_y),
            blue: point(screen.blue_x, screen.blue_y),
            whitePoint: point(screen.white_point_x, screen.white_point_y),
            minLuminance: fractionRate(screen.min_luminance) ?? 0,
            maxLuminance: fractionRate(screen.max_luminance) ?? 0
          },
    contentLight:
      light?.max_content === undefined
        ? null
        : { maxContent: light.max_content, maxFrameAverage: light.max_average ?? 0 }
  }
}

const ranges: Readonly<Record<string, "limited" | "full">> = { tv: "limited", pc: "full" }
/** The standards of these say what holds when nothing is said. */
const limitedByDefault = new Set(["h264", "hevc"])

export const colorOf = (stream: FfprobeStream): VideoColor => {
  const sideData = stream.side_data_list ?? []
  const dolby = sideData.find(({ dv_profile }) => dv_profile !== undefined)
  return videoColor({
    range: ranges[stream.color_range ?? ""] ?? (limitedByDefault.has(stream.codec_name ?? "") ? "limited" : null),
    space: stream.color_space ?? null,
    transfer: stream.color_transfer ?? null,
    primaries: stream.color_primaries ?? null,
    ...staticMetadata(sideData),
    dolbyVision:
      dolby?.dv_profile === undefined
        ? null
        : {
            profile: dolby.dv_profile,
            level: dolby.dv_level ?? 0,
            compatibility: dolby.dv_bl_signal_compatibility_id ?? 0
          }
  })
}

/** What to print of the first frame of the first video, where only the pictures say what they were graded on. */
export const showFrame: ReadonlyArray<string> = [
  ..."-select_streams v:0 -show_frames -read_intervals %+#1".split(" "),
  "-show_entries",
  "frame_side_data_list"
]

/** The JSON of `showFrame`. */
export const FfprobeFrames = Schema.fromJsonString(
  Schema.Struct({
    frames: Schema.optionalKey(
      Schema.Array(Schema.Struct({ side_data_list: Schema.optionalKey(Schema.Array(SideData)) }))
    )
  })
)
type FfprobeFrames = typeof FfprobeFrames.Type

/** PQ whose container has no word about the screen. */
export const lacksScreen = ({ streams }: ProbeResult): boolean => {
  const color = streams.find(({ type }) => type === "video")?.color
  return color?.transfer === "smpte2084" && color.masteringDisplay === null
}

/** The result with what the first frame of its first video says. */
export const withFrame = (result: ProbeResult, { frames }: FfprobeFrames): ProbeResult => {
  const found = staticMetadata(frames?.[0]?.side_data_list ?? [])
  const first = result.streams.findIndex(({ type }) => type === "video")
  return {
    ...result,
    streams: result.streams.map((stream, at) =>
      at === first && stream.color !== null
        ? {
            ...stream,
            color: {
              ...stream.color,
              masteringDisplay: stream.color.masteringDisplay ?? found.masteringDisplay,
              contentLight: stream.color.contentLight ?? found.contentLight
            }
          }
        : stream
    )
  }
}
